"""Processes are killed in the middle of a write; the next one that starts sweeps what they left, and nothing else."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from model.files.damage import set_aside
from model.files.writing import new_folder, passing_folder, replacing
from model.leftovers import KEPT_BROKEN_S, sweep

SPAWN = multiprocessing.get_context("spawn")


def write_a_version(folder: Path, is_writing: Event) -> None:
    with new_folder(folder / "projects" / "1" / "versions" / "3") as beside:
        (beside / "model.safetensors").write_bytes(b"half")
        is_writing.set()
        time.sleep(60)


def write_a_document(folder: Path, is_writing: Event) -> None:
    with replacing(folder / "projects" / "1" / "connection.json") as beside:
        beside.write_bytes(b"half")
        is_writing.set()
        time.sleep(60)


def fetch_weights(folder: Path, is_writing: Event) -> None:
    with new_folder(folder / "weights" / "abc") as beside:
        (beside / "model.safetensors").write_bytes(b"half")
        is_writing.set()
        time.sleep(60)


def offer_weights(folder: Path, is_writing: Event) -> None:
    with passing_folder(folder / "projects" / "1") as beside:
        (beside / "model.safetensors").write_bytes(b"half")
        is_writing.set()
        time.sleep(60)


@pytest.fixture
def start():
    """Start a process that stops in the middle of a write; the process is killed at the end."""
    processes = []

    def run(write: Callable[[Path, Event], None], folder: Path) -> multiprocessing.process.BaseProcess:
        is_writing = SPAWN.Event()
        process = SPAWN.Process(target=write, args=(folder, is_writing))
        process.start()
        processes.append(process)
        assert is_writing.wait(60)
        return process

    yield run
    for process in processes:
        kill(process)


def kill(process: multiprocessing.process.BaseProcess) -> None:
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def files(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("write", [write_a_version, write_a_document, fetch_weights, offer_weights])
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path, start, write):
    process = start(write, tmp_path)
    assert sweep(tmp_path) == 0
    (left,) = files(tmp_path)
    assert ".tmp" in left
    kill(process)
    assert sweep(tmp_path) == 1
    assert files(tmp_path) == []


def test_what_an_earlier_release_left_is_swept(tmp_path):
    folder = tmp_path / "projects" / "1" / "versions" / ".4.tmp"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert sweep(tmp_path) == 1
    assert files(tmp_path) == []


def test_finished_files_are_never_swept(tmp_path):
    for name in ("connection.json", ".hidden", "note.tmp", "versions/3/encoder/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    before = sorted(files(tmp_path))
    assert sweep(tmp_path) == 0
    assert sorted(files(tmp_path)) == before


def test_what_was_set_aside_goes_after_a_month(tmp_path):
    for name in ("old.json", "new.json"):
        (tmp_path / name).touch()
        set_aside(tmp_path / name, "damaged")
    long_ago = time.time() - KEPT_BROKEN_S - 60
    os.utime(tmp_path / "old.json.broken", (long_ago, long_ago))
    sweep(tmp_path)
    assert files(tmp_path) == ["new.json.broken"]


def test_a_worker_sweeps_when_it_starts(tmp_path, module_redis):
    left = tmp_path / "projects" / "1" / "versions" / ".4.abc.tmp"
    left.mkdir(parents=True)
    socket = module_redis.connection_pool.connection_kwargs["path"]
    environment = {**os.environ, "MODEL_DIR": str(tmp_path), "REDIS_URL": f"unix://{socket}"}
    worker = subprocess.Popen([sys.executable, "-m", "backend", "worker", "--helper"], env=environment)
    try:
        deadline = time.monotonic() + 120
        while left.exists() and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        worker.terminate()
        worker.wait(60)
    assert not left.exists()


def test_a_folder_that_does_not_exist_yet_has_nothing_to_sweep(tmp_path):
    assert sweep(tmp_path / "data") == 0
