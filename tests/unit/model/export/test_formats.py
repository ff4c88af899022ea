import errno

import pytest
from safetensors import SafetensorError

from model.errors import ExportError
from model.export.formats import ExportFormat, check_place, write_export

ST = ExportFormat.SENTENCE_TRANSFORMERS


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_folder_is_made_with_the_folders_above_it(exported, tmp_path):
    write_export(exported(), tmp_path / "new" / "out", ST, is_forced=False)
    assert "README.md" in names(tmp_path / "new" / "out")
    assert names(tmp_path / "new") == {"out"}


def test_an_empty_folder_is_filled(exported, tmp_path):
    (tmp_path / "out").mkdir()
    write_export(exported(), tmp_path / "out", ST, is_forced=False)
    assert {"modules.json", "1_Pooling", "head.safetensors"} <= names(tmp_path / "out")
    assert not [name for name in names(tmp_path / "out") if name.startswith(".")]


def test_a_folder_with_files_is_refused_by_name_unless_forced(exported, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(ExportError, match=r"not empty \(thesis\.tex\).*--force"):
        write_export(exported(), tmp_path / "out", ST, is_forced=False)
    assert names(tmp_path / "out") == {"thesis.tex"}
    write_export(exported(), tmp_path / "out", ST, is_forced=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "mine"
    assert "modules.json" in names(tmp_path / "out")


def test_of_an_earlier_export_in_another_format_nothing_stays(exported, tmp_path):
    out = tmp_path / "out"
    write_export(exported(), out, ST, is_forced=False)
    for name in ("model.onnx", "classify.py"):
        (out / name).write_text("of an earlier export")
    write_export(exported(), out, ST, is_forced=True)
    assert not {"model.onnx", "classify.py"} & names(out)


def test_a_users_own_files_of_like_names_stay_where_nothing_was_exported(exported, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "requirements.txt").write_text("mine")
    write_export(exported(), tmp_path / "out", ST, is_forced=True)
    assert (tmp_path / "out" / "requirements.txt").read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ExportError, match="is a file"):
        check_place(tmp_path / "out", is_forced=True)


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("No space left"), KeyboardInterrupt()]
)
def test_an_export_that_breaks_off_leaves_nothing_of_itself(exported, tmp_path, monkeypatch, is_there, error):
    out = tmp_path / "out"
    if is_there:
        out.mkdir()
        (out / "thesis.tex").write_text("mine")

    def break_off(*_):
        raise error

    monkeypatch.setattr("model.export.sentence_transformers_folder.write_card", break_off)
    taken = exported()
    with pytest.raises((OSError, ExportError, KeyboardInterrupt)):
        write_export(taken, out, ST, is_forced=True)
    assert names(tmp_path) - {"versions", "encoder"} == ({"out"} if is_there else set())
    assert not is_there or names(out) == {"thesis.tex"}


def test_what_a_killed_export_left_is_removed_by_the_next(exported, tmp_path):
    out, left = tmp_path / "out", tmp_path / f".out.{'0' * 32}.tmp"
    left.mkdir()
    (left / "model.onnx").write_text("half")
    (tmp_path / ".out.notes.tmp").write_text("mine")
    write_export(exported(), out, ST, is_forced=False)
    assert not left.exists()
    assert (tmp_path / ".out.notes.tmp").exists()
    inside = out / f".passing.{'0' * 32}.tmp"
    inside.mkdir()
    check_place(out, is_forced=True)
    assert not inside.exists()
