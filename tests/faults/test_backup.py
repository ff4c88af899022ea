"""Backups are taken while rounds run, and put in place whole or not at all; no damaged archive changes anything."""

import copy
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

from backend.errors import BackupError, NotConnectedError
from backend.rounds.round import Round
from backend.settings import Settings
from backend.store.backup.archive import Manifest, open_backup, write_backup
from backend.store.backup.restoring import restore_backup
from backend.store.connection import Connection, Setup, WebhookSecret
from backend.store.damage import damage_of
from backend.store.in_use import alone, in_use
from backend.store.project_folder import ProjectFolder
from backend.studio.records import MLBackend
from backend.work.classifiers import Classifiers
from model.leftovers import sweep
from model.llm.chat import Reply
from model.llm.memory import Ledger
from tests.dying_restore import die_at
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import PRAISE, FakeTurn, a_context, a_publication, some_places
from tests.unit.backend.films import FILMS

OWN = {"names": "off", "cold_start": "random", "strategy": "margin", "explore": 0.0}
LABELLED = 20
SECRET = "a-secret-of-the-webhook"


@pytest.fixture(scope="module", autouse=True)
def one_core() -> None:
    torch.set_num_threads(1)


def settings_of(model_dir: Path, encoder: str) -> Settings:
    return Settings(
        model_dir=model_dir, bert_model=encoder, retrain_every=8, query_size=5, queue_size=20, recipe="lp-ft"
    )


def run_a_round(settings: Settings, studio: WholeLabelStudio, *task_ids: int, trains: bool = False) -> None:
    for task_id in task_ids:
        studio.annotate(task_id, "pos" if any(word in FILMS[task_id - 1] for word in PRAISE) else "neg")
    Round(a_context(settings, studio, FakeTurn(1, len(task_ids), trains), Classifiers(1))).run()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, small_encoder: str) -> tuple[Path, WholeLabelStudio]:
    """MODEL_DIR of a project with every file, and its Label Studio."""
    model_dir = tmp_path_factory.mktemp("grown") / "data"
    settings, studio = settings_of(model_dir, small_encoder), WholeLabelStudio(FILMS)
    studio.extra_params = OWN
    run_a_round(settings, studio, *range(1, LABELLED))
    run_a_round(settings, studio, LABELLED, trains=True)
    folder = ProjectFolder(model_dir, 1)
    folder.setup.write(Setup(time.time()))
    folder.webhook_secret.write(WebhookSecret(SECRET, written_at=time.time()))
    Ledger(folder.llm_folder / "ledger.json").add(Reply("1", prompt_tokens=10, completion_tokens=2))
    for name in ("published.json.broken", ".half.abc.tmp", "proof.json"):
        (folder.path / name).write_text("left")
    (model_dir / "redis.url").write_text("unix:///nowhere")
    return model_dir, studio


@pytest.fixture
def archive(grown: tuple[Path, WholeLabelStudio], tmp_path: Path) -> Path:
    backed_up(grown[0], tmp_path / "backup.zip")
    return tmp_path / "backup.zip"


def backed_up(model_dir: Path, file: Path, *, has_caches: bool = False) -> Manifest:
    manifest, left_out = write_backup(model_dir, file, has_caches=has_caches, on_file=lambda *_: None)
    assert left_out == ()
    return manifest


def restored(archive: Path, model_dir: Path, *, is_forced: bool = False) -> Path | None:
    model_dir.mkdir(exist_ok=True)
    return restore_backup(archive, model_dir, is_forced=is_forced, on_file=lambda *_: None)[1]


