import yaml

from model.export.card import as_markdown, write_card
from model.export.encoder_source import encoder_source
from model.types import LabelSet


def card_of(taken, tmp_path, format_name="onnx") -> tuple[dict, str]:
    """Metadata and text of a card."""
    write_card(taken, tmp_path / "README.md", format_name)
    _, metadata, text = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(metadata), text


def test_the_metadata_have_the_figures_in_the_form_of_hugging_face(exported, tmp_path):
    metadata, _ = card_of(exported(), tmp_path)
    assert (metadata["library_name"], metadata["pipeline_tag"]) == ("onnx", "text-classification")
    (model,) = metadata["model-index"]
    (result,) = model["results"]
    assert {each["type"]: each["value"] for each in result["metrics"]} == {
        "accuracy": 0.875,
        "f1": 0.8612,
        "expected_calibration_error": 0.0431,
    }


def test_the_card_says_what_it_is_worth_how_that_was_measured_and_what_made_it(exported, tmp_path):
    taken = exported(warnings=("no labelled text yet of 'a_b'",))
    _, text = card_of(taken, tmp_path)
    for said in ("| 87.5% | 0.861 | 0.043 | 64 |", "out of fold", "recipe `head`", "Shortlist 9.9", "project 3"):
        assert said in text
    assert "2 texts labelled by people" in text
    assert "question topic" in text
    assert taken.version.created_at[:10] in text
    assert "no labelled text yet of 'a\\_b'" in text
    assert "| neg | 1 |\n| pos | 1 |\n" in text
    assert "HTML" not in text


def test_a_version_that_was_not_measured_says_so(exported, tmp_path):
    metadata, text = card_of(exported(out_of_fold=None), tmp_path)
    assert "Not measured" in text
    assert "model-index" not in metadata


def test_the_card_tells_how_to_use_each_format_and_form(exported, tmp_path):
    taken = exported(LabelSet(("a", "b"), is_multilabel=True))
    assert '{"labels": […], "probabilities": […]}' in card_of(taken, tmp_path)[1]
    assert "np.exp(-logits)" in card_of(taken, tmp_path, "sentence-transformers")[1]
    assert "32 tokens. So a longer text" in card_of(taken, tmp_path, "sentence-transformers")[1]


def test_a_project_of_html_texts_says_what_the_folder_does_not_do(exported, tmp_path):
    assert "Take the markup out before" in card_of(exported(is_markup=True), tmp_path)[1]


def test_labels_are_shown_as_they_are_and_make_no_markup(exported, tmp_path):
    ugly = ("a|b", "<img src=x onerror=alert(1)>", "x\n# Title", "**bold**", "[link](http://x)", "`code`", "---")
    _, text = card_of(exported(LabelSet(ugly)), tmp_path)
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.endswith("| 1 |")]
    assert len(rows) == len(ugly)
    assert "<img" not in text
    assert as_markdown("x\n# Title") == "x \\# Title"
    assert as_markdown("**a** [b](c) `d` e|f <g>") == "\\*\\*a\\*\\* \\[b\\](c) \\`d\\` e\\|f &lt;g&gt;"


def test_an_encoders_licence_is_that_of_its_own_card(tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "README.md").write_text("---\nlicense: mit\n---\n# An encoder\n")
    (tmp_path / "without").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "README.md").write_bytes(b"---\n: [\n---\n\xff")
    assert encoder_source("").licence == "apache-2.0"
    assert encoder_source(str(tmp_path / "with")).licence == "mit"
    assert encoder_source(f"torch:{tmp_path / 'with'}").name == "with"
    for name in ("without", "broken", "gone"):
        assert encoder_source(str(tmp_path / name)).licence == ""
    assert encoder_source("some/encoder-that-nobody-has") == encoder_source("some/encoder-that-nobody-has")
    assert encoder_source("some/encoder-that-nobody-has").hub_name == "some/encoder-that-nobody-has"


def test_the_card_names_no_folder_of_this_machine(exported, tmp_path):
    _, text = card_of(exported(), tmp_path)
    assert str(tmp_path) not in text
    assert "see its own page for its licence" in text
