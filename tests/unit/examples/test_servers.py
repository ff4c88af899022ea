"""Processes on this machine: waited for, ended with their whole group, and free of this shell's settings."""

import os
import socket
import sys
import time

import pytest

from examples.servers import Server, ServerError, clean_environment, end_group, free_port, running, tail

# Starts a child that holds the pipe open for a minute.
PARENT = "import subprocess, sys; subprocess.run(['sleep', '60'], stdout=open(sys.argv[1], 'w'))"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "server.log"


def test_leaving_ends_a_program_and_the_processes_that_it_started(log, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with running([sys.executable, "-c", PARENT, str(tmp_path / "pipe")], os.environ, log):
        pipe = (tmp_path / "pipe").open()
    began = time.monotonic()
    with pipe:
        assert pipe.read() == ""
    assert time.monotonic() - began < 30


def test_a_program_that_ignores_the_request_to_end_is_killed(log):
    with running([sys.executable, "-c", DEAF], os.environ, log) as process:
        while not log.read_text():
            time.sleep(0.01)
        end_group(process, timeout_s=0.2)
        assert process.returncode == -9


def test_a_server_that_ends_is_told_in_a_sentence_that_names_its_log(log):
    with running([sys.executable, "-c", "print('no room'); raise SystemExit(3)"], os.environ, log) as process:
        server = Server("Label Studio", f"http://127.0.0.1:{free_port()}", log, {}, process)
        with pytest.raises(
            ServerError, match=r"^Label Studio ended with code 3 after \d+ s and never answered"
        ) as error:
            server.await_health()
    assert str(log) in str(error.value)
    assert tail(log) == "no room\n"


def test_a_taken_port_is_replaced_by_a_free_one():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        taken = door.getsockname()[1]
        assert free_port(taken) not in (0, taken)
    assert free_port(taken) == taken


def test_settings_of_this_shell_do_not_reach_a_server(monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "another installation's")
    monkeypatch.setenv("BERT_MODEL", "another")
    monkeypatch.setenv("PATH_OF_MY_OWN", "kept")
    environment = clean_environment({"PORT": "1"})
    assert "LABEL_STUDIO_API_KEY" not in environment
    assert "BERT_MODEL" not in environment
    assert environment["PATH_OF_MY_OWN"] == "kept"
    assert environment["PORT"] == "1"
