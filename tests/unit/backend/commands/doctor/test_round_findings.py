"""What `doctor` says of a project's last round and last training."""

from dataclasses import replace

import pytest

from backend.commands.doctor.project_folder import look_at_rounds
from backend.store.figures import Pause
from backend.store.project_folder import ProjectFolder
from backend.store.sync_record import Failure
from tests.fakes import a_sync_record


@pytest.fixture
def folder(tmp_path) -> ProjectFolder:
    return ProjectFolder(tmp_path, 1)


def test_where_the_last_round_and_the_last_training_went_well_nothing_is_said(folder):
    assert list(look_at_rounds("project 1", "", folder)) == []
    folder.sync_record.write(a_sync_record())
    assert list(look_at_rounds("project 1", "", folder)) == []


def test_a_failed_round_and_a_failed_training_are_named_with_the_mend(folder):
    failure = Failure("training_failed", "the training needs more memory than there is")
    folder.sync_record.write(replace(a_sync_record(), failure=failure))
    of_round, of_training = look_at_rounds("project 1", "Label Studio at http://studio answered 500", folder)
    assert of_round.found == "the last round failed: Label Studio at http://studio answered 500"
    assert "each minute" in of_round.fix
    assert of_training.found == "the last training failed: the training needs more memory than there is"
    assert "Start Training" in of_training.fix


def test_a_pause_is_told_and_is_no_fault(folder):
    folder.pause.write(Pause(at=1.0))
    (found,) = look_at_rounds("project 1", "", folder)
    assert found.is_well
    assert found.found.startswith("paused")
