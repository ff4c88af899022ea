"""`rollback` for a project of several questions: each has model versions of its own."""

import json

import pytest
from typer.testing import CliRunner

from backend.commands import model_versions
from backend.commands.command_line import command_line
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.web.classifying import WebClassifier
from backend.web.service import Service
from model.types import LabelSet
from tests.exports import a_classifier, write_version
from tests.fakes import FakeRounds

CONFIG = """<View><Text name="text" value="$text"/>
  <Choices name="topic" toName="text"><Choice value="sport"/><Choice value="law"/></Choices>
  <Choices name="tone" toName="text"><Choice value="calm"/><Choice value="angry"/></Choices></View>"""


@pytest.fixture
def folder(tmp_path, encoder, monkeypatch) -> ProjectFolder:
    """A project of two questions with two model versions each; commands find it."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    service = Service(Settings(model_dir=tmp_path), FakeRounds(), WebClassifier())
    monkeypatch.setattr(model_versions, "open_service", lambda settings: service)
    folder = service.folder(1)
    folder.label_config.write(CONFIG)
    for place, (name, *labels) in enumerate((("topic", "sport", "law"), ("tone", "calm", "angry"))):
        for _ in range(2):
            write_version(folder.of_question(place).registry, a_classifier(encoder, LabelSet(tuple(labels))), name)
    return folder


def current(folder: ProjectFolder) -> list[int]:
    return [folder.of_question(place).registry.current().number for place in range(2)]


def test_the_first_question_is_rolled_back_unless_another_one_is_named(folder):
    done = CliRunner().invoke(command_line("rollback"), ["rollback", "--project", "1", "--json"])
    assert json.loads(done.stdout) == {"project": 1, "question": "topic", "model": 1}
    assert current(folder) == [1, 2]
    done = CliRunner().invoke(command_line("rollback"), ["rollback", "--project", "1", "--question", "tone"])
    assert "question 'tone'" in done.output
    assert current(folder) == [1, 1]


def test_a_question_that_the_project_does_not_ask_is_refused_with_those_that_it_asks(folder):
    done = CliRunner().invoke(command_line("rollback"), ["rollback", "--project", "1", "--question", "mood"])
    assert done.exit_code == 1
    assert "it asks 'topic', 'tone'" in " ".join(done.output.split())
    assert current(folder) == [2, 2]
