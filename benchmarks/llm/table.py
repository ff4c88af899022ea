"""Write llm.md from llm.jsonl and the records."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.llm.llm import BALANCED, COVERING, DERIVED, ONE_ASKING, PESSIMISTIC, RIVALS, Line, read_lines
from benchmarks.llm.records import PICKS, Habits, Record, read_habits, read_pools, read_records
from model.types import FloatArray, Recipe

TABLE = Path(__file__).with_name("llm.md")
RECIPES = (Recipe.AUTO, Recipe.HEAD)
HELD_OUT = 872
AGAINST = ("random", "typiclust")
COMPARED = (*RIVALS[1:], COVERING, BALANCED, ONE_ASKING, DERIVED, PESSIMISTIC)


@dataclass(frozen=True)
class Lead:
    """A difference of means in points, and its standard error."""

    points: float
    error: float

    def __str__(self) -> str:
        return f"{self.points:+.1f} ± {self.error:.1f}"


Found = Mapping[tuple[str, str], Sequence[Line]]
"""Lines by chooser and pool."""


def write_table(folder: Path) -> None:
    """Write llm.md."""
    pools = read_pools(folder)
    records = read_records(folder, pools)
    text = [*_head(), *_stand_in(read_habits(folder, pools))]
    for recipe in RECIPES:
        found = _found(recipe)
        if found:
            title = "The shipped learner (`RECIPE=auto`)" if recipe is Recipe.AUTO else f"`RECIPE={recipe.value}`"
            text += [f"## {title}", "", *_in_short(found, records, list(pools)), *_recorded(found, records)]
            text += [*_by_pool(found, list(pools)), *_by_shuffle(found, list(pools)), *_seconds(found)]
    TABLE.write_text("\n".join(text), encoding="utf-8")


def _found(recipe: Recipe) -> Found:
    """The latest line of every cell."""
    latest = {line.cell: line for line in read_lines() if line.recipe == recipe.value}
    found: dict[tuple[str, str], list[Line]] = {}
    for line in latest.values():
        found.setdefault((line.chooser, line.pool), []).append(line)
    return found


def _head() -> Iterator[str]:
    yield from [
        "# What an LLM's picks are worth",
        "",
        f'`make bench ARGS="llm --data FOLDER"`, and the same with `--recipe head`, on {platform.machine()}, Python '
        f"{platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}; every figure "
        "from `llm.jsonl`, the last line of a cell. FOLDER holds the public records of the ActiveLLM study (Bayer, "
        "Lutz and Reuter, TACL 2026) on SST-2: `answers.jsonl`, and with gold labels `sst2_gold.jsonl.gz` and "
        "`sst2_dev.jsonl.gz`.",
        "",
        f"{PICKS} gold labels out of the 201 texts that one recorded prompt showed, for each of its five shuffles "
        f'("pools"); accuracy in % on the {HELD_OUT} dev sentences. All choosers share pools and training '
        "seeds; in brackets how many sets of labels, or seeds. ± behind a mean is their standard deviation, behind a "
        "difference its standard error. **Where twice the error holds 0, there may be no difference.**",
        "",
    ]


def _stand_in(habits: Habits) -> Iterator[str]:
    tenths = ", ".join(f"{100 * share:.0f}" for share in habits.position_T)
    slips = habits.slips
    yield from [
        "## The stand-in",
        "",
        "`mended` is Shortlist's way to ask an LLM (`model/llm/asking/selector.py`). The stand-in (`stand_in.py`) "
        "takes the LLM's place: it answers the real prompts as the records show that LLMs do. Nothing of it was tuned:",
        "",
        f"- Places: of the picks of {habits.lists} answers to 100 to 201 texts, {tenths} % lie in each tenth of the "
        "list; every asking draws from these shares.",
        f"- Classes: every asking draws its share of positives from the recorded ones, "
        f"{', '.join(str(round(share * PICKS)) for share in habits.positive_shares)} of {PICKS}, and picks so, though "
        "the prompt asks for balance.",
        f"- Guesses: answers that sort texts into positive and negative do so for {habits.guesses} texts with known "
        f"labels, {habits.wrong} of them wrongly: {habits.error_rate:.1%} (“derived errors”). {habits.unsure} more "
        f"they call neutral or ambiguous; were a coin thrown for those, {habits.pessimistic_error_rate:.1%} would be "
        "wrong (“pessimistic errors”). A text is misread in every asking or in none, so that votes correct nothing.",
        f"- Slips: every answer is as long, and counts or points beyond the list, as one of the {len(slips)} records "
        f"did: {sum(slip.length > 1 for slip in slips)} are too long, {sum(slip.length < 1 for slip in slips)} hold no "
        f"list, {sum(slip.beyond > 0 for slip in slips)} name texts that were not shown, "
        f"{sum(slip.is_counting for slip in slips)} only count.",
        "- Teaching: within its classes and places the stand-in picks at random.",
        "",
        f"Other choosers: `{COVERING}` is the same way without an LLM: always the same 32 of a pool, so that its error "
        f"is too small; `{ONE_ASKING}` is the stand-in's picks of one asking, as the study took them; `{BALANCED}` is "
        f"{PICKS // 2} random texts of each class by their gold labels, which no chooser has.",
        "",
    ]


def _in_short(found: Found, records: Sequence[Record], pools: Sequence[str]) -> Iterator[str]:
    """The summary of a learner's figures."""
    recorded = _recorded_leads(found, records)
    if recorded:
        yield f"- The {len(recorded)} recorded answers: {_two_leads(_means(recorded))}."
    for name in _measured(found, (COVERING, BALANCED, ONE_ASKING, DERIVED, PESSIMISTIC), pools):
        yield f"- {name[0].upper()}{name[1:]}: {_two_leads([_lead(found, name, rival, pools) for rival in AGAINST])}."
    yield ""


