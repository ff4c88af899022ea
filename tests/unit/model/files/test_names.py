from model.files.names import discard
from tests.unit.model.files.folders import fill, names


def test_files_and_folders_are_discarded_alike(file, tmp_path):
    file.write_text("x")
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder")
    for path in (file, tmp_path / "folder", tmp_path / "nothing"):
        discard(path)
    assert names(tmp_path) == []
