import errno
import json
from pathlib import Path

import pytest

from model.files import append_line, discard, new_folder, read_or_set_aside, replacing, set_aside, write_whole


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "note.txt"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "one").write_text("1")


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path):
    with new_folder(tmp_path / "3") as beside:
        fill(beside)
        assert not (tmp_path / "3").exists()
    assert names(tmp_path) == ["3"]
    assert (tmp_path / "3" / "deep" / "one").read_text() == "1"


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail(folder: Path) -> None:
        with new_folder(folder) as beside:
            fill(beside)
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fail(tmp_path / "3")
    assert names(tmp_path) == []


def test_files_and_folders_are_on_the_disk_before_and_after_they_get_their_names(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(
        "model.files.os.fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
    )
    with new_folder(tmp_path / "3") as beside:
        fill(beside)
    assert {path.relative_to(beside).as_posix() for path in flushed[:-1]} == {".", "deep", "deep/one"}
    assert flushed[-1] == tmp_path
    flushed.clear()
    write_whole(tmp_path / "note", b"1")
    assert [path.parent for path in flushed] == [tmp_path, tmp_path.parent]


def test_a_folder_in_a_files_place_is_set_aside_when_the_file_is_written(file):
    file.mkdir()
    fill(file)
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert names(file.parent) == ["note.txt", "note.txt.broken"]


def test_a_folder_in_a_journals_place_is_set_aside_when_a_line_is_appended(file):
    file.mkdir()
    append_line(file, "new")
    assert file.read_text() == "\nnew\n"


def test_a_file_that_may_not_be_read_is_set_aside(file, monkeypatch):
    file.write_text("secret")

    def refuse(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert read_or_set_aside(file, bytes.decode) is None
    assert names(file.parent) == ["note.txt.broken"]


@pytest.mark.parametrize(
    "content", [b'{"number": 1e999}', b'{"number": Infinity}', b'{"number": []}', b"[]", b"3", b"[" * 100_000]
)
def test_a_pointer_of_any_other_form_is_set_aside(file, content):
    file.write_bytes(content)
    assert read_or_set_aside(file, lambda content: int(json.loads(content)["number"])) is None
    assert names(file.parent) == ["note.txt.broken"]


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_file_is_not_blamed_for_what_the_system_lacks(file, monkeypatch, code):
    file.write_text("well")

    def lack(_: Path) -> bytes:
        raise OSError(code, "a shortage")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lack)
        with pytest.raises(OSError, match="a shortage"):
            read_or_set_aside(file, bytes.decode)
    assert read_or_set_aside(file, bytes.decode) == "well"


def test_a_file_that_another_process_replaced_meanwhile_is_not_set_aside(file):
    file.write_text("damaged")

    def replace_and_refuse(_: bytes) -> None:
        file.write_text("whole")
        raise ValueError("damaged")

    assert read_or_set_aside(file, replace_and_refuse) is None
    assert file.read_text() == "whole"


def test_what_is_set_aside_again_replaces_what_was_set_aside_before(file, caplog):
    for content in ("first", "second"):
        file.write_text(content)
        set_aside(file, "two words")
    set_aside(file, "gone already")
    assert names(file.parent) == ["note.txt.broken"]
    assert file.with_name("note.txt.broken").read_text() == "second"
    assert caplog.text.count("reason=two_words") == 2


def test_a_file_that_cannot_be_renamed_is_named_in_the_log(file, monkeypatch, caplog):
    file.write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    set_aside(file, "damaged")
    assert "event=not_set_aside" in caplog.text


def test_files_and_folders_are_discarded_alike(file, tmp_path):
    file.write_text("x")
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder")
    for path in (file, tmp_path / "folder", tmp_path / "nothing"):
        discard(path)
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_the_file_as_it_was(file):
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as beside:
            beside.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    assert (file.read_text(), names(file.parent)) == ("old", ["note.txt"])
