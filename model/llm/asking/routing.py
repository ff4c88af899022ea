"""Who labels what: people what the LLM is unsure of, and a blind check of the rest, by which its word is measured.

After NoiseAL (Yuan et al., 2025), in which small models find the texts whose labels are in doubt, and an LLM labels
those that it can. Deviations: what the LLM is unsure of goes to people; its labels are measured against theirs instead
of being trusted; and what it labels weighs less instead of having a loss of its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from model.llm.reading import Guess, majority, row_of
from model.types import BoolArray, IntArray, LabelSet, Targets

# Of the texts of which the LLM is sure, so many are asked blindly.
CHECKED_SHARE = 0.2
# Above this share of checks in which people disagree, the LLM's labels are put aside: one in five wrong is about what a
# classifier of few labels does itself, and then they teach nothing.
PAUSE_ABOVE = 0.2
# Fewer checks say little: of 10, none to 4 would be wrong by chance alone where one in five is.
LEAST_CHECKS = 10
# What a text that only the LLM labelled counts against one that a person did: as wrong labels come in kinds (all irony
# is praise), not at random, four of them had better not outvote one person.
WEAK_WEIGHT = 0.25


@dataclass(frozen=True)
class Route:
    """Which texts go to people in which way, as rows of the caller's texts.

    Attributes:
        ask_rows: for people first: what the LLM is not sure of, and spread among it the checks.
        checked_rows: those of ask_rows that are checks: to be shown without the LLM's label.
        left_to_llm_rows: the rest, which come after ask_rows, with the LLM's label filled in.
    """

    ask_rows: IntArray
    checked_rows: IntArray
    left_to_llm_rows: IntArray

    @property
    def rows_N(self) -> IntArray:
        """Every candidate once, first = ask first."""
        return np.concatenate([self.ask_rows, self.left_to_llm_rows])

    @property
    def is_blind_N(self) -> BoolArray:
        """By place in rows_N, whether it is a check."""
        return np.isin(self.rows_N, self.checked_rows)


@dataclass(frozen=True)
class Checks:
    """How often people said of blindly checked texts what the LLM had said."""

    agreed: int = 0
    disagreed: int = 0

    @property
    def total(self) -> int:
        """How many were labelled by now."""
        return self.agreed + self.disagreed

    @property
    def disagreement(self) -> float:
        """The share in which people disagreed, in [0, 1]; 0 where `total` is 0 as well."""
        return self.disagreed / self.total if self.total else 0.0

    @property
    def is_paused(self) -> bool:
        """Whether the LLM's labels are to be put aside."""
        return self.total >= LEAST_CHECKS and self.disagreement > PAUSE_ABOVE


def route(
    candidate_rows: IntArray,
    guesses: Sequence[Guess | None],
    rng: np.random.Generator,
    checked_before: Collection[int] = (),
) -> Route:
    """Send to people first what the LLM is not sure of, with blind checks of a fifth of what it is sure of.

    Args:
        candidate_rows: rows that may be asked, in a query strategy's order, which is kept within each kind.
        guesses: the LLM's, one for each of `candidate_rows`; none means not sure.
        rng: draws the checks, and their order: so that the first few checked are a fair sample too.
        checked_before: rows that are checks already. They stay so whatever the LLM says now: once shown with its
            label, a text could not be labelled blindly any more.
    """
    is_sure_N = np.array([guess is not None and guess.is_sure for guess in guesses], dtype=bool)
    is_old_N = np.isin(candidate_rows, np.array(list(checked_before), dtype=np.int64))
    wanted = ceil(CHECKED_SHARE * int((is_sure_N | is_old_N).sum())) - int(is_old_N.sum())
    drawn = rng.permutation(candidate_rows[is_sure_N & ~is_old_N])[: max(wanted, 0)]
    checked = np.concatenate([candidate_rows[is_old_N], drawn])
    is_rest_N = is_sure_N & ~np.isin(candidate_rows, checked)
    unsure = candidate_rows[~is_sure_N & ~is_old_N]
    return Route(_interleave(unsure, checked), checked, candidate_rows[is_rest_N])


def _interleave(first: IntArray, second: IntArray) -> IntArray:
    """Two orders as one, each evenly spread over it."""
    places = [(np.arange(len(rows)) + 0.5) / max(len(rows), 1) for rows in (first, second)]
    rows: IntArray = np.concatenate([first, second])[np.argsort(np.concatenate(places), kind="stable")]
    return rows


def count_checks(checked: Mapping[int, tuple[str, ...]], people: Targets) -> Checks:
    """Compare the LLM's labels of blindly checked texts with what most people said of them.

    With several labels a text all of them have to be the same. Texts that nobody labelled yet, or on which people are
    evenly split, do not count.

    Args:
        checked: the LLM's labels by task id.
        people: what people labelled.
    """
    said = {
        id_: majority(shares_C, people.label_set)
        for id_, shares_C in zip(people.task_ids, people.targets_N_C, strict=True)
        if id_ in checked
    }
    same = [set(labels) == set(checked[id_]) for id_, labels in said.items() if labels is not None]
    return Checks(agreed=sum(same), disagreed=len(same) - sum(same))


@dataclass(frozen=True)
class LLMGuesses:
    """N texts of a project, and an LLM's guess of the labels of each.

    Attributes:
        task_ids: N ids of tasks.
        texts: their texts.
        guesses: the LLM's guesses, None where the LLM gave no label.
    """

    task_ids: Sequence[int]
    texts: Sequence[str]
    guesses: Sequence[Guess | None]


def weak_targets(
    guessed: LLMGuesses,
    checked: Collection[int],
    checks: Checks,
    people: Targets,
    rng: np.random.Generator,
) -> Targets:
    """The LLM's labels that may train besides people's, each at `WEAK_WEIGHT`.

    Those of which it is sure, unless people disagree too often; never of texts that people labelled, nor of checks. So
    many at most, drawn at random, that together they weigh no more than people's labels: what people say has to
    be able to outvote what the LLM gets wrong throughout, and a training costs in proportion to people's work, not to
    the pool.

    Args:
        guessed: the texts that the LLM labelled. A guess with a label that the project no longer has is left out.
        checked: task ids of the blind checks.
        checks: how these went.
        people: what people labelled; its label set is the weak targets' too.
        rng: draws, where there are more than may count.
    """
    label_set = people.label_set
    taken = {*people.task_ids, *checked}
    usable = [
        (id_, text, guess.labels)
        for id_, text, guess in zip(guessed.task_ids, guessed.texts, guessed.guesses, strict=True)
        if guess and _may_train(guess, label_set) and id_ not in taken and not checks.is_paused
    ]
    most = int(len(people) / WEAK_WEIGHT)
    kept = [usable[place] for place in np.sort(rng.permutation(len(usable))[:most])]
    targets_M_C = np.zeros((len(kept), len(label_set.labels)), dtype=np.float32)
    for row, (_, _, labels) in enumerate(kept):
        targets_M_C[row] = row_of(labels, label_set)
    return Targets(tuple(id_ for id_, _, _ in kept), tuple(text for _, text, _ in kept), targets_M_C, label_set)


def _may_train(guess: Guess, label_set: LabelSet) -> bool:
    return guess.is_sure and set(guess.labels) <= set(label_set.labels)
