"""Which label of a question an LLM means."""

import re
from collections.abc import Sequence


def match_label(said: str, labels: Sequence[str]) -> str:
    """The one label that was meant, whatever its case, marks and spaces; empty if it is none of them, or not one alone.

    Nothing is guessed: "rather positive" is not "positive".
    """
    if said in labels:
        return said
    meant = [label for label in labels if _plain(label) == _plain(said)]
    return meant[0] if len(meant) == 1 else ""


def _plain(label: str) -> str:
    """Letters and digits of any script, in lower case; what has none stays as it is."""
    return re.sub(r"[\W_]+", "", label.casefold()) or label.strip()
