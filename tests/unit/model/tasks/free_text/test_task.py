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


def test_nothing_is_answered():
    assert list(QUESTION.results(ONE_OF.answers(np.zeros((3, 0))))) == ["[]"] * 3
    assert QUESTION.label_result(["a"]) == "[]"
