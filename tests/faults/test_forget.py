"""`forget` leaves nothing of a project: no text in any file, no number of its embeddings, no key in Redis."""

import base64
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from redis import Redis
from rq.job import Job

from backend.commands.processes.embedded_redis import embedded_redis
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.applied import Errand, ErrandKind
from backend.store.connection import Connection, Setup
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Draft, LLMLabel, PastePrompt, Picked, Selection
from backend.work.forms import PERFORM_PART, PartTask
from backend.work.pool.weights import fetch_weights, offer_weights
from backend.work.queue import RoundQueue
from backend.work.redis_access import redis_key
from backend.work.turn import turn_key
from examples.servers import free_port
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import FakeTurn, a_context
from tests.faults.test_commands import as_nobody
from tests.studio_servers import LEGACY_KEY, Answer, StudioServer, refused_by_label_studio, studio_server
from tests.unit.backend.films import FILMS
from tests.writing_worker import FUNCTION, start_worker

CANARY = "Canarius"
MINE, OTHER = 1, 12


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def redis(model_dir: Path) -> Iterator[Redis]:
    """The embedded Redis of a running `serve`, with its file in MODEL_DIR."""
    model_dir.mkdir()
    with embedded_redis(model_dir) as url, Redis.from_url(url) as redis:
        yield redis


def fill(model_dir: Path, encoder: str) -> None:
    """Grow a project whose texts all hold the canary, and keep texts in every file that can hold one."""
    torch.set_num_threads(1)
    studio = WholeLabelStudio([f"{film} {CANARY}{number}" for number, film in enumerate(FILMS)])
    studio.extra_params = {"names": "off", "cold_start": "random", "explore": 0.0}
    settings = Settings(model_dir=model_dir, bert_model=encoder, retrain_every=8, query_size=5, queue_size=20)
    for task_id in range(1, 13):
        studio.annotate(task_id, "pos" if task_id % 2 else "neg")
    Round(a_context(settings, studio, FakeTurn(MINE, 12))).run()
    folder = ProjectFolder(model_dir, MINE)
    folder.selection.write(Selection("activellm", "x", 1.0, (Picked(20, CANARY, 1, 1),)))
    folder.llm_labels.write({20: LLMLabel((CANARY,), True, False, 1)})
    folder.errand.write(Errand(ErrandKind.FIND, 1.0, words=CANARY))
    folder.drafts.write({20: Draft(CANARY, "", False, 1, "x", "translation")})
    folder.paste_prompt.write(PastePrompt(CANARY, (20,), 1, ("pos",), 1.0))
    folder.connection.write(Connection("http://backend:9090", {"label_descriptions": {"pos": CANARY}}, 5))
    for name in ("llm/answer.json", "published.json.broken", ".half.abc.tmp", "versions/.9.abc.tmp/x"):
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text(CANARY)
    for name in ("projects/1.20260101", "projects/.1.abc.tmp", "before-restore-1/projects/1", "redis.broken"):
        (model_dir / name).mkdir(parents=True)
        (model_dir / name / "note").write_text(CANARY)
    other = ProjectFolder(model_dir, OTHER)
    other.connection.write(Connection("http://backend:9090"))


def fill_redis(redis: Redis, model_dir: Path) -> None:
    """Queue all that may name the project or hold its texts: requests, jobs, parts, their results, an encoder."""
    queue = RoundQueue(redis)
    for project_id in (MINE, OTHER):
        queue.request(project_id, changes=1, task_ids=[20])
        queue.request_later(project_id, 60)
        queue.request_errand(project_id)
    task = PartTask(weights="0" * 64, is_trained=False, texts=[f"{CANARY} text"] * 3)
    queue.parts.enqueue(PERFORM_PART, task.model_dump(), job_id="part-1", result_ttl=600)
    redis.set("rq:results:part-2", base64.b64encode(zlib.compress(CANARY.encode())))
    version = ProjectFolder(model_dir, MINE).registry.latest()
    fetch_weights(redis, offer_weights(redis, version.folder), model_dir / "weights")


