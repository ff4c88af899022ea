"""Which encoder: how right classifiers on each are, with label names and the head alone, and how fast it embeds."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.learning import learner
from benchmarks.learning.gold import TEST_TEXTS, read_set
from benchmarks.learning.names import NAMED, Texts
from benchmarks.machine import described
from model.learner.knowledge import MOST_POOL
from model.types import Recipe

BUDGETS = (0, 16, 64, 256)
SEEDS = (0, 1, 2, 3, 4)
BUNDLED = "all-MiniLM-L6-v2"
LINES = Path(__file__).with_name("encoders.jsonl")
TABLE = Path(__file__).with_name("encoders.md")

Line = dict[str, Any]


def run(data: Path, sets: Sequence[str], encoders: Sequence[str]) -> None:
    """Measure every encoder on every set that has no line yet.

    Args:
        data: a folder of sets.
        sets: their names.
        encoders: names or folders; the bundled encoder comes first in any case.
    """
    done = {(line["encoder"], line["set"]) for line in read_lines()}
    with Progress() as progress:
        for encoder, name in progress.track(list(product(["", *encoders], sets))):
            if (_called(encoder), name) not in done:
                lines = list(_measure(Texts(read_set(data, name), encoder), _called(encoder)))
                with LINES.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)


def _called(encoder: str) -> str:
    return Path(encoder).name if encoder else BUNDLED


def _measure(texts: Texts, encoder: str) -> Iterator[Line]:
    began = time.monotonic()
    texts.embed(texts.gold.heldout.texts)
    texts_per_s = len(texts.gold.heldout.texts) / (time.monotonic() - began)
    for labels, seed in product(BUDGETS, SEEDS):
        line = texts.measure(NAMED, labels, seed, Recipe.HEAD)
        yield {"encoder": encoder, "texts_per_s": round(texts_per_s, 1), **line}


def read_lines() -> list[Line]:
    """What was measured so far."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


def write_table() -> None:
    """Write encoders.md from the lines."""
    lines = read_lines()
    encoders = list(dict.fromkeys(line["encoder"] for line in lines))
    text = [
        "# Which encoder",
        "",
        f'`make bench ARGS="encoders --data FOLDER --encoder FOLDER"` on {described("torch", "transformers")}; every '
        "figure from `encoders.jsonl`, one line a training.",
        "",
        f"Random labels, `RECIPE=head` (the encoder itself is not trained), label names known, {MOST_POOL} unlabelled "
        f"texts, the first {TEST_TEXTS} test texts. Accuracy in %, mean over {len(SEEDS)} seeds; in brackets the "
        f"difference to the bundled {BUNDLED}, paired by seed, ± its standard error.",
        "",
        "| set | labels | " + " | ".join(encoders) + " |",
        "|---|---|" + "---|" * len(encoders),
        *_rows(lines, encoders),
        "",
        "| | " + " | ".join(encoders) + " |",
        "|---|" + "---|" * len(encoders),
        _speeds(lines, encoders),
        "",
    ]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _rows(lines: Sequence[Line], encoders: Sequence[str]) -> Iterator[str]:
    for name, labels in product(learner.SETS, BUDGETS):
        cells = [_by_seed(lines, encoder, name, labels) for encoder in encoders]
        if any(cells):
            yield f"| {name} | {labels} | {' | '.join(_cell(cell, cells[0]) for cell in cells)} |"


def _by_seed(lines: Sequence[Line], encoder: str, name: str, labels: int) -> dict[int, float]:
    wanted = (encoder, name, labels)
    return {
        line["seed"]: 100 * line["accuracy"]
        for line in lines
        if (line["encoder"], line["set"], line["labels"]) == wanted
    }


def _cell(ours: Mapping[int, float], bundled: Mapping[int, float]) -> str:
    if not ours:
        return ""
    mean = f"{np.mean(list(ours.values())):.1f}"
    paired = [ours[seed] - bundled[seed] for seed in sorted(ours.keys() & bundled.keys())]
    if ours is bundled or len(paired) < 2:
        return mean
    return f"{mean} ({np.mean(paired):+.1f} ± {np.std(paired, ddof=1) / np.sqrt(len(paired)):.1f})"


def _speeds(lines: Sequence[Line], encoders: Sequence[str]) -> str:
    """How many times slower each embeds, by the sets that all have; a speed beside other work was recorded as none."""
    speeds = {(line["encoder"], line["set"]): line["texts_per_s"] for line in lines if line["texts_per_s"]}
    sets = [name for name in learner.SETS if all((encoder, name) in speeds for encoder in encoders)]
    ratios = [np.mean([speeds[encoders[0], name] / speeds[encoder, name] for name in sets]) for encoder in encoders]
    return f"| seconds for a text, times those of {encoders[0]} | {' | '.join(f'{ratio:.1f}' for ratio in ratios)} |"
