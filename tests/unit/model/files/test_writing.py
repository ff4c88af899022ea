import errno
from pathlib import Path

import pytest

from model.files.writing import append_line, new_folder, replacing, write_whole
from tests.unit.model.files.folders import fill, names


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
        "model.files.names.os.fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
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


def test_a_write_that_fails_leaves_the_file_as_it_was(file):
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as beside:
            beside.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        fail()
    assert (file.read_text(), names(file.parent)) == ("old", ["note.txt"])