def files_with(model_dir: Path, *words: bytes) -> list[str]:
    """The files that hold one of some words, as they are or compressed."""
    found = []
    for path in model_dir.rglob("*"):
        if path.is_file() and not path.is_socket():
            content = path.read_bytes()
            if any(word in content for word in words):
                found.append(path.relative_to(model_dir).as_posix())
    return found


def values(redis: Redis) -> bytes:
    """All that Redis has: keys, values, and what compressed or pickled values hold."""
    whole = []
    for key in redis.scan_iter():
        dumped = redis.dump(key) or b""
        kind = redis.type(key)
        fields = [value for pair in redis.hgetall(key).items() for value in pair] if kind == b"hash" else []
        whole += [key, dumped, *fields]
        for field in fields:
            try:
                whole.append(zlib.decompress(field))
            except zlib.error:
                continue
    return b"\n".join(whole)


def embedded_numbers(folder: ProjectFolder) -> list[bytes]:
    """The first bytes of some of the project's embeddings, in 16 bits as on disk."""
    (file,) = folder.embeddings_folder.glob("version-1-*.f16")
    rows = np.frombuffer(file.read_bytes(), dtype=np.float16).reshape(-1, 16)
    return [row.tobytes() for row in rows[:5]]


def test_of_a_forgotten_project_no_text_no_number_and_no_key_is_left(
    environment, run_command, model_dir, redis, small_encoder
):
    fill(model_dir, small_encoder)
    fill_redis(redis, model_dir)
    folder = ProjectFolder(model_dir, MINE)
    job = redis.hget(Job.key_for("part-1"), "data")
    words = [CANARY.encode(), job[:60], base64.b64encode(zlib.compress(CANARY.encode())), *embedded_numbers(folder)]
    before = files_with(model_dir, *words)
    assert len(before) > 10
    assert any("redis/" in name for name in before)
    environment(MODEL_DIR=str(model_dir))
    done = run_command("forget", "--project", str(MINE), "--yes", "--offline")
    assert done.exit_code == 0, done.stderr
    assert "is forgotten" in done.stdout
    assert files_with(model_dir, *words) == []
    assert not folder.exists()
    kept = values(redis)
    assert CANARY.encode() not in kept
    assert job not in kept
    assert not [key for key in redis.scan_iter() if key.endswith(b":1") or b"-1-" in key or b"weights" in key]
    assert redis.exists(redis_key("requests", OTHER)) == 1
    assert redis.exists(*(Job.key_for(f"{kind}-{OTHER}-a") for kind in ("round", "later"))) == 2
    assert ProjectFolder(model_dir, OTHER).is_connected()
    again = run_command("forget", "--project", str(MINE), "--yes", "--offline")
    assert again.exit_code == 1
    assert again.stderr == "unknown_project: project 1 is unknown here: nothing is kept about it\n"


def test_without_a_running_redis_its_file_goes_too(environment, run_command, model_dir, small_encoder):
    model_dir.mkdir()
    with embedded_redis(model_dir) as url, Redis.from_url(url) as redis:
        fill(model_dir, small_encoder)
        fill_redis(redis, model_dir)
        job = redis.hget(Job.key_for("part-1"), "data")
    environment(MODEL_DIR=str(model_dir))
    assert run_command("forget", "--project", str(MINE), "--yes", "--offline").exit_code == 0
    assert files_with(model_dir, CANARY.encode(), job[:60]) == []
    assert ProjectFolder(model_dir, OTHER).is_connected()


def test_a_round_that_runs_writes_nothing_anew(environment, run_command, model_dir, redis):
    environment(MODEL_DIR=str(model_dir))
    queue, folder = RoundQueue(redis, FUNCTION), ProjectFolder(model_dir, MINE)
    queue.request(MINE)
    worker = start_worker(redis.connection_pool.connection_kwargs["path"], model_dir)
    try:
        deadline = time.monotonic() + 60
        while not folder.setup.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        # An event comes meanwhile.
        queue.request(MINE, changes=1)
        done = run_command("forget", "--project", str(MINE), "--yes", "--offline")
        assert done.exit_code == 0, done.stderr
        assert not folder.exists()
        worker.join(60)
        assert worker.exitcode == 0
    finally:
        worker.kill()
        worker.join()
    assert not folder.exists()
    assert not redis.exists(turn_key(MINE))
    assert not [key for key in redis.scan_iter() if b"shortlist:" in key]


