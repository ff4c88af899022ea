"""Match an LLM's spelling of a label to the labels of a question."""

import re
from collections.abc import Sequence


def match_label(spelling: str, labels: Sequence[str]) -> str:
    """The label that a spelling means, whatever its case, marks and spaces; empty where no label or several fit.

    The spelling is not interpreted: "rather positive" does not mean "positive".
    """
    if spelling in labels:
        return spelling
    meant = [label for label in labels if _plain(label) == _plain(spelling)]
    return meant[0] if len(meant) == 1 else ""


def _plain(label: str) -> str:
    """Letters and digits of any script, in lower case; a label without letters and digits stays as it is."""
    return re.sub(r"[\W_]+", "", label.casefold()) or label.strip()
