import pytest

from backend.store.project_folder import ProjectFolder
from backend.work.sources import LastClassifier, Source
from model.errors import EncoderError


def test_a_source_is_named_by_its_version_or_else_by_its_encoder():
    assert Source("roberta-base").name == "roberta-base"
    assert Source("roberta-base", version=3).name == "version-3"


def test_the_last_classifier_stays_and_another_takes_its_place(tmp_path, encoder):
    folder = ProjectFolder(tmp_path, 1)
    last = LastClassifier()
    first = last.get(folder, Source(encoder))
    assert last.get(folder, Source(encoder)) is first
    other = ProjectFolder(tmp_path, 2)
    assert last.get(other, Source(encoder)) is first
    with pytest.raises(EncoderError):
        last.get(folder, Source("no-such-encoder"))
    assert last.get(folder, Source(encoder)) is not first
