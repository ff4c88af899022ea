"""Reads a page's forms about unlabelled texts: each asks a worker for an errand."""

import time
from collections.abc import Mapping
from dataclasses import replace

from backend.applying.finding import COUNT, MOST
from backend.applying.labelling import LEAST, PRECISION
from backend.applying.labelling import MOST as HIGHEST
from backend.errors import InvalidRequestError
from backend.store.applied import Errand, ErrandKind, Form
from backend.studio.contract import MOST_ID

# Longest name of a question or a label, and longest words to look for.
_MOST_CHARACTERS = 1_000
# The errand of each button, by the value that the button sends.
_BUTTONS = {
    "check": (ErrandKind.CHECK, Form.PREDICTIONS),
    "predictions": (ErrandKind.WRITE, Form.PREDICTIONS),
    "annotations": (ErrandKind.WRITE, Form.ANNOTATIONS),
    "sample": (ErrandKind.SAMPLE, Form.PREDICTIONS),
    "undo": (ErrandKind.UNDO, Form.PREDICTIONS),
}


def read_apply(form: Mapping[str, str]) -> Errand:
    """Read the errand of a button about labelling the rest.

    Args:
        form: the form's fields.

    Raises:
        InvalidRequestError: names the field that cannot be read.
    """
    kind, written_as = _BUTTONS.get(form.get("do", ""), (None, Form.PREDICTIONS))
    if kind is None:
        raise InvalidRequestError(f"the form names no known button ({', '.join(_BUTTONS)}): load the page again")
    return Errand(
        kind,
        time.time(),
        precision=_precision(form),
        question=_words(form, "question"),
        form=written_as,
        count=_number(form, "count", COUNT),
    )


def read_find(form: Mapping[str, str]) -> Errand:
    """Read what somebody looks for: words, texts like that of a task, or a label.

    Args:
        form: the form's fields.

    Raises:
        InvalidRequestError: the field with the words is empty, or `by` names no way to search.
    """
    way, wanted = form.get("by", "words"), _words(form, "sought").strip()
    if not wanted:
        raise InvalidRequestError("say what to look for: words, a task's number or a label")
    asked = Errand(ErrandKind.FIND, time.time(), count=_number(form, "count", COUNT))
    if way == "words":
        return replace(asked, words=wanted)
    if way == "label":
        return replace(asked, label=wanted)
    if way == "like":
        return replace(asked, like=_number(form, "sought", 0, most=MOST_ID))
    raise InvalidRequestError("texts are found by words, like a task's text, or by a label: load the page again")


def _precision(form: Mapping[str, str]) -> float:
    try:
        precision = float(form.get("precision") or PRECISION)
    except ValueError:
        precision = 0.0
    if not LEAST <= precision <= HIGHEST:
        raise InvalidRequestError(f"a precision is a share from {LEAST} to {HIGHEST}")
    return precision


def _number(form: Mapping[str, str], field: str, default: int, most: int = MOST) -> int:
    raw = form.get(field, "").strip() or str(default)
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 10 and 1 <= int(raw) <= most):
        raise InvalidRequestError(f"{field!r} has to be a number from 1 to {most}")
    return int(raw)


def _words(form: Mapping[str, str], field: str) -> str:
    words = form.get(field, "")
    if len(words) > _MOST_CHARACTERS:
        raise InvalidRequestError(f"{field!r} has more than {_MOST_CHARACTERS} characters")
    return words
