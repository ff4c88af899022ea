"""Divide texts between people and an LLM: people label where the LLM is unsure, and check a share of the rest blindly.

After NoiseAL (Yuan et al., 2025): small models find texts with doubtful labels, and an LLM labels some of them.
Deviations: people label the texts of which the LLM is unsure; blind checks measure the LLM's labels against people's;
the LLM's labels weigh less instead of having their own loss.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from model.links.label_rows import majority, row_of
from model.tasks.classification.llm.label_answer import Guess
from model.types import BoolArray, IntArray, LabelSet, Targets

# The share of blind checks among the texts of which the LLM is sure.
CHECKED_SHARE = 0.2
# If people disagree in more than this share of checks, the LLM's labels are put aside. A classifier with few labels
# errs about as often, so such labels would teach it nothing.
PAUSE_ABOVE = 0.2
# Fewer checks tell little: with an error rate of one in five, 0 to 4 of 10 checks are wrong by chance.
LEAST_CHECKS = 10
# The weight of an LLM's label against a person's. An LLM's wrong labels are not random (it may take all irony for
# praise), so four of them should not outvote one person.
WEAK_WEIGHT = 0.25


@dataclass(frozen=True)
class Route:
    """The texts for people and the texts for the LLM, as rows of the caller's texts.

    Attributes:
        ask_rows: texts for people: the ones of which the LLM is unsure, with the checks spread evenly among them.
        checked_rows: the checks in ask_rows, which people see without the LLM's label.
        left_to_llm_rows: the other texts; they come after ask_rows, with the LLM's label filled in.
    """

    ask_rows: IntArray
    checked_rows: IntArray
    left_to_llm_rows: IntArray

    @property
    def rows_N(self) -> IntArray:
        """Every candidate once, in the order of asking."""
        return np.concatenate([self.ask_rows, self.left_to_llm_rows])

    @property
    def is_blind_N(self) -> BoolArray:
        """Whether each text in rows_N is a blind check."""
        return np.isin(self.rows_N, self.checked_rows)


@dataclass(frozen=True)
class Checks:
    """How often people agreed with the LLM's labels of blindly checked texts."""

    agreed: int = 0
    disagreed: int = 0

    @property
    def total(self) -> int:
        """The checks that people have labelled."""
        return self.agreed + self.disagreed

    @property
    def disagreement(self) -> float:
        """The share of checks in which people disagreed, in [0, 1]; 0 without checks."""
        return self.disagreed / self.total if self.total else 0.0

    @property
    def is_paused(self) -> bool:
        """Whether the LLM's labels must not be used, since people disagree too often."""
        return self.total >= LEAST_CHECKS and self.disagreement > PAUSE_ABOVE


def route(
    candidate_rows: IntArray,
    is_sure: Sequence[bool],
    rng: np.random.Generator,
    checked_before: Collection[int] = (),
) -> Route:
    """Send people the texts of which the LLM is unsure, and a fifth of the others as blind checks.

    Args:
        candidate_rows: rows in a query strategy's order; the order is kept among unsure and among sure texts.
        is_sure: whether the LLM is sure of its answers, for each of `candidate_rows`.
        rng: draws the checks and their order, so that the first few checks are a fair sample too.
        checked_before: rows of earlier checks. They stay checks whatever the LLM says now: nobody can label a text
            blindly after seeing the LLM's label.
    """
    is_sure_N = np.array(is_sure, dtype=bool)
    is_old_N = np.isin(candidate_rows, np.array(list(checked_before), dtype=np.int64))
    wanted = ceil(CHECKED_SHARE * int((is_sure_N | is_old_N).sum())) - int(is_old_N.sum())
    drawn = rng.permutation(candidate_rows[is_sure_N & ~is_old_N])[: max(wanted, 0)]
    checked = np.concatenate([candidate_rows[is_old_N], drawn])
    is_rest_N = is_sure_N & ~np.isin(candidate_rows, checked)
    unsure = candidate_rows[~is_sure_N & ~is_old_N]
    return Route(_interleave(unsure, checked), checked, candidate_rows[is_rest_N])


def _interleave(first: IntArray, second: IntArray) -> IntArray:
    """Merge two orders, each evenly spread over the whole."""
    places = [(np.arange(len(rows)) + 0.5) / max(len(rows), 1) for rows in (first, second)]
    rows: IntArray = np.concatenate([first, second])[np.argsort(np.concatenate(places), kind="stable")]
    return rows


def count_checks(checked: Mapping[int, tuple[str, ...]], people: Targets) -> Checks:
    """Compare the LLM's labels of blindly checked texts with the labels that most people give.

    In a multilabel project all labels of a text must be the same. Texts that nobody has labelled yet, or on which
    people are evenly split, do not count.

    Args:
        checked: the LLM's labels by task id.
        people: the labels that people gave.
    """
    by_people = {
        id_: majority(shares_C, people.label_set)
        for id_, shares_C in zip(people.task_ids, people.targets_N_C, strict=True)
        if id_ in checked
    }
    same = [set(labels) == set(checked[id_]) for id_, labels in by_people.items() if labels is not None]
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
    """The LLM's labels that train the classifier beside people's labels, each at `WEAK_WEIGHT`.

    Only sure labels train, never labels of checks or of texts that people labelled, and none while people disagree too
    often. Together they weigh no more than people's labels; a random draw keeps to that. People's labels can then
    outvote systematic errors of the LLM, and the cost of a training depends on people's work, not on the pool.

    Args:
        guessed: the texts that the LLM labelled. A guess with a label that the project no longer has is left out.
        checked: task ids of the blind checks.
        checks: the results of the blind checks.
        people: the labels that people gave; the weak targets have the same label set.
        rng: draws the labels where there are too many.
    """
    label_set = people.label_set
    taken = {*people.task_ids, *checked}
    usable = [
        (id_, text, guess.labels)
        for id_, text, guess in zip(guessed.task_ids, guessed.texts, guessed.guesses, strict=True)
        if guess and _may_train(guess, label_set) and id_ not in taken and not checks.is_paused
    ]
    most = int(len(people) / WEAK_WEIGHT)
    drawn = [usable[place] for place in np.sort(rng.permutation(len(usable))[:most])]
    targets_M_C = np.zeros((len(drawn), len(label_set.labels)), dtype=np.float32)
    for row, (_, _, labels) in enumerate(drawn):
        targets_M_C[row] = row_of(labels, label_set)
    return Targets(tuple(id_ for id_, _, _ in drawn), tuple(text for _, text, _ in drawn), targets_M_C, label_set)


def _may_train(guess: Guess, label_set: LabelSet) -> bool:
    return guess.is_sure and set(guess.labels) <= set(label_set.labels)
