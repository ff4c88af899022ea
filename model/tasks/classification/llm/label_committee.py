"""A committee of models and wordings: all members label the same texts, and people label where members disagree."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.errors import LLMError
from model.links import link_of
from model.links.label_rows import majority, row_of
from model.llm.asking import Candidates
from model.llm.chat import Chat
from model.progress import Progress, ignore_progress
from model.query.committee import vote_entropy_scores
from model.query.unlabelled import Unlabelled
from model.tasks.classification.llm.label_answer import Guess
from model.tasks.classification.llm.labeler import GuessedLabels, ask_for_labels
from model.types import BoolArray, FloatArray, LabelSet


@dataclass(frozen=True)
class CommitteeMember:
    """A model and the wording of its prompt."""

    chat: Chat
    version: str


@dataclass(frozen=True)
class Votes:
    """The labels that K members give N texts.

    Attributes:
        votes_N_K_C: 1 for a given label, else 0; all 0 where a member abstains.
        has_voted_N_K: whether a member voted; in a multilabel project, giving no label is a vote too.
        label_set: the classes of axis C.
        failures: the errors of members that stopped early.
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
    """Let each member label N texts. A failing member keeps its votes up to the failure and abstains from the rest.

    Args:
        members: at least two.
        candidates: N texts.
        on_progress: called with (texts labelled, N times K) after every batch.
    """
    size, question = len(candidates), candidates.question
    labellings: list[GuessedLabels] = []
    failed: dict[int, LLMError] = {}
    for place, member in enumerate(members):
        # A model that failed with one wording would fail with the next too, after another long wait.
        if (failure := failed.get(id(member.chat))) is not None:
            labellings.append(GuessedLabels((None,) * size, failure))
            continue
        progress = _continuing(on_progress, place * size, len(members) * size)
        labellings.append(ask_for_labels(member.chat, candidates, progress, member.version))
        if (failure := labellings[-1].failure) is not None:
            failed[id(member.chat)] = failure
    votes = count_votes([labelling.guesses for labelling in labellings], question.label_set)
    return replace(votes, failures=tuple(labelling.failure for labelling in labellings if labelling.failure))


def _continuing(on_progress: Progress, before: int, total: int) -> Progress:
    """Report the progress of one member as progress of the whole committee."""
    return lambda done, _: on_progress(before + done, total)


def count_votes(guesses_K_N: Sequence[Sequence[Guess | None]], label_set: LabelSet) -> Votes:
    """Turn the guesses of K members for the same N texts into votes."""
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
    """Score the disagreement of the members that voted, by vote entropy.

    After the self-consistency sampling of APE (Qian et al., 2024): people label the texts that differently worded
    prompts label differently, by entropy. Deviations: members may also be different models; a multilabel text gets the
    score of its most disputed label; abstentions are left out.

    A text that fewer than two members labelled gets the mean score of the others. A member that stopped halfway would
    otherwise move all later texts before, or behind, the texts with a measured score.

    Returns:
        scores_N in nats, in [0, log min(K, C)]; higher means ask sooner.
    """
    scores_N = np.zeros(len(votes.has_voted_N_K))
    is_scored_N = votes.has_voted_N_K.sum(axis=1) >= 2
    for voted_K in np.unique(votes.has_voted_N_K[is_scored_N], axis=0):
        rows_M = np.flatnonzero((votes.has_voted_N_K == voted_K).all(axis=1))
        votes_M_K_C = votes.votes_N_K_C[rows_M][:, voted_K]
        voting = Unlabelled(len(rows_M), proba_N_K_C=votes_M_K_C, link=link_of(votes.label_set))
        scores_N[rows_M] = vote_entropy_scores(voting.members)
    if is_scored_N.any():
        scores_N[~is_scored_N] = scores_N[is_scored_N].mean()
    return scores_N


def agreed_guesses(votes: Votes) -> list[Guess | None]:
    """The labels that most voting members give each text.

    Returns:
        N guesses, None where nobody voted or votes are evenly split. A guess is sure where at least two members voted
        and all agree: agreement tells more than a member's own claim to be sure.
    """
    return [_agreed_guess(votes, row) for row in range(len(votes.has_voted_N_K))]


def _agreed_guess(votes: Votes, row: int) -> Guess | None:
    votes_K_C = votes.votes_N_K_C[row][votes.has_voted_N_K[row]]
    labels = majority(votes_K_C.mean(axis=0), votes.label_set) if len(votes_K_C) else None
    if labels is None:
        return None
    return Guess(labels, is_sure=len(votes_K_C) > 1 and bool((votes_K_C == votes_K_C[0]).all()))
