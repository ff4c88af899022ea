"""How many texts of a rare label `find` puts among the first thirty, against random's expectation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.learning.gold import read_set
from benchmarks.learning.names import Texts
from benchmarks.machine import described
from model.tasks.label_names import label_texts
from model.texts.search import nearest

SHOWN, POOL = 30, 4_000
LINES = Path(__file__).with_name("finding.jsonl")
TABLE = Path(__file__).with_name("finding.md")
# By the label's name; by one text that has the label; by its name and five texts that people gave it.
WAYS = ("name", "like", "label")


def run(data: Path, names: Sequence[str]) -> None:
    """Look for every label of a set in each way, and write a line for each."""
    lines: list[dict[str, Any]] = []
    for name in names:
        gold = read_set(data, name)
        drawn, texts = gold.draw(POOL, 0), Texts(gold)
        embeddings_N_D = texts.embed(drawn.texts)
        meanings = label_texts(gold.labels)
        for label in range(len(gold.labels)):
            given = np.flatnonzero(drawn.labels_N == label)
            for way in WAYS:
                known = given[: {"name": 0, "like": 1, "label": 5}[way]]
                words = () if way == "like" else meanings[label]
                examples = [*words, *(drawn.texts[row] for row in known.tolist())]
                rest = np.setdiff1d(np.arange(len(drawn.texts)), known)
                rows = nearest(
                    examples, [drawn.texts[row] for row in rest.tolist()], texts.embed(examples), embeddings_N_D[rest]
                )
                found = int((drawn.labels_N[rest[rows[:SHOWN]]] == label).sum())
                there = len(given) - len(known)
                by_chance = round(SHOWN * there / len(rest), 3)
                lines.append(
                    {
                        "set": name,
                        "label": gold.labels[label],
                        "way": way,
                        "there": there,
                        "found": found,
                        "random": by_chance,
                    }
                )
    LINES.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    _write_table(lines)


def _write_table(lines: Sequence[dict[str, Any]]) -> None:
    text = [
        "# What `find` finds",
        "",
        f'`make bench ARGS="find --data FOLDER"` on {described("torch", "transformers")}; every figure from '
        "`finding.jsonl`, one line a label.",
        "",
        f"Pools of {POOL} texts, each label of the set in turn. `name`: the words of the label's name (`--label`, "
        "before anybody labelled); `like`: one text that has the label (`--like`); `label`: the name and five texts "
        f"that people gave the label. *found*: texts with the label among the first {SHOWN} (mean, lowest); *ten or "
        f"more*: labels with at least ten texts among the first {SHOWN}.",
        "",
        "| set | way | labels | share of the pool | found | ten or more | random's expectation |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(line["set"] for line in lines):
        for way in WAYS:
            here = [line for line in lines if (line["set"], line["way"]) == (name, way)]
            found = [line["found"] for line in here]
            share = np.mean([line["there"] for line in here]) / POOL
            ten = sum(count >= 10 for count in found)
            chance = np.mean([line["random"] for line in here])
            text.append(
                f"| {name} | `{way}` | {len(here)} | {share:.1%} | {np.mean(found):.1f} ({min(found)}) | "
                f"{ten} of {len(here)} | {chance:.1f} |"
            )
    TABLE.write_text("\n".join([*text, ""]), encoding="utf-8")
