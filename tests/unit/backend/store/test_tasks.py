import shutil
import sqlite3

import pytest

from backend.store.tasks import Counts, StoredTask, TaskStore, set_aside_if_broken
from model.types import AnnotatedText, Annotation, PoolText
from tests.fakes import chosen

POS = Annotation("ann", chosen("pos"), updated_at="2026-01-01")
TRUTH = Annotation("bob", chosen("neg"), is_ground_truth=True)
SKIPPED = Annotation("cem", (), is_skipped=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "project" / "tasks.sqlite"


@pytest.fixture
def store(file):
    with TaskStore(file) as store:
        yield store


def break_off(store, tasks, before=lambda: None):
    """Start a full read that fails half-way."""
    with store.anew():
        store.put(tasks)
        store.note({"stamp": "new"})
        before()
        raise RuntimeError


def test_stored_tasks_are_there_when_the_file_is_opened_again(file):
    with TaskStore(file) as store:
        store.put([StoredTask(2, "good film"), StoredTask(1, "dull\nplot \N{HOT BEVERAGE}", is_skipped=True)])
        store.put([StoredTask(3, "bad", is_done=True, annotations=(POS, SKIPPED))])
        store.note({"stamp": "abc", "read_s": 1.5})
        store.note({"read_s": 2.5})
    with TaskStore(file) as store:
        assert list(store.pool()) == [PoolText(1, "dull\nplot \N{HOT BEVERAGE}", True), PoolText(2, "good film")]
        assert list(store.annotated()) == [AnnotatedText(3, "bad", (POS, SKIPPED))]
        assert store.facts() == {"stamp": "abc", "read_s": 2.5}


def test_an_empty_store_knows_nothing(store):
    assert (list(store.pool()), list(store.annotated()), store.facts()) == ([], [], {})
    assert (store.counts(), store.greatest_id()) == (Counts(0, 0, 0, 0), 0)


def test_a_task_put_again_replaces_the_one_before(store):
    store.put([StoredTask(1, "good", is_done=True, annotations=(POS,)), StoredTask(2, "bad", annotations=(POS,))])
    store.put([StoredTask(1, "fine", annotations=()), StoredTask(2, "poor", annotations=None)])
    assert list(store.pool()) == [PoolText(1, "fine"), PoolText(2, "poor")]
    assert list(store.annotated()) == [AnnotatedText(2, "poor", (POS,))]


def test_removed_tasks_take_their_annotations_along(store):
    store.put([StoredTask(task_id, "good", annotations=(POS,)) for task_id in (1, 2, 3)])
    store.remove([1, 3, 99])
    assert [text.task_id for text in store.annotated()] == [2]
    assert store.counts() == Counts(1, 0, 1, 1)


def test_the_store_counts_tasks_as_label_studio_does(store):
    said = [(), (POS,), (POS, TRUTH), (TRUTH,), (SKIPPED,), (SKIPPED, POS)]
    store.put(
        [StoredTask(task_id, "text", task_id > 2, annotations=each) for task_id, each in enumerate(said, start=1)]
    )
    assert store.counts() == Counts(tasks=6, done_tasks=4, labelled_tasks=3, annotations=5)
    assert store.greatest_id() == 6


def test_annotations_are_known_while_neither_their_time_nor_their_number_changed(store):
    store.put([StoredTask(1, "good", updated_at="noon", annotations=(POS, SKIPPED)), StoredTask(2, "bad")])
    assert store.knows_annotations(1, "noon", 2)
    assert not store.knows_annotations(1, "later", 2)
    assert not store.knows_annotations(1, "noon", 1)
    assert not store.knows_annotations(2, "noon", 1)


def test_a_full_read_replaces_all_tasks_or_none(file):
    with TaskStore(file) as store:
        store.put([StoredTask(1, "good", annotations=(POS,))])
        store.note({"stamp": "old"})
        with pytest.raises(RuntimeError):
            break_off(store, [StoredTask(2, "bad")])
        assert (list(store.pool()), store.facts()) == ([PoolText(1, "good")], {"stamp": "old"})
        with store.anew():
            store.put([StoredTask(2, "bad")])
    with TaskStore(file) as store:
        assert (list(store.pool()), list(store.annotated()), store.facts()) == ([PoolText(2, "bad")], [], {})


def test_a_full_read_of_a_killed_process_leaves_the_old_tasks(file, tmp_path):
    with TaskStore(file) as store:
        store.put([StoredTask(1, "good")])
        # More than SQLite keeps in memory, so that the file itself is half written.
        large = [StoredTask(task_id, "bad " * 500) for task_id in range(2, 2000)]
        with pytest.raises(RuntimeError):
            break_off(store, large, lambda: shutil.copytree(file.parent, tmp_path / "killed"))
    with TaskStore(tmp_path / "killed" / file.name) as store:
        assert list(store.pool()) == [PoolText(1, "good")]


def test_a_file_of_another_layout_is_emptied(file):
    file.parent.mkdir()
    with sqlite3.connect(file) as db:
        db.executescript("CREATE TABLE tasks (other TEXT); INSERT INTO tasks VALUES ('x'); PRAGMA user_version = 99;")
    db.close()
    with TaskStore(file) as store:
        assert list(store.pool()) == []


def test_a_broken_file_is_set_aside(file, caplog):
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        TaskStore(file)
    assert set_aside_if_broken(file, raised.value)
    assert "event=set_aside" in caplog.text
    assert file.with_name(f"{file.name}.broken").exists()
    with TaskStore(file) as store:
        assert list(store.pool()) == []


@pytest.mark.parametrize(
    ("change", "look"),
    [
        ("UPDATE tasks SET text = 'gold film'", lambda store: list(store.pool())),
        ("UPDATE tasks SET is_skipped = 1", lambda store: list(store.pool())),
        ("UPDATE tasks SET text = 'bed'", lambda store: list(store.annotated())),
        (
            "UPDATE annotated SET annotations = replace(annotations, 'pos', 'neg')",
            lambda store: list(store.annotated()),
        ),
        ("UPDATE annotated SET updated_at = '2027'", lambda store: list(store.annotated())),
        ("UPDATE facts SET value = replace(value, '15', '16')", lambda store: store.facts()),
    ],
)
def test_a_text_a_label_or_a_note_that_the_disk_changed_is_found(file, store, change, look):
    store.put([StoredTask(1, "good film"), StoredTask(2, "bad", is_done=True, annotations=(POS,))])
    store.note({"read_s": 15})
    look(store)
    with sqlite3.connect(file) as disk:
        disk.execute(change)
    disk.close()
    with pytest.raises(sqlite3.DatabaseError) as error:
        look(store)
    assert set_aside_if_broken(file, error.value)


def test_a_locked_file_is_not_set_aside(file):
    TaskStore(file).__exit__()
    assert not set_aside_if_broken(file, sqlite3.OperationalError("database is locked"))
    assert file.exists()
