"""`forget --disconnect` on a real Label Studio: what is ours is gone there and here, and stays gone."""

import time

from tests.annotators import Person, choices_config, reviews, until_published
from tests.servers import BackendServer

# More than a round takes that has nothing to do.
AWHILE_S = 4.0


def test_a_forgotten_project_is_disconnected_and_its_annotations_bring_nothing_back(
    owner: Person, quick: BackendServer, title: str
) -> None:
    project_id = owner.create_project(title, choices_config(["neg", "pos"]), list(reviews(12)))
    owner.connect(project_id, quick.url)
    until_published(owner, quick, project_id)

    refused = quick.command("forget", "--project", str(project_id), "--yes")
    assert refused.returncode == 1
    assert "still_connected" in refused.stderr
    assert quick.folder(project_id).exists()

    done = quick.command("forget", "--project", str(project_id), "--yes", "--disconnect")
    assert done.returncode == 0, done.stderr
    assert owner.call("GET", "/api/ml/", project=project_id) == []
    assert owner.call("GET", "/api/webhooks/", project=project_id) == []
    assert owner.predictions(project_id) == []

    owner.annotate(owner.tasks(project_id)[0]["id"], "pos")
    time.sleep(AWHILE_S)
    assert not quick.folder(project_id).exists()
    text = next(iter(reviews(1))).encode()
    holding = [path for path in quick.model_dir.rglob("*") if path.is_file() and text in path.read_bytes()]
    assert [path for path in holding if f"projects/{project_id}/" in path.as_posix() or "redis" in path.parts] == []
