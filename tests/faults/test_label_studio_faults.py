"""Each fault between us and Label Studio is told apart, named with its mend, and tried again if it may pass."""

import re
import socket
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from redis import Redis

from backend.commands.doctor import label_studio
from backend.errors import TokenRefusedError
from backend.rounds import performing
from backend.settings import load_settings
from backend.store.connection import Connection
from backend.store.project_folder import ProjectFolder
from backend.studio import sending
from backend.studio.client import LabelStudioClient
from backend.work.classifiers import Classifiers
from backend.work.turn import record_key
from backend.work.worker import WorkerProcess
from examples.servers import free_port
from model.errors import ShortlistError
from tests.fakes import FakeRounds, FakeTurn
from tests.faults.studio_faults import FAULTS, KEYS, Fault
from tests.studio_servers import LEGACY_KEY

# label-studio-sdk's own, when it reads a personal access token.
pytestmark = pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")

BACKEND_URL = "http://127.0.0.1:1"


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(request: pytest.FixtureRequest, environment: Callable[..., None], monkeypatch) -> Iterator[Fault]:
    """A fault that shows in the environment."""
    monkeypatch.setattr(sending, "RETRIES", 0)
    if request.param.is_silent:
        monkeypatch.setattr(sending, "TIMEOUT_S", 0.2)
        monkeypatch.setattr(label_studio, "TIMEOUT_S", 0.2)
    with request.param.start() as variables:
        environment(**{"LABEL_STUDIO_API_KEY": LEGACY_KEY, **variables})
        yield request.param


@pytest.mark.parametrize("key", KEYS)
def test_the_error_names_the_fault_and_the_mend_and_never_the_key(fault, key, monkeypatch):
    if fault.code == "token_refused":
        key = "legacy token"
    else:
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEYS[key])
    with pytest.raises(ShortlistError) as caught, LabelStudioClient(load_settings()) as studio:
        studio.project(1)
    said = str(caught.value)
    assert caught.value.code == fault.code, said
    assert fault.fault in said
    assert fault.mend in said
    assert KEYS[key] not in said
    assert "secret" not in said


def test_a_round_is_tried_again_unless_the_fault_provably_stays(fault, monkeypatch, tmp_path):
    def run_round(settings, *_):
        with LabelStudioClient(settings) as studio:
            studio.project(1)

    monkeypatch.setattr(performing, "run_round", run_round)
    turn = FakeTurn()
    worker = WorkerProcess(load_settings(), FakeRounds(), Event(), Classifiers(1))
    again_in_s = performing._run(worker, turn)
    stays = fault.code in ("token_refused", "unknown_project", "configuration")
    assert again_in_s == (None if stays else 5)
    ((said, code),) = turn.ended
    assert code == fault.code
    assert fault.fault in said
    assert fault.mend in said
    assert ("trying again in 5 s" in said) is not stays


def test_doctor_names_the_fault_and_the_mend_and_accuses_nothing_else(fault, run_command, small_encoder, monkeypatch):
    monkeypatch.setenv("BERT_MODEL", small_encoder)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    done = run_command("doctor", "--project", "1", "--url", BACKEND_URL)
    assert done.exit_code == 1
    wrong = dict(re.findall(r"^wrong  ([^:]+): (.*\n.*)$", done.stdout, re.MULTILINE))
    guilty = {"token_refused": "API key", "unknown_project": "project"}.get(fault.code, "Label Studio")
    assert wrong.keys() - {"Redis", "backend", "address"} == {guilty}
    assert fault.fault in wrong[guilty]
    assert fault.mend in wrong[guilty]


@pytest.mark.parametrize("command", ["connect", "export"])
def test_the_commands_that_ask_label_studio_name_the_fault_and_the_mend(fault, command, run_command, tmp_path):
    words = ["--url", BACKEND_URL] if command == "connect" else ["--out", str(tmp_path / "gold.jsonl")]
    done = run_command(command, "--project", "1", *words)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{fault.code}: ")
    assert fault.fault in done.stderr
    assert fault.mend in done.stderr


def test_the_other_commands_end_with_a_sentence_beside_the_fault_and_status_shows_it(
    fault, run_command, monkeypatch, module_redis, tmp_path
):
    """No project has anything to roll back, to prompt or to paste; `serve` finds its port taken, `worker` no Redis."""
    said = _error_of_a_round()
    module_redis.hset(record_key(1), mapping={"error": said, "code": fault.code})
    monkeypatch.setenv("REDIS_URL", _url(module_redis))
    ProjectFolder(tmp_path / "data", 1).connection.write(Connection("http://localhost:9090"))
    shown = run_command("status").stdout
    assert fault.fault in shown
    assert fault.mend in shown
    for command in ("rollback", "prompt", "paste"):
        assert run_command(command, "--project", "1").exit_code == 1
    with socket.create_server(("0.0.0.0", 0)) as taken:
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        assert "choose another PORT" in run_command("serve").stderr
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    assert "Redis does not answer" in run_command("worker").stderr


def _error_of_a_round() -> str:
    with pytest.raises(ShortlistError) as caught, LabelStudioClient(load_settings()) as studio:
        studio.project(1)
    return str(caught.value)


def _url(redis: Redis) -> str:
    return f"unix://{redis.connection_pool.connection_kwargs['path']}"


def test_only_a_key_that_label_studio_itself_calls_wrong_is_called_wrong():
    blamed = {fault.name for fault in FAULTS if fault.code == TokenRefusedError.code}
    assert blamed == {"wrong key", "expired key", "no key"}
