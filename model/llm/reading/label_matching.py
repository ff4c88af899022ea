"""Match an LLM's spelling of a label to the labels of a question."""

import re
from collections.abc import Sequence
from functools import lru_cache


def match_label(spelling: str, labels: Sequence[str]) -> str:
    """The label that a spelling means, whatever its case, marks and spaces; empty where no label or several fit.

    The spelling is not interpreted: "rather positive" does not mean "positive".
    """
    if spelling in labels:
        return spelling
    return _label_of_spelling(tuple(labels)).get(_plain(spelling), "")


# An answer may spell thousands of labels; the labels themselves stay the same.
@lru_cache(maxsize=16)
def _label_of_spelling(labels: tuple[str, ...]) -> dict[str, str]:
    """Labels by their letters and digits; empty where several labels have the same."""
    by_spelling: dict[str, str] = {}
    for label in labels:
        spelling = _plain(label)
        by_spelling[spelling] = "" if spelling in by_spelling else label
    return by_spelling


def _plain(label: str) -> str:
    """Letters and digits of any script, in lower case; a label without letters and digits stays as it is."""
    return re.sub(r"[\W_]+", "", label.casefold()) or label.strip()
