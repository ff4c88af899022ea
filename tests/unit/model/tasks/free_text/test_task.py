import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from model.links import ONE_OF
from model.tasks.free_text.task import FreeText
from model.types import AnnotatedText, Annotation, ReadTargets, ResultItem

QUESTION = FreeText("translation", "text", ())


def wrote(value: Any, kind: str = "textarea", control: str = "translation") -> Annotation:
    return Annotation("ann", (ResultItem(control, kind, {"text": value}),))


def read(*annotations: Annotation) -> ReadTargets:
    texts = [AnnotatedText(number, "a sentence", (one,)) for number, one in enumerate(annotations, 1)]
    return QUESTION.targets(texts)


def test_a_text_that_somebody_wrote_about_is_done_and_has_no_class():
    given = read(wrote(["ein Satz"]), wrote("ein Satz"), wrote(["", " "]), wrote(["x"], control="other"))
    assert given.targets.task_ids == (1, 2)
    assert given.targets.targets_N_C.shape == (2, 0)
    assert not QUESTION.can_teach(given.targets)


@pytest.mark.parametrize("value", [None, 5, {}, [None], [["a"]]])
def test_an_answer_of_another_form_is_left_out_and_said_why(value):
    (left,) = read(wrote(value)).left_out
    assert "in place of lines of text" in left.reason


def test_an_answer_of_another_type_is_left_out():
    (left,) = read(wrote(["a"], kind="choices")).left_out
    assert "of the type 'choices', not 'textarea'" in left.reason


def test_no_classifier_answers_and_a_draft_is_one_entry_of_the_field_with_its_lines():
    assert list(QUESTION.results(ONE_OF.answers(np.zeros((3, 0))))) == ["[]"] * 3
    (item,) = json.loads(QUESTION.label_result(["ein Satz\nnoch einer"]))
    assert item == {
        "from_name": "translation",
        "to_name": "text",
        "type": "textarea",
        "value": {"text": ["ein Satz\nnoch einer"]},
    }


def test_what_each_person_wrote_is_kept_by_task_the_latest_of_each():
    said = (wrote(["ein Satz", "noch einer"]), replace(wrote(" zwei "), annotator="bob", updated_at="2026"))
    corrected = replace(wrote("drei"), annotator="bob", updated_at="2027")
    texts = [AnnotatedText(3, "a sentence", (*said, corrected)), AnnotatedText(5, "another", (wrote([" "]),))]
    assert QUESTION.written(texts) == {3: ("ein Satz\nnoch einer", "drei")}


@pytest.mark.parametrize(
    ("header", "placeholder", "asks"),
    [
        ("Translate", "in German", "Translate (in German)"),
        ("Translate", "", "Translate"),
        ("", "in German", "in German"),
        ("", "", ""),
    ],
)
def test_what_people_are_asked_is_the_header_and_the_placeholder(header, placeholder, asks):
    question = replace(QUESTION, header=header, placeholder=placeholder)
    assert question.asks == asks
    assert question == QUESTION
