"""What annotators get next: the published order, for one person and for two."""

import itertools

from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import BackendServer, eventually

CONFIG = choices_config(["neg", "pos"])
TEXTS = list(reviews(24))


def _tabs(person: Person, project_id: int) -> dict[str, int]:
    """The tabs of the project's Data Manager from left to right: id by title."""
    return {tab["data"]["title"]: tab["id"] for tab in person.call("GET", "/api/dm/views/", project=project_id)}


def _listed(person: Person, project_id: int, tab: int) -> list[int]:
    """The tasks of a tab, from top to bottom."""
    answer = person.call("GET", "/api/tasks/", project=project_id, view=tab, page_size=100)
    return [task["id"] for task in answer["tasks"]]


def test_connecting_publishes_an_order_that_nobody_asked_for(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, TEXTS)

    command = quick.command("connect", "--project", str(project_id), "--url", quick.url)
    publication = until_published(owner, quick, project_id)

    assert command.returncode == 0, command.stderr
    assert sorted(publication.task_ids) == sorted(task["id"] for task in owner.tasks(project_id))
    assert publication.name == "0.1"
    assert owner.project(project_id)["model_version"] == "0.1"
    assert owner.project(project_id)["sampling"] == "Uncertainty sampling"
    task = owner.next_task(project_id)
    assert task is not None
    assert task["id"] == publication.task_ids[0]
    assert [(p["model_version"], p["score"], p["result"]) for p in task["predictions"]] == [("0.1", 0, [])]


def test_connecting_twice_changes_nothing(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, TEXTS)
    owner.connect(project_id, quick.url)

    command = quick.command("connect", "--project", str(project_id), "--url", quick.url)

    assert command.returncode == 0, command.stderr
    assert "already" in command.stdout
    assert len(owner.call("GET", "/api/ml/", project=project_id)) == 1
    quick.until_settled(project_id)
    tabs = owner.call("GET", "/api/dm/views/", project=project_id)
    assert [tab["data"]["title"] for tab in tabs] == ["Default", "Next up"]


def test_label_studio_serves_our_order_however_fast_it_was_published(
    owner: Person, quick: BackendServer, title: str
) -> None:
    """Label Studio itself sets the project's version while connecting; whoever comes last must be us."""
    for attempt in range(5):
        project_id = owner.create_project(f"{title} {attempt}", CONFIG, TEXTS[:2])
        owner.connect(project_id, quick.url, cold_start="random")
        publication = until_published(owner, quick, project_id)
        assert owner.project(project_id)["model_version"] == publication.name


def test_an_annotator_gets_the_tasks_in_the_published_order(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, TEXTS)
    owner.connect(project_id, quick.url, retrain_every=1000, query_size=1000)
    published = until_published(owner, quick, project_id).task_ids
    tabs = eventually(lambda: _tabs(owner, project_id), "the Data Manager's tabs")
    assert list(tabs) == ["Default", "Next up"]
    assert quick.folder(project_id).next_up.read().view_id == tabs["Next up"]
    assert _listed(owner, project_id, tabs["Next up"]) == published

    served, scores = [], []
    while (task := owner.next_task(project_id)) is not None:
        served.append(task["id"])
        scores.extend(p["score"] for p in task["predictions"])
        owner.annotate(task["id"], "neg")

    assert served == published
    assert served != sorted(served)
    assert scores[0] == 0
    assert len(scores) == len(TEXTS)
    assert all(earlier < later for earlier, later in itertools.pairwise(scores))
    assert _listed(owner, project_id, tabs["Next up"]) == []
    assert len(_listed(owner, project_id, tabs["Default"])) == len(TEXTS)


def test_two_annotators_share_the_published_order_and_never_get_the_same_task(
    owner: Person, colleague: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, TEXTS)
    owner.connect(project_id, quick.url, retrain_every=1000, query_size=1000)
    published = until_published(owner, quick, project_id).task_ids

    served = []
    while len(served) < len(TEXTS):
        at_once = [(person, person.next_task(project_id)) for person in (owner, colleague)]
        for person, task in at_once:
            assert task is not None
            served.append(task["id"])
            person.annotate(task["id"], "pos")

    assert served == published
