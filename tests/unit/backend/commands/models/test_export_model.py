import json

import pytest

from tests.exports import a_classifier, write_version
from tests.unit.backend.web.test_answering import ABOUT, STARS, TWO_QUESTIONS


@pytest.fixture
def quick_export(command, tmp_path):
    """Export in the format that takes no seconds; returns exit code, what was said, and labels.json."""

    def run(*words, project=1):
        out = tmp_path / "out"
        code, said = command("export-model", "--out", out, "--format", "sentence-transformers", *words, project=project)
        file = out / "labels.json"
        return code, said, json.loads(file.read_text()) if code == 0 else None

    return run


def test_the_version_in_use_is_exported_as_onnx_with_what_it_is_worth(command, classifier, tmp_path):
    code, said = command("export-model", "--out", tmp_path / "out")
    assert code == 0, said
    assert "Wrote model version 1 of project 1 to" in said
    assert "README.md" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("model.onnx", "tokenizer.json", "labels.json", "classify.py", "requirements.txt", "README.md")
    }


def test_a_version_that_was_rolled_back_to_is_exported_and_another_by_its_number(
    quick_export, classifier, folder, encoder
):
    write_version(folder.registry, a_classifier(encoder, seed=5), "sentiment")
    folder.registry.point(1)
    assert quick_export()[2]["model_version"] == 1
    assert quick_export("--version", 2, "--force")[2]["model_version"] == 2
    code, said, _ = quick_export("--version", 7, "--force")
    assert (code, "no model version 7; on disk: 1, 2" in said) == (1, True)


def test_a_question_is_exported_by_its_name_and_the_others_are_named(quick_export, folder, encoder):
    folder.label_config.write(TWO_QUESTIONS)
    write_version(folder.registry, a_classifier(encoder, STARS), "stars")
    write_version(folder.of_question(1).registry, a_classifier(encoder, ABOUT), "about")
    code, said, labels = quick_export()
    assert (code, labels["question"], labels["answer"]) == (0, "stars", "median")
    assert "The project's other questions, for --question: about" in said
    assert quick_export("--question", "about", "--force")[2]["answer"] == "several"
    code, said, _ = quick_export("--question", "mood", "--force")
    assert (code, "no question 'mood': it asks 'stars', 'about'" in said) == (1, True)


def test_a_project_without_a_model_and_an_unknown_one_end_with_a_sentence(quick_export, folder):
    code, said, _ = quick_export()
    assert (code, "no_model: project 1 has no model version yet" in said) == (1, True)
    code, said, _ = quick_export(project=8)
    assert (code, "unknown_project: project 8 is unknown here" in said) == (1, True)


def test_a_folder_with_files_is_refused_before_anything_is_loaded(quick_export, folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    damaged = folder.versions_folder / "1"
    damaged.mkdir(parents=True)
    code, said, _ = quick_export()
    assert (code, "is not empty (mine.txt)" in said) == (1, True)
    assert damaged.exists(), "whoever reads a damaged version sets it aside"