def test_a_round_that_does_not_end_is_told_and_nothing_is_deleted(
    environment, run_command, model_dir, redis, monkeypatch
):
    environment(MODEL_DIR=str(model_dir))
    folder = ProjectFolder(model_dir, MINE)
    folder.setup.write(Setup(1.0))
    queue = RoundQueue(redis)
    redis.zadd(queue.queue.started_job_registry.key, {f"round-{MINE}-a:execution": time.time() + 60})
    monkeypatch.setattr("backend.work.workers.Workers.others", lambda _: ["shortlist-a-b-1"])
    monkeypatch.setattr("backend.work.forgetting.WAIT_S", 0.1)
    done = run_command("forget", "--project", str(MINE), "--yes", "--offline")
    assert "does not end" in done.stderr
    assert folder.setup.exists()
    assert not redis.exists(turn_key(MINE))


def lists(*backends: tuple[int, str], deleted: Answer | None = None) -> Answer:
    """A Label Studio that lists ML backends of project 1."""

    def answer(asked):
        if asked.method == "DELETE":
            return deleted or (Answer(200, {"deleted_predictions": 3}) if "versions" in asked.path else Answer(204))
        if "model-versions" in asked.path and "extended" in asked.path:
            return Answer(200, {"live": [{"id": id_, "url": url} for id_, url in backends]})
        return Answer(200, {"0.1": 3} if "model-versions" in asked.path else [])

    return answer


@pytest.fixture
def connected(environment, model_dir: Path) -> ProjectFolder:
    environment(MODEL_DIR=str(model_dir))
    folder = ProjectFolder(model_dir, MINE)
    folder.connection.write(Connection("http://backend:9090", {}, 5))
    folder.started_publications.write(["0.1"])
    return folder


def asks(server: StudioServer, environment, model_dir: Path) -> None:
    environment(MODEL_DIR=str(model_dir), LABEL_STUDIO_URL=server.url, LABEL_STUDIO_API_KEY=LEGACY_KEY)


def test_a_connected_project_is_kept_until_it_is_disconnected(environment, run_command, model_dir, connected):
    with studio_server(lists((5, "http://backend:9090"))) as server:
        asks(server, environment, model_dir)
        done = run_command("forget", "--project", "1", "--yes")
        assert done.exit_code == 1
        assert done.stderr.startswith("still_connected: project 1 is connected, and its next event would bring it back")
        assert connected.exists()
        assert {asked.method for asked in server.asked} == {"GET"}


def test_disconnecting_deletes_our_predictions_and_touches_no_other_backend(
    environment, run_command, model_dir, connected
):
    with studio_server(lists((5, "http://backend:9090"), (6, "http://other:9090"))) as server:
        asks(server, environment, model_dir)
        done = run_command("forget", "--project", "1", "--yes", "--disconnect")
        assert done.exit_code == 0, done.stderr
        changes = [(asked.method, asked.path) for asked in server.asked if asked.method != "GET"]
    assert changes == [("DELETE", "/api/ml/5"), ("DELETE", "/api/projects/1/model-versions/")]
    assert "deleted 3 predictions" in done.stdout
    assert not connected.exists()


def test_a_backend_that_proved_nothing_is_never_disconnected(environment, run_command, model_dir, connected):
    """As after a restore: the same address may mean another backend."""
    connected.connection.write(Connection("http://backend:9090"))
    with studio_server(lists((5, "http://backend:9090"))) as server:
        asks(server, environment, model_dir)
        done = run_command("forget", "--project", "1", "--yes", "--disconnect")
        assert "may be connected: disconnect http://backend:9090" in done.stderr
        assert {asked.method for asked in server.asked} == {"GET"}
    assert connected.exists()


