"""The forms of a page about texts that nobody has labelled: what a person asks of a worker."""

import time
from collections.abc import Mapping
from dataclasses import replace

from backend.applying.finding import COUNT, MOST
from backend.applying.labelling import LEAST, PRECISION
from backend.applying.labelling import MOST as HIGHEST
from backend.errors import InvalidRequestError
from backend.store.applied import Errand, ErrandKind, Form

# A question's or a label's name, or words to look for; more is no search.
_MOST_CHARACTERS = 1_000
_MOST_ID = 2**31 - 1
# What the buttons of the form send.
_BUTTONS = {
    "check": (ErrandKind.CHECK, Form.PREDICTIONS),
    "predictions": (ErrandKind.WRITE, Form.PREDICTIONS),
    "annotations": (ErrandKind.WRITE, Form.ANNOTATIONS),
    "sample": (ErrandKind.SAMPLE, Form.PREDICTIONS),
    "undo": (ErrandKind.UNDO, Form.PREDICTIONS),
}


def read_apply(form: Mapping[str, str]) -> Errand:
    """Read what a button about labelling the rest asks for.

    Args:
        form: the form's fields.

    Raises:
        InvalidRequestError: names the field that cannot be read.
    """
    kind, written_as = _BUTTONS.get(form.get("do", ""), (None, Form.PREDICTIONS))
    if kind is None:
        raise InvalidRequestError(f"the form has no button that is known here ({', '.join(_BUTTONS)})")
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
        InvalidRequestError: there is nothing to look for, or no such way to look for it.
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
        return replace(asked, like=_number(form, "sought", 0, most=_MOST_ID))
    raise InvalidRequestError("texts are found by words, like a task or by a label")


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
