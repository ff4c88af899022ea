import errno
import json
from pathlib import Path

import pytest

from model.files.damage import read_or_set_aside, set_aside
from tests.unit.model.files.folders import names


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
