"""A committee of prompts and models: several label the same texts, and people are asked where they disagree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.errors import LLMError
from model.llm.asking.candidates import Candidates
from model.llm.asking.labeler import GuessedLabels, ask_for_labels
from model.llm.chat import Chat
from model.llm.reading import Guess, majority, row_of
from model.progress import Progress, ignore_progress
from model.query.committee import vote_entropy_scores
from model.query.unlabelled import Unlabelled
from model.types import BoolArray, FloatArray, LabelSet


@dataclass(frozen=True)
class CommitteeMember:
    """A model and the wording that it is asked with."""

    chat: Chat
    version: str


@dataclass(frozen=True)
class Votes:
    """What K members say of N texts.

    Attributes:
        votes_N_K_C: 1 for a label that is given, else 0; nothing but 0 where a member abstains.
        has_voted_N_K: whether a member said anything; where labels may be several, none at all is a vote as well.
        label_set: the classes of axis C.
        failures: why a member stopped early, for each that did.
    """

    votes_N_K_C: FloatArray
    has_voted_N_K: BoolArray
    label_set: LabelSet
    failures: tuple[LLMError, ...] = ()


def committee_votes(
    members: Sequence[CommitteeMember],
    candidates: Candidates,
    on_progress: Progress = ignore_progress,
) -> Votes:
    """Let each member label N texts. A member that fails keeps what it said until then, and abstains from the rest.

    Args:
        members: at least two, for them to disagree.
        candidates: N texts.
        on_progress: called with (texts labelled, N times K) after every batch.
    """
    size, question = len(candidates), candidates.question
    everybody: list[GuessedLabels] = []
    failed: dict[int, LLMError] = {}
    for place, member in enumerate(members):
        # A model that did not answer one wording does not answer the next either, and each wait is a long one.
        if (failure := failed.get(id(member.chat))) is not None:
            everybody.append(GuessedLabels((None,) * size, failure))
            continue
        progress = _continuing(on_progress, place * size, len(members) * size)
        everybody.append(ask_for_labels(member.chat, candidates, progress, member.version))
        if (failure := everybody[-1].failure) is not None:
            failed[id(member.chat)] = failure
    votes = count_votes([said.guesses for said in everybody], LabelSet(tuple(question.labels), question.is_multilabel))
    return replace(votes, failures=tuple(said.failure for said in everybody if said.failure))


def _continuing(on_progress: Progress, before: int, total: int) -> Progress:
    """Progress of one member as that of all."""
    return lambda done, _: on_progress(before + done, total)


def count_votes(guesses_K_N: Sequence[Sequence[Guess | None]], label_set: LabelSet) -> Votes:
    """What K members guessed of the same N texts, as votes."""
    texts = len(guesses_K_N[0]) if guesses_K_N else 0
    votes_N_K_C = np.zeros((texts, len(guesses_K_N), len(label_set.labels)), dtype=np.float32)
    has_voted_N_K = np.zeros((texts, len(guesses_K_N)), dtype=bool)
    for member, guesses in enumerate(guesses_K_N):
        for text, guess in enumerate(guesses):
            if guess:
                votes_N_K_C[text, member] = row_of(guess.labels, label_set)
                has_voted_N_K[text, member] = True
    return Votes(votes_N_K_C, has_voted_N_K, label_set)


def disagreement_scores(votes: Votes) -> FloatArray:
    """Score how the members that voted are split, by vote entropy.

    After the self-consistency sampling of APE (Qian et al., 2024), which asks people about what differently worded
    prompts answer differently, by entropy. Deviations: members may be different models too; with several labels a text
    the most disputed label stands for it; abstentions are left out.

    A text that fewer than two members labelled gets the mean of the others. Nothing is known of it, and mostly by
    accident: a member that stopped halfway would otherwise put everything after that before, or behind, all texts
    that are known to be disputed.

    Returns:
        scores_N in nats, in [0, log min(K, C)]; higher means ask sooner.
    """
    scores_N = np.zeros(len(votes.has_voted_N_K))
    is_known_N = votes.has_voted_N_K.sum(axis=1) >= 2
    for voted_K in np.unique(votes.has_voted_N_K[is_known_N], axis=0):
        rows_M = np.flatnonzero((votes.has_voted_N_K == voted_K).all(axis=1))
        votes_M_K_C = votes.votes_N_K_C[rows_M][:, voted_K]
        voting = Unlabelled(len(rows_M), proba_N_K_C=votes_M_K_C, is_multilabel=votes.label_set.is_multilabel)
        scores_N[rows_M] = vote_entropy_scores(voting.members)
    if is_known_N.any():
        scores_N[~is_known_N] = scores_N[is_known_N].mean()
    return scores_N


def agreed_guesses(votes: Votes) -> list[Guess | None]:
    """What most of the members that voted say of each text.

    Returns:
        N guesses, sure where at least two voted and all said the same: that tells more than what a member says of its
        own sureness. None where nobody voted, or votes are split evenly.
    """
    return [_agreed(votes, row) for row in range(len(votes.has_voted_N_K))]


def _agreed(votes: Votes, row: int) -> Guess | None:
    votes_K_C = votes.votes_N_K_C[row][votes.has_voted_N_K[row]]
    labels = majority(votes_K_C.mean(axis=0), votes.label_set) if len(votes_K_C) else None
    if labels is None:
        return None
    return Guess(labels, is_sure=len(votes_K_C) > 1 and bool((votes_K_C == votes_K_C[0]).all()))
