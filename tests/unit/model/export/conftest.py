"""Model versions to export, with a question, figures and labels by class."""

from pathlib import Path

import pytest

from model.export.answers import form_of
from model.export.exported import Exported
from model.learner.evaluation import Evaluation
from model.learner.registry import Registry
from model.types import LabelSet
from tests.exports import a_classifier, write_version
from tests.fakes import SENTIMENT

MEASURED = Evaluation(accuracy=0.875, macro_f1=0.8612, calibration_error=0.0431, texts=64)


def an_export(folder: Path, encoder: str, label_set: LabelSet, *, is_markup: bool = False, **more) -> Exported:
    """What is exported of a version with these labels."""
    registry = Registry(folder / "versions")
    version = write_version(registry, a_classifier(encoder, label_set), "topic", **{"out_of_fold": MEASURED, **more})
    return Exported(version, version.load(), form_of(label_set, is_ordered=False), 3, "9.9", is_markup)


@pytest.fixture
def exported(tmp_path, encoder):
    """Builds what is exported."""
    return lambda label_set=SENTIMENT, *, source=encoder, **more: an_export(tmp_path, source, label_set, **more)