def test_a_disconnected_project_is_forgotten_without_more_ado(environment, run_command, model_dir, connected):
    with studio_server(lists((6, "http://other:9090"))) as server:
        asks(server, environment, model_dir)
        assert run_command("forget", "--project", "1", "--yes").exit_code == 0
    assert not connected.exists()


def test_a_project_that_label_studio_has_forgotten_is_forgotten_here(environment, run_command, model_dir, connected):
    with studio_server(refused_by_label_studio(404, "No Project matches the given query.")) as server:
        asks(server, environment, model_dir)
        assert run_command("forget", "--project", "1", "--yes").exit_code == 0
    assert not connected.exists()


@pytest.mark.parametrize(
    "answer", [Answer(500, "broken"), refused_by_label_studio(401, "Invalid token."), Answer(200, "<html>")], ids=repr
)
def test_where_label_studio_does_not_say_nothing_is_deleted_unless_told(
    environment, run_command, model_dir, connected, monkeypatch, answer
):
    monkeypatch.setattr("backend.studio.sending.RETRIES", 0)
    with studio_server(answer) as server:
        asks(server, environment, model_dir)
        done = run_command("forget", "--project", "1", "--yes")
        assert done.exit_code == 1
        assert "add --offline to forget it all the same" in done.stderr
        assert connected.exists()
        assert run_command("forget", "--project", "1", "--yes", "--offline").exit_code == 0
    assert not connected.exists()


def test_without_an_api_key_offline_is_named(run_command, connected):
    assert "--offline" in run_command("forget", "--project", "1", "--yes").stderr


def test_where_disconnecting_fails_nothing_is_deleted_here(environment, run_command, model_dir, connected):
    refused = refused_by_label_studio(403, "You do not have permission.")
    with studio_server(lists((5, "http://backend:9090"), deleted=refused)) as server:
        asks(server, environment, model_dir)
        assert run_command("forget", "--project", "1", "--yes", "--disconnect").exit_code == 1
    assert connected.exists()


@pytest.mark.parametrize("said", ["n\n", ""])
def test_nothing_is_deleted_unless_somebody_means_it(run_command, connected, said):
    done = run_command("forget", "--project", "1", "--offline", stdin=said)
    assert done.exit_code == 1
    assert connected.exists()


def test_somebody_who_means_it_is_asked_once(run_command, connected):
    assert run_command("forget", "--project", "1", "--offline", stdin="y\n").exit_code == 0
    assert not connected.exists()


@pytest.mark.parametrize("name", ["missing", "data"])
def test_an_unknown_project_is_named(environment, run_command, tmp_path, connected, name):
    environment(MODEL_DIR=str(tmp_path / name))
    done = run_command("forget", "--project", "99", "--yes")
    assert done.exit_code == 1
    assert done.stderr.startswith("unknown_project: project 99 is unknown here")


def test_a_redis_that_is_down_keeps_the_project(environment, run_command, model_dir, connected):
    environment(MODEL_DIR=str(model_dir), REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    done = run_command("forget", "--project", "1", "--yes", "--offline")
    assert done.stderr.startswith("redis_unavailable: ")
    assert connected.exists()


def test_a_folder_of_another_user_is_named_with_the_mend(environment, run_command, tmp_path, connected):
    tmp_path.chmod(0o755)
    (tmp_path / "data").chmod(0o755)
    with as_nobody():
        done = run_command("forget", "--project", "1", "--yes", "--offline")
    assert "may not use" in done.stderr or "chown" in done.stderr
    assert connected.exists()


def test_what_cannot_be_deleted_is_named(run_command, connected, monkeypatch):
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    done = run_command("forget", "--project", "1", "--yes", "--offline")
    assert done.exit_code == 1
    assert "projects/" in done.stderr


def test_a_forgetting_that_was_killed_is_taken_up_again(run_command, model_dir, connected):
    connected.path.rename(model_dir / "projects" / ".1.0123.tmp")
    assert run_command("forget", "--project", "1", "--yes", "--offline").exit_code == 0
    assert list((model_dir / "projects").iterdir()) == []
