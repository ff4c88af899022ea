"""The set-up of a simulation: gold answers, pool, held-out texts, learner, and rules for choosing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from model.errors import InvalidGoldError
from model.learner.recipes import TrainingConfig
from model.learner.registry import data_sha256
from model.llm.provider import PROVIDER_CHOICE
from model.simulation.gold import Gold, too_few
from model.types import FloatArray, IntArray, LabelTexts, Targets

# Share of the gold labels that is held out where there is no test set.
TEST_SHARE = 0.2


@dataclass(frozen=True)
class Askable:
    """The texts that an LLM is asked to choose from, and the labelled texts around them.

    Attributes:
        strategy: the strategy by which the LLM chooses.
        texts: N texts.
        embeddings_N_D: their embeddings.
        labelled: the labelled texts.
        labelled_L_D: their embeddings.
    """

    strategy: str
    texts: Sequence[str]
    embeddings_N_D: FloatArray
    labelled: Targets
    labelled_L_D: FloatArray


AskLLM = Callable[[Askable, int, np.random.Generator], IntArray]
"""Called with texts, batch size and random generator; returns rows of the texts, picks_B."""


def no_llm(askable: Askable, *_: Any) -> IntArray:
    """Refuse to ask an LLM: the default where none is configured."""
    raise InvalidGoldError(f"{askable.strategy} asks an LLM: set LLM_PROVIDER to {PROVIDER_CHOICE}, and LLM_MODEL")


@dataclass(frozen=True)
class Setup:
    """Texts, learner and rules of a simulation; strategies and seeds vary within it.

    Attributes:
        gold: texts to choose from, with the answers that people would give.
        test: held-out texts with answers to the same questions; None: a fifth of `gold`, drawn for each seed.
        config: the learner's settings; the simulation's seed replaces its seed.
        explore: share of every batch drawn at random, like the setting EXPLORE.
        cold_start: name of the strategy that chooses while nothing is labelled; empty: each strategy's own start.
        pool_size: number of texts of `gold` to choose from, drawn for each seed; 0: all.
        ask_llm: for strategies by which an LLM chooses.
        label_texts: for each question, texts with each label's meaning; empty: label names do not teach.
        learns_from_pool: whether unlabelled texts teach as well.
        ask_for: the questions whose orders decide which texts are labelled, like the extra param; empty: all.
    """

    gold: Gold
    test: Gold | None
    config: TrainingConfig
    explore: float = 0.0
    cold_start: str = ""
    pool_size: int = 0
    ask_llm: AskLLM = no_llm
    label_texts: tuple[LabelTexts, ...] = ()
    learns_from_pool: bool = True
    ask_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """One seed's texts.

    Attributes:
        pool: texts to choose from.
        test: held-out texts; none of them is in the pool.
    """

    pool: Gold
    test: Gold


def draw_split(setup: Setup, seed: int) -> Split:
    """Draw one seed's pool and, without a test set, its held-out texts."""
    gold = setup.gold
    rows_N = np.random.default_rng(seed).permutation(len(gold))
    held_out = 0 if setup.test is not None else int(np.ceil(TEST_SHARE * len(rows_N)))
    test = gold.some(rows_N[:held_out]) if setup.test is None else setup.test
    # A text that is also held out would be learned by heart.
    test_texts = set(test.texts)
    pool_N = np.array([row for row in rows_N[held_out:] if gold.texts[row] not in test_texts], dtype=np.int64)
    return Split(gold.some(pool_N[: setup.pool_size or None]), test)


def fingerprint(setup: Setup, budgets: Sequence[int]) -> dict[str, Any]:
    """All that decides the figures besides strategy and seed; runs with different fingerprints must not be mixed."""
    names = setup.gold.names
    return {
        "data_sha256": _sha256(setup.gold),
        "test_sha256": _sha256(setup.test) if setup.test is not None else "",
        "config": {key: value for key, value in asdict(setup.config).items() if key != "seed"},
        "explore": setup.explore,
        "cold_start": setup.cold_start,
        "pool": setup.pool_size,
        "budgets": list(budgets),
        "label_texts": [list(texts) for of_question in setup.label_texts for texts in of_question],
        "learns_from_pool": setup.learns_from_pool,
        **({"questions": list(names), "ask_for": list(setup.ask_for)} if any(names) else {}),
    }


def _sha256(gold: Gold) -> str:
    hashes = [data_sha256(question.targets) for question in gold.questions]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def usable(setup: Setup, seeds: Sequence[int]) -> tuple[Setup, tuple[str, ...]]:
    """Leave out the questions that cannot be learned or measured.

    Args:
        setup: texts and rules.
        seeds: the seeds to simulate.

    Returns:
        The set-up without these questions, and a sentence for each of them.

    Raises:
        InvalidGoldError: no question is left, or `ask_for` names one that is not there.
    """
    names = setup.gold.names
    reasons = {place: reason for place in range(len(names)) if (reason := _unusable(setup, place, seeds))}
    told = tuple(
        f"{names[place]!r} {reason}" if names[place] else f"simulate {reason}" for place, reason in reasons.items()
    )
    kept = [place for place in range(len(names)) if place not in reasons]
    if not kept:
        raise InvalidGoldError("; ".join(told))
    if unknown := [name for name in setup.ask_for if name not in [names[place] for place in kept]]:
        asked = ", ".join(repr(names[place]) for place in kept if names[place]) or "one question without a name"
        more = f" ({'; '.join(told)})" if told else ""
        raise InvalidGoldError(f"--ask-for {', '.join(map(repr, unknown))}: the texts answer {asked}{more}")
    return (_with_questions(setup, kept) if told else setup), told


def _unusable(setup: Setup, place: int, seeds: Sequence[int]) -> str:
    """Why a question cannot be learned or measured; empty if it can."""
    files = [setup.gold] if setup.test is None else [setup.gold, setup.test]
    if lack := too_few([file.questions[place] for file in files]):
        return lack
    held_out = ((seed, draw_split(setup, seed).test.questions[place]) for seed in seeds)
    lacking = next((seed for seed, question in held_out if not len(question.targets)), None)
    return "" if lacking is None else f"is answered by no held-out text with seed {lacking}: give more, or --test FILE"


def _with_questions(setup: Setup, places: Sequence[int]) -> Setup:
    return replace(
        setup,
        gold=setup.gold.only(places),
        test=setup.test.only(places) if setup.test is not None else None,
        label_texts=tuple(setup.label_texts[place] for place in places) if setup.label_texts else (),
    )


def check_budgets(budgets: Sequence[int], pool_size: int) -> None:
    """Raise InvalidGoldError unless budgets rise, from 0 or from 2 on, and the pool has enough texts for the last."""
    if not budgets or budgets[0] < 0 or 1 in budgets or any(more <= less for less, more in pairwise(budgets)):
        raise InvalidGoldError(
            f"budgets must rise, from 0, or from 2 at least: {', '.join(map(str, budgets)) or 'there are none'}"
        )
    if budgets[-1] > pool_size:
        raise InvalidGoldError(f"a budget of {budgets[-1]} is more than the pool's {pool_size} texts: ask for fewer")
