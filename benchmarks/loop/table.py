"""Write loop.md: the newest run of every part of `python -m benchmarks loop`, beside its target."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Line = Mapping[str, Any]

TARGET_POOL = 10_000
ROUND_S, ROUND_RATIO, LIVE_S, WEBHOOK_P99_S = 90.0, 2.2, 2.0, 0.05
STEPS = {
    "asked": "the request itself, through Label Studio",
    "queued": "waiting for the worker",
    "syncing": "syncing: reading Label Studio",
    "training": "training BERT, out-of-fold figures included",
    "scoring": "scoring every text",
    "ordering": "ordering: the query strategy",
    "publishing": "publishing: predictions, then the switch",
    "idle": "handing the first task out",
}
INTRODUCTION = (
    "# The loop\n\nA real Label Studio (SQLite) and `python -m backend serve`, on one machine, with AG News "
    "(4 topics; past its 12,000 texts, halves of two joined). Every figure is from `loop.jsonl`; each part shows its "
    "newest run, and says what that ran on.\n"
)


def write_table(records: Path) -> None:
    """Write the page beside the records."""
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    parts = (("round", _rounds), ("live", _live), ("webhook", _webhook))
    text = [INTRODUCTION]
    for part, write in parts:
        if newest := _newest_run([line for line in lines if line["part"] == part]):
            text += [*write(newest), "", _conditions(newest[0]), ""]
    records.with_suffix(".md").write_text("\n".join(text), encoding="utf-8")


def _newest_run(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line["run"] == lines[-1]["run"]]


def _conditions(line: Line) -> str:
    return (
        f"{line['run']}, {line['machine']}, {line['cores']} cores (load of others {line['load']}), Python "
        f"{line['python']}, torch {line['torch']}, transformers {line['transformers']}, Label Studio "
        f"{line['label_studio']}: `{line['command']}`"
    )


def _verdict(value: float, target: float) -> str:
    return "met" if value < target else "**missed**"


def _rounds(lines: Sequence[Line]) -> Iterator[str]:
    yield "## A full round, by pool size\n"
    yield from _problems(lines)
    measured = sorted((line for line in lines if "round_s" in line), key=lambda line: int(line["size"]))
    if not measured:
        return
    yield (
        f"From asking for a training until Label Studio hands out the first task of the new model's order, with "
        f"{measured[0]['labels']} labels (recipe {measured[0]['recipe']}). Steps are the state of the round, polled "
        "every 50 ms. The first order, before there is a model, is a line of its own."
    )
    yield ""
    sizes = " | ".join(f"{line['size']:,} tasks" for line in measured)
    yield f"| seconds | {sizes} | last against first |"
    yield "|---|" + "---|" * (len(measured) + 1)
    for step in dict.fromkeys([*STEPS, *(step for line in measured for step in line["steps_s"])]):
        if any(step in line["steps_s"] for line in measured):
            yield _row(STEPS.get(step, step), [line["steps_s"].get(step, 0.0) for line in measured])
    yield _row("**the round**", [line["round_s"] for line in measured])
    yield _row("first order, from connecting", [line["cold_s"] for line in measured])
    yield _row("importing the tasks into Label Studio (not ours)", [line["import_s"] for line in measured])
    yield ""
    yield from _round_targets({line["size"]: line["round_s"] for line in measured})


def _round_targets(seconds: Mapping[int, float]) -> Iterator[str]:
    small, large = seconds.get(TARGET_POOL), seconds.get(2 * TARGET_POOL)
    if small is not None:
        yield f"- {small:.1f} s at {TARGET_POOL:,} tasks; target < {ROUND_S:.0f} s: {_verdict(small, ROUND_S)}"
    if small is not None and large is not None:
        ratio = large / small
        yield f"- {ratio:.2f} times that at twice as many; target ≤ {ROUND_RATIO}: {_verdict(ratio, ROUND_RATIO)}"


def _row(name: str, seconds: Sequence[float]) -> str:
    ratio = f"{seconds[-1] / seconds[0]:.2f}" if len(seconds) > 1 and min(seconds) >= 0.5 else ""
    return f"| {name} | {' | '.join(f'{value:.1f}' for value in seconds)} | {ratio} |"


def _live(lines: Sequence[Line]) -> Iterator[str]:
    yield "## From a label to the order that knows it\n"
    yield from _problems(lines)
    for line in (line for line in lines if "seconds" in line):
        median, p90 = np.quantile(line["seconds"], [0.5, 0.9])
        yield (
            f"From the answer to an annotation until Label Studio hands out the first task of an order that counts it, "
            f"{line['size']:,} tasks, {len(line['seconds'])} annotations one by one, each when all is at rest."
        )
        yield ""
        verdict = _verdict(median, LIVE_S) if line["size"] == TARGET_POOL else "another size"
        yield f"- median {median:.2f} s; target < {LIVE_S:.0f} s at {TARGET_POOL:,} tasks: {verdict}"
        yield f"- 90 % within {p90:.2f} s"
        yield f"- slowest {max(line['seconds']):.2f} s"
        steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in line["steps_s"].items())
        yield f"- medians by state, in seconds: {steps}"


def _webhook(lines: Sequence[Line]) -> Iterator[str]:
    yield "## Webhooks while BERT trains\n"
    yield from _problems(lines)
    for line in (line for line in lines if "training" in line):
        least_s, most_s = line["pause_s"]
        rate = line["training"]["events"] / line["training_s"]
        yield (
            f"{line['annotators']} annotators post a recorded ANNOTATION_CREATED ({line['body_bytes']:,} bytes), each "
            f"one every {least_s:.0f} to {most_s:.0f} s ({rate:.1f} a second together), every one by a new connection; "
            f"training on {line['size']:,} labels took {line['training_s']:.0f} s."
        )
        yield ""
        yield "| | events | not taken | p50, ms | p99, ms |"
        yield "|---|---|---|---|---|"
        for name, title in (("idle", "nothing trains"), ("training", "BERT trains")):
            part = line[name]
            milliseconds = " | ".join(f"{1000 * part[key]:.1f}" for key in ("p50_s", "p99_s"))
            yield f"| {title} | {part['events']:,} | {part['failed']} | {milliseconds} |"
        yield ""
        p99_s = line["training"]["p99_s"]
        yield f"- p99 while training; target < {1000 * WEBHOOK_P99_S:.0f} ms: {_verdict(p99_s, WEBHOOK_P99_S)}"


def _problems(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if "problem" in line:
            yield f"**Not measured** at {line['size']:,}: {line['problem']}\n"