def _two_leads(leads: Sequence[Lead | str]) -> str:
    return ", ".join(f"{lead} points over {rival}" for lead, rival in zip(leads, AGAINST, strict=True))


def _recorded_leads(found: Found, records: Sequence[Record]) -> dict[str, list[float]]:
    """Points of each record over its rivals in the record's own pool."""
    leads = {}
    for record in records:
        own_S, *rivals = [_accuracy(found, name, record.pool) for name in (record.name, *AGAINST)]
        if len(own_S) and all(map(len, rivals)):
            leads[record.name] = [float(own_S.mean() - rival_S.mean()) for rival_S in rivals]
    return leads


def _means(recorded: Mapping[str, Sequence[float]]) -> list[Lead]:
    """The mean over records; each record is one set of labels."""
    columns = np.array(list(recorded.values())).T
    return [Lead(float(column.mean()), _error(column) if len(column) > 1 else 0.0) for column in columns]


def _recorded(found: Found, records: Sequence[Record]) -> Iterator[str]:
    yield from [
        "### Recorded picks",
        "",
        "One set of labels each: ± is the spread of the training seeds alone. Beats: share of the random draws that it "
        "is ahead of. GPT-4's first and third shuffle, with 16 and 28 positive, are not among the records at hand.",
        "",
        "| answer | LLM | pool | positive of 32 | accuracy | random | points over random | beats | over typiclust |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    leads = _recorded_leads(found, records)
    for record in records:
        if record.name in leads:
            lines = found[record.name, record.pool]
            own_S, random_S = _of(lines), _accuracy(found, "random", record.pool)
            over_random, over_typiclust = leads[record.name]
            yield (
                f"| {record.name} | {record.llm} | {_short(record.pool)} | {lines[0].positives} | {_spread(own_S)} | "
                f"{_spread(random_S)} | {over_random:+.1f} | {(own_S.mean() > random_S).mean():.0%} | "
                f"{over_typiclust:+.1f} |"
            )
    if leads:
        over_random_mean, over_typiclust_mean = _means(leads)
        yield f"| **mean** | | | | | | {over_random_mean} | | {over_typiclust_mean} |"
    yield ""


def _by_pool(found: Found, pools: Sequence[str]) -> Iterator[str]:
    choosers = _measured(found, ("random", *COMPARED), pools)
    if "random" not in choosers:
        return
    yield from [
        "### The mended way, by pool",
        "",
        f"| chooser | {' | '.join(map(_short, pools))} | all | positive of 32 | over random | over typiclust |",
        "|---|" + "---|" * (len(pools) + 4),
    ]
    for name in choosers:
        parts = [_accuracy(found, name, pool) for pool in pools]
        positives = [line.positives for pool in pools for line in found[name, pool]]
        leads = [_lead(found, name, rival, pools) for rival in AGAINST]
        cells = [_spread(part) for part in parts]
        yield (
            f"| {name} | {' | '.join(cells)} | {np.mean([part.mean() for part in parts]):.1f} | "
            f"{np.mean(positives):.1f} ± {np.std(positives):.1f} | {' | '.join(map(str, leads))} |"
        )
    yield from ["", "Points over random, by pool:", "", f"| chooser | {' | '.join(map(_short, pools))} |"]
    yield "|---|" + "---|" * len(pools)
    for name in choosers[1:]:
        yield f"| {name} | {' | '.join(str(_lead(found, name, 'random', [pool])) for pool in pools)} |"
    yield ""


def _by_shuffle(found: Found, pools: Sequence[str]) -> Iterator[str]:
    """The mean over pools of each shuffle, minus the mean of all random draws."""
    names = _measured(found, COMPARED, pools)
    if not _measured(found, ["random"], pools):
        return
    yield from [
        "Points over random by shuffle, mean over the pools:",
        "",
        "| chooser | by shuffle, rising | shuffles more than 1 point under random |",
        "|---|---|---|",
    ]
    base = {pool: _accuracy(found, "random", pool).mean() for pool in pools}
    for name in names:
        by_seed: dict[int, list[float]] = {}
        for pool in pools:
            for line in found[name, pool]:
                by_seed.setdefault(line.seed, []).append(100 * line.accuracy - base[pool])
        leads = sorted(float(np.mean(part)) for part in by_seed.values())
        under = sum(lead < -1 for lead in leads)
        yield f"| {name} | {', '.join(f'{lead:+.1f}' for lead in leads)} | {under} of {len(leads)} |"
    yield ""


def _seconds(found: Found) -> Iterator[str]:
    """The processor seconds of a training, from lines that have them."""
    cpu_s = [line.cpu_s for lines in found.values() for line in lines if line.cpu_s]
    if cpu_s:
        yield f"A training and the look at the {HELD_OUT} sentences take {np.median(cpu_s):.2g} s of one core (median)."
        yield ""


def _measured(found: Found, choosers: Sequence[str], pools: Sequence[str]) -> list[str]:
    """Choosers with more than one choice in every pool."""
    return [name for name in choosers if all(len(found.get((name, pool), ())) > 1 for pool in pools)]


def _accuracy(found: Found, chooser: str, pool: str) -> FloatArray:
    return _of(found.get((chooser, pool), []))


def _of(lines: Sequence[Line]) -> FloatArray:
    """accuracy_S in %."""
    return np.array([100 * line.accuracy for line in lines])


def _lead(found: Found, one: str, other: str, pools: Sequence[str]) -> Lead | str:
    """Mean over pools of the difference of means."""
    pairs = [(_accuracy(found, one, pool), _accuracy(found, other, pool)) for pool in pools]
    if one == other or not all(len(part) > 1 for pair in pairs for part in pair):
        return ""
    points = float(np.mean([ours_S.mean() - theirs_S.mean() for ours_S, theirs_S in pairs]))
    errors = [np.hypot(_error(ours_S), _error(theirs_S)) for ours_S, theirs_S in pairs]
    return Lead(points, float(np.linalg.norm(errors) / len(pairs)))


def _error(values_S: FloatArray) -> float:
    return float(values_S.std(ddof=1) / np.sqrt(len(values_S)))


def _spread(values_S: FloatArray) -> str:
    deviation = f" ± {values_S.std(ddof=1):.1f}" if len(values_S) > 1 else ""
    return f"{values_S.mean():.1f}{deviation} ({len(values_S)})"


def _short(pool: str) -> str:
    """The shuffle's number."""
    return pool.rpartition("_")[2]
