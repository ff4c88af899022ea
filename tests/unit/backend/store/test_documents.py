import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from backend.store.documents import Document, Journal

WRITES = 1000


@dataclass(frozen=True)
class Note:
    words: tuple[str, ...]
    of: dict[int, float]


NOTE = TypeAdapter[Note | None](Note | None)
LONG = Note(("größer", "例え", "x" * 5000), {7: 0.1, 8: 1 / 3})


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "folder" / "note.json"


@pytest.fixture
def note(file) -> Document[Note | None]:
    return Document(file, NOTE, None)


def test_a_record_is_read_as_it_was_written(note):
    assert note.read() is None
    note.write(LONG)
    assert note.read() == LONG


def test_a_record_that_was_removed_is_the_default_again(note):
    note.write(LONG)
    note.remove()
    note.remove()
    assert note.read() is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"words": 3}', b"\xff\xfe", b"[]"], ids=repr)
def test_a_file_that_holds_no_such_record_is_set_aside_with_a_warning(note, file, content, caplog):
    file.parent.mkdir()
    file.write_bytes(content)
    assert note.read() is None
    assert not file.exists()
    assert file.with_name("note.json.broken").read_bytes() == content
    assert "event=set_aside" in caplog.text
    note.write(LONG)
    assert note.read() == LONG


def test_a_record_in_which_one_byte_changed_is_set_aside(note, file):
    for place in range(0, 600, 7):
        note.write(Note(("größer", "x" * 500), {7: 0.1}))
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)
        assert note.read() is None
        assert file.with_name("note.json.broken").read_bytes() == content


def test_a_record_of_the_release_before_checksums_is_read_and_gets_one(note, file):
    file.parent.mkdir()
    file.write_bytes(NOTE.dump_json(LONG))
    assert note.read() == LONG
    note.write(LONG)
    assert json.loads(file.read_bytes()).keys() == {"sha256", "record"}


def _write_often(file: Path, letter: str) -> None:
    document = Document(file, NOTE, None)
    for number in range(WRITES):
        document.write(Note((letter * 3000,), {number: 1.0}))


def test_two_processes_that_write_a_record_a_thousand_times_at_once_never_tear_it(note, file):
    note.write(Note(("a" * 3000,), {}))
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(file, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        (words,) = note.read().words
        assert words in ("a" * 3000, "b" * 3000)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [path.name for path in file.parent.iterdir()] == ["note.json"]


def test_a_write_that_fails_leaves_the_record_and_no_other_file(note, file, monkeypatch):
    note.write(LONG)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        note.write(Note((), {}))
    assert note.read() == LONG
    assert [path.name for path in file.parent.iterdir()] == ["note.json"]


def test_a_record_may_be_read_by_whoever_may_read_the_files_around_it(note, file):
    note.write(LONG)
    beside = file.with_name("beside.json")
    beside.touch()
    assert file.stat().st_mode == beside.stat().st_mode


def test_a_line_of_a_journal_in_which_one_byte_changed_is_skipped(file):
    journal = Journal(file, TypeAdapter(Note))
    for word in ("one", "two"):
        journal.append(Note((word,), {}))
    file.write_bytes(file.read_bytes().replace(b'"one"', b'"onf"'))
    assert journal.read() == [Note(("two",), {})]


def test_a_journal_keeps_the_order_and_skips_invalid_lines(file):
    journal = Journal(file, TypeAdapter(Note))
    assert journal.read() == []
    first, second = Note(("one",), {}), Note(("two",), {})
    journal.append(first)
    with file.open("ab") as opened:
        opened.write(b'{"words": ["ha')
    journal.append(second)
    assert journal.read() == [first, second]
