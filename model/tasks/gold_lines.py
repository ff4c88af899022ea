"""Labelled texts as lines of JSON, the gold labels of a simulation."""

import json
from collections.abc import Iterator

from model.links import link_of
from model.types import Targets


def gold_lines(targets: Targets) -> Iterator[str]:
    """JSON lines: what most annotators said; with several labels a text those that at least half of them gave.

    Texts without words are left out: nobody could label them by reading.
    """
    is_given_N_C = link_of(targets.label_set).decide(targets.targets_N_C)
    for text, is_given_C in zip(targets.texts, is_given_N_C, strict=True):
        if not text.strip():
            continue
        given = [label for label, is_given in zip(targets.label_set.labels, is_given_C, strict=True) if is_given]
        said = {"labels": given} if targets.label_set.is_multilabel else {"label": given[0]}
        yield json.dumps({"text": text, **said}, ensure_ascii=False)