def content(folder: Path) -> dict[str, str]:
    """The digest of every file, but of those that a restore adapts."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    adapted = ("connection.json", "webhook.json", "tasks.sqlite")
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in adapted
    }


def is_sound(settings: Settings, studio: WholeLabelStudio) -> None:
    """Every file can be read, and a round goes on from them to what Label Studio holds."""
    folder = ProjectFolder(settings.model_dir, 1)
    with folder.publications.open() as order:
        if order is not None:
            assert len(order.places()) == order.head.size
    current = folder.registry.current()
    if current is not None:
        current.check()
    run_a_round(settings, studio)
    record = folder.sync_record.read()
    assert record is not None
    assert record.labels == sum(bool(task.annotations) for task in studio.tasks_now.values())
    assert folder.publications.name() == studio.current.model_version
    assert damage_of(folder) == []


# What is in a backup


def test_a_backup_has_every_file_but_caches_and_what_is_passing(grown, archive):
    model_dir, _ = grown
    left_out = ("embeddings", "proof.json", ".broken", ".tmp", ".lock")
    expected = {name for name in content(model_dir / "projects") if not any(word in name for word in left_out)}
    expected |= {"1/connection.json", "1/webhook.json", "1/tasks.sqlite"}
    with open_backup(archive) as backup:
        assert set(backup.manifest.files) == {f"projects/{name}" for name in expected}
        assert backup.manifest.projects.keys() == {"1"}


def test_a_backup_with_caches_has_the_embeddings_too(grown, tmp_path, small_encoder):
    manifest = backed_up(grown[0], tmp_path / "backup.zip", has_caches=True)
    assert sum(name.endswith(".f16") for name in manifest.files) == 2
    restored(tmp_path / "backup.zip", tmp_path / "new")
    is_sound(settings_of(tmp_path / "new", small_encoder), copy.deepcopy(grown[1]))


def test_only_its_owner_reads_a_backup(environment, run_command, grown, tmp_path):
    environment(MODEL_DIR=str(grown[0]))
    done = run_command("backup", "--out", str(tmp_path / "b.zip"))
    assert done.exit_code == 0
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    assert "secrets of webhooks" in done.stdout
    assert "project 1: 2 model versions" in done.stdout


def test_what_was_backed_up_is_what_is_restored(grown, archive, tmp_path, small_encoder):
    model_dir, studio = grown
    assert restored(archive, tmp_path / "new") is None
    before, after = content(model_dir / "projects"), content(tmp_path / "new" / "projects")
    assert after.items() <= before.items()
    folder = ProjectFolder(tmp_path / "new", 1)
    assert folder.webhook_secret.read() == WebhookSecret(SECRET)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"projects"}
    is_sound(settings_of(tmp_path / "new", small_encoder), copy.deepcopy(studio))
    assert folder.registry.numbers() == [1, 2]


def test_a_database_of_tasks_that_is_damaged_is_left_out_and_named(grown, tmp_path, small_encoder):
    shutil.copytree(grown[0], tmp_path / "data")
    (tmp_path / "data" / "projects" / "1" / "tasks.sqlite").write_bytes(b"damaged" * 1000)
    manifest, left_out = write_backup(tmp_path / "data", tmp_path / "b.zip", has_caches=False, on_file=lambda *_: None)
    assert "projects/1/tasks.sqlite" not in manifest.files
    assert left_out[0].startswith("projects/1/tasks.sqlite")
    restored(tmp_path / "b.zip", tmp_path / "new")
    is_sound(settings_of(tmp_path / "new", small_encoder), copy.deepcopy(grown[1]))


# While rounds run


def test_every_backup_that_is_taken_while_rounds_train_and_publish_is_sound(tmp_path, small_encoder):
    settings, studio = settings_of(tmp_path / "data", small_encoder), WholeLabelStudio(FILMS)
    studio.extra_params = OWN
    run_a_round(settings, studio, *range(1, 17))
    is_over, failures = Event(), []

    def work() -> None:
        task_ids = iter(range(17, 27))
        try:
            while not is_over.is_set() and (task_id := next(task_ids, None)):
                run_a_round(settings, studio, task_id, trains=task_id % 3 == 0)
        except Exception as error:  # noqa: BLE001 - told at the end
            failures.append(error)
        is_over.set()

    worker = Thread(target=work)
    worker.start()
    archives = []
    try:
        while not is_over.is_set():
            archives.append(tmp_path / f"{len(archives)}.zip")
            backed_up(tmp_path / "data", archives[-1], has_caches=len(archives) % 2 == 0)
    finally:
        is_over.set()
        worker.join()
    assert failures == []
    assert len(archives) > 10
    chosen = archives[:: max(1, len(archives) // 12)]
    published = set()
    for archive in chosen:
        restored(archive, tmp_path / "new")
        published.add(ProjectFolder(tmp_path / "new", 1).publications.name())
        is_sound(settings_of(tmp_path / "new", small_encoder), copy.deepcopy(studio))
        shutil.rmtree(tmp_path / "new")
    assert len(published) > 3


# Archives that are no good


def refused(archive: Path, model_dir: Path) -> str:
    """The reason of a refusal, which changed nothing."""
    model_dir.mkdir(exist_ok=True)
    before = sorted(model_dir.rglob("*"))
    with pytest.raises(BackupError) as refusal:
        restored(archive, model_dir)
    assert sorted(model_dir.rglob("*")) == before
    return str(refusal.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_an_archive_that_was_cut_is_refused(archive, tmp_path, share):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * share)])
    assert "cut" in refused(archive, tmp_path / "new") or share < 0.001


def test_an_archive_with_one_changed_byte_is_refused_or_its_files_are_whole(grown, archive, tmp_path):
    whole = archive.read_bytes()
    refusals = 0
    expected = content(grown[0] / "projects")
    places = [*range(0, len(whole), len(whole) // 60), *range(len(whole) - 2000, len(whole), 80)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        archive.write_bytes(damaged)
        try:
            restored(archive, tmp_path / "new")
        except BackupError:
            refusals += 1
            assert not list((tmp_path / "new").rglob("*"))
            continue
        assert content(tmp_path / "new" / "projects").items() <= expected.items()
        shutil.rmtree(tmp_path / "new")
    # A few bytes of a zip file say nothing: times of files, for instance.
    assert refusals > 0.8 * len(places)


def test_an_archive_whose_directory_leads_to_a_place_before_its_beginning_is_refused(archive, tmp_path):
    damaged = bytearray(archive.read_bytes())
    # The end record holds where the directory begins, 16 bytes from its own beginning.
    place = damaged.rindex(b"PK\x05\x06") + 16
    begins = int.from_bytes(damaged[place : place + 4], "little")
    damaged[place : place + 4] = (begins + 2**24).to_bytes(4, "little")
    archive.write_bytes(damaged)
    assert "damaged" in refused(archive, tmp_path / "new")


def rewritten(archive: Path, names: dict[str, str] | None = None, **manifest: Any) -> Path:
    """An archive with other names, or another manifest."""
    renamed = names or {}
    with zipfile.ZipFile(archive) as old:
        files = {renamed.get(info.filename, info.filename): old.read(info) for info in old.infolist()}
    told = {**json.loads(files["manifest.json"]), **manifest}
    told["files"] = {renamed.get(name, name): listed for name, listed in told["files"].items()}
    files["manifest.json"] = json.dumps(told).encode()
    with zipfile.ZipFile(archive, "w") as new:
        for name, packed in files.items():
            new.writestr(name, packed)
    return archive


def test_an_archive_of_a_newer_format_names_its_release(archive, tmp_path):
    reason = refused(rewritten(archive, format=2, shortlist="7.0.0", files={}), tmp_path / "new")
    assert "format 2 of release 7.0.0" in reason


HOSTILE = [
    *("/etc/passwd", "../outside", "projects/../../outside", "projects/1/../../../outside", "projects/1/./x"),
    *("projects//1/x", "projects/1", "projects/1/a\\..\\b", "projects/1/a\nb", "projects/1/" + "x" * 300),
    *("projects/1" + "/x" * 40, "redis/appendonly.aof", "redis.url", "in-use.lock", "projects/x/y"),
    *("projects/1/webhook.json/x", "projects/1/versions"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_with_a_name_that_leads_elsewhere_is_refused(archive, tmp_path, name):
    reason = refused(rewritten(archive, {"projects/1/synced.json": name}), tmp_path / "new")
    assert "is no backup of Shortlist" in reason
    assert not (tmp_path / "outside").exists()


def test_a_link_in_an_archive_becomes_no_link(archive, tmp_path):
    with zipfile.ZipFile(archive) as old:
        files = [(info, old.read(info)) for info in old.infolist()]
    with zipfile.ZipFile(archive, "w") as new:
        for info, packed in files:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            new.writestr(info, packed)
    restored(archive, tmp_path / "new")
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_symlink()]


def test_an_archive_with_a_file_twice_or_one_too_many_is_refused(archive, tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("projects/1/synced.json", "{}")
    assert "damaged" in refused(archive, tmp_path / "new")


def test_a_bomb_is_refused_before_it_is_unpacked(archive, tmp_path):
    zeros = 120_000_000
    listed = {"size_bytes": zeros, "sha256": "0" * 64}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bomb:
        with bomb.open("projects/1/synced.json", "w") as file:
            for _ in range(120):
                file.write(bytes(zeros // 120))
        told = {
            "format": 1,
            "shortlist": "x",
            "at": "",
            "has_caches": False,
            "files": {"projects/1/synced.json": listed},
        }
        bomb.writestr("shortlist-backup.txt", "")
        bomb.writestr("manifest.json", json.dumps(told))
    began = time.monotonic()
    assert "unpacked it would be 120,000,000 bytes" in refused(archive, tmp_path / "new")
    assert time.monotonic() - began < 1.0


def test_more_than_the_disk_holds_is_refused_with_both_sizes(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    assert "which has 0 MB: make room" in refused(archive, tmp_path / "new")


@pytest.mark.parametrize("kind", ["text", "empty", "zip", "tar"])
def test_a_foreign_file_is_refused(tmp_path, kind):
    file = tmp_path / "foreign"
    file.write_bytes(b"" if kind == "empty" else b"something else" * 100)
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "z", "w") as archive:
            archive.writestr("manifest.txt", "x")
        file = tmp_path / "z"
    if kind == "tar":
        with tarfile.open(tmp_path / "t", "w:gz") as tar:
            tar.add(tmp_path / "foreign", "../../etc/passwd")
        file = tmp_path / "t"
    assert "is no backup of Shortlist" in refused(file, tmp_path / "new")


# Putting it in place


def test_projects_are_never_overwritten_and_set_aside_only_if_told(grown, archive, tmp_path):
    mine = ProjectFolder(tmp_path / "new", 7).path / "note.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (tmp_path / "new" / "redis").mkdir()
    assert "--force" in refused(archive, tmp_path / "new")
    aside = restored(archive, tmp_path / "new", is_forced=True)
    assert (aside / "projects" / "7" / "note.json").read_text() == "mine"
    assert (aside / "redis").exists()
    assert not mine.exists()
    assert content(tmp_path / "new" / "projects").items() <= content(grown[0] / "projects").items()


def test_a_restore_that_is_killed_anywhere_leaves_the_old_state_or_the_new(tmp_path):
    small, archive, old = ProjectFolder(tmp_path / "small", 1), tmp_path / "small.zip", tmp_path / "old"
    small.publications.write(a_publication(), some_places())
    small.webhook_secret.write(WebhookSecret(SECRET))
    backed_up(tmp_path / "small", archive)
    ProjectFolder(old, 7).path.mkdir(parents=True)
    (ProjectFolder(old, 7).path / "note.json").write_text("mine")
    old_content = content(old / "projects")
    restored(archive, tmp_path / "new")
    new_content = content(tmp_path / "new" / "projects")
    seen, change, has_died = set(), 0, True
    while has_died:
        change += 1
        model_dir = tmp_path / f"killed-{change}"
        shutil.copytree(old, model_dir)
        has_died = die_at(archive, model_dir, change)
        found = content(model_dir / "projects")
        assert found in (old_content, new_content)
        seen.add(found == new_content)
        if found == new_content:
            (kept,) = model_dir.glob("before-restore-*")
            assert content(kept / "projects") == old_content
        sweep(model_dir)
        assert not list(model_dir.glob(".*"))
        shutil.rmtree(model_dir)
    assert seen == {False, True}
    assert change > 15


def test_where_folders_cannot_be_exchanged_in_one_step_two_steps_do(grown, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("model.files.names._exchanged", lambda *_: False)
    (ProjectFolder(tmp_path / "new", 7).path).mkdir(parents=True)
    aside = restored(archive, tmp_path / "new", is_forced=True)
    assert (aside / "projects" / "7").exists()
    assert content(tmp_path / "new" / "projects").items() <= content(grown[0] / "projects").items()


def test_at_another_label_studio_the_connection_proves_itself_anew(grown, archive, tmp_path, small_encoder):
    """The other one lists an ML backend with the same id and address, and it is not this backend."""
    restored(archive, tmp_path / "new")
    settings, other = settings_of(tmp_path / "new", small_encoder), WholeLabelStudio(FILMS)
    folder = ProjectFolder(tmp_path / "new", 1)
    assert folder.connection.read() == Connection("http://backend:9090", OWN, 0)
    folder.setup.remove()
    other.listed = [MLBackend(5, "http://backend:9090", is_reached=True)]
    other.reaches_us = set()
    with pytest.raises(NotConnectedError):
        run_a_round(settings, other)
    assert other.calls == []
    assert not folder.is_connected()
    assert folder.registry.numbers() == [1, 2]


# Commands


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "busy").mkdir()
    with in_use(tmp_path / "busy"):
        yield tmp_path / "busy"


def test_nothing_is_restored_while_a_process_uses_the_folder(environment, run_command, archive, holding):
    environment(MODEL_DIR=str(holding))
    done = run_command("restore", str(archive))
    assert done.exit_code == 1
    assert "is used by a running `serve` or `worker`: stop it first" in done.stderr


def test_serve_and_worker_wait_for_a_restore(environment, run_command, tmp_path, module_redis):
    (tmp_path / "data").mkdir()
    environment(REDIS_URL=f"unix://{module_redis.connection_pool.connection_kwargs['path']}")
    with alone(tmp_path / "data"):
        for command in ("serve", "worker"):
            assert "is being replaced" in run_command(command).stderr


def test_a_running_worker_keeps_restore_from_its_folder_until_it_is_killed(
    environment, run_command, archive, tmp_path, module_redis
):
    url = f"unix://{module_redis.connection_pool.connection_kwargs['path']}"
    environment(REDIS_URL=url)
    command = [sys.executable, "-m", "backend", "worker"]
    worker = subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not module_redis.smembers("rq:workers") and worker.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "stop it first" in run_command("restore", str(archive)).stderr
        # Another folder, the same Redis: as from another machine, or after an update without the lock.
        environment(REDIS_URL=url, MODEL_DIR=str(tmp_path / "other"))
        assert "1 workers run on REDIS_URL" in run_command("restore", str(archive)).stderr
    finally:
        worker.kill()
        worker.wait(60)
    environment()
    assert run_command("restore", str(archive)).exit_code == 0


def test_commands_say_what_they_did_and_what_is_next(environment, run_command, archive, tmp_path):
    environment()
    done = run_command("restore", str(archive))
    assert done.exit_code == 0
    assert "project 1: 2 model versions" in done.stdout
    assert "Start the backend" in done.stdout
    again = run_command("restore", str(archive))
    assert again.stderr.startswith("backup: ")
    assert "before-restore-" in run_command("restore", str(archive), "--force").stdout


@pytest.mark.parametrize(
    ("out", "reason"),
    [("", "is a folder"), ("data/b.zip", "is inside MODEL_DIR"), ("nowhere/b.zip", "is no folder: make it first")],
)
def test_a_place_where_no_backup_can_be_is_refused(environment, run_command, grown, tmp_path, out, reason):
    shutil.copytree(grown[0], tmp_path / "data")
    environment()
    assert reason in run_command("backup", "--out", str(tmp_path / out)).stderr


def test_without_a_project_there_is_nothing_to_back_up(environment, run_command, tmp_path):
    environment(MODEL_DIR=str(tmp_path / "missing"))
    done = run_command("backup", "--out", str(tmp_path / "b.zip"))
    assert "nothing to back up" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_not_there_is_named(environment, run_command, tmp_path):
    environment()
    assert "No such file" in run_command("restore", str(tmp_path / "nowhere.zip")).stderr


def test_a_full_disk_leaves_the_backup_before_and_nothing_half(environment, run_command, grown, tmp_path, monkeypatch):
    environment(MODEL_DIR=str(grown[0]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.zip").write_text("the backup before")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "open", full)
    done = run_command("backup", "--out", str(tmp_path / "out" / "b.zip"))
    assert "No space left on device" in done.stderr
    assert (tmp_path / "out" / "b.zip").read_text() == "the backup before"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.zip"]


def test_a_full_disk_in_a_restore_changes_nothing(environment, run_command, archive, tmp_path, monkeypatch):
    environment()
    mine = tmp_path / "data" / "projects" / "7" / "note.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backend.store.backup.archive.Backup._copy", full)
    assert "No space left on device" in run_command("restore", str(archive), "--force").stderr
    assert mine.read_text() == "mine"
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"projects", "in-use.lock"}
