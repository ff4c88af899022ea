"""Between trainings: what somebody has just said decides what comes next."""

import itertools
import secrets
from contextlib import ExitStack

from tests.annotators import Person, choices_config, reviews, signed_up, until_published
from tests.servers import BackendServer, eventually

CONFIG = choices_config(["neg", "pos"])
GOLD = reviews(60)
# One training, and then none for as long as the test goes on.
RARELY = {"retrain_every": 8, "query_size": 5, "recipe": "head", "explore": 0.0}


def test_every_label_orders_the_queue_anew_without_a_training(owner: Person, quick: BackendServer, title: str) -> None:
    project_id = owner.create_project(title, CONFIG, list(GOLD))
    owner.connect(project_id, quick.url, **RARELY)
    until_published(owner, quick, project_id)
    owner.label_both(project_id, GOLD, 8)
    first = until_published(owner, quick, project_id, model=1)
    rounds = quick.status(project_id)["rounds"]
    names = [first.name]

    for _ in range(3):
        [task] = owner.label_next(project_id, GOLD, 1)
        publication = until_published(owner, quick, project_id, model=1)
        names.append(publication.name)
        assert publication.labelled_tasks == len(GOLD) - len(publication.task_ids)
        assert task["id"] not in publication.task_ids
        # Two batches are written under the new name, and /next gives the first of them.
        versions = stored_predictions(owner, project_id)
        assert versions[publication.name] == 10
        following = owner.next_task(project_id)
        assert following is not None
        assert following["id"] == publication.task_ids[0]
        assert [p["result"] != [] for p in following["predictions"] if p["model_version"] == publication.name] == [True]

    assert len(set(names)) == 4
    assert {name.split(".")[0] for name in names} == {names[0].split(".")[0]}
    status = quick.status(project_id)
    assert status["rounds"] == rounds
    assert status["labels_in_order"] == status["labels"]


def test_labels_that_come_faster_than_orders_all_count_in_the_end_and_leave_nothing_behind(
    owner: Person, colleague: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(GOLD))
    owner.connect(project_id, quick.url, **{**RARELY, "retrain_every": 16})
    until_published(owner, quick, project_id)
    owner.label_both(project_id, GOLD, 16)
    until_published(owner, quick, project_id, model=1)

    served = [
        task["id"]
        for person in itertools.islice(itertools.cycle((owner, colleague)), 12)
        for task in person.label_next(project_id, GOLD, 1)
    ]
    publication = until_published(owner, quick, project_id, model=1)

    assert len(set(served)) == 12
    assert publication.labelled_tasks == len(GOLD) - len(publication.task_ids) >= 28
    kept = eventually(
        lambda: len(versions) <= 2 and versions if (versions := stored_predictions(owner, project_id)) else None,
        "old publications to go",
    )
    assert publication.name in kept


def test_ten_people_at_once_all_get_a_text_though_an_order_between_trainings_is_short(
    owner: Person, colleague: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, CONFIG, list(GOLD))
    owner.connect(project_id, quick.url, **{**RARELY, "query_size": 4})
    until_published(owner, quick, project_id)
    owner.label_both(project_id, GOLD, 8)
    until_published(owner, quick, project_id, model=1)

    with ExitStack() as stack:
        url = str(owner.http.base_url)
        others = [stack.enter_context(signed_up(url, f"{secrets.token_hex(4)}@example.com")) for _ in range(8)]
        people = [owner, colleague, *others]
        for person in people[1:]:
            person.label_next(project_id, GOLD, 1)
        until_published(owner, quick, project_id, model=1)
        # One label more: its order is soon replaced, and has two batches for a person alone, which are eight texts.
        owner.label_next(project_id, GOLD, 1)
        publication = until_published(owner, quick, project_id, model=1)
        opened = [person.next_task(project_id) for person in people]

    assert stored_predictions(owner, project_id)[publication.name] == 8 + 2 * 9
    assert None not in opened, "somebody was told that no text is left"
    assert len({task["id"] for task in opened if task}) == len(people)


def stored_predictions(person: Person, project_id: int) -> dict[str, int]:
    """Predictions that Label Studio holds, by model version."""
    return dict(person.call("GET", f"/api/projects/{project_id}/model-versions/"))
