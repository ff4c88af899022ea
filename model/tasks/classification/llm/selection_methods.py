"""Let LLMs choose texts by a strategy of `model.query.strategies`."""

from collections.abc import Sequence

import numpy as np

from model.errors import LLMError, UnreadableAnswerError
from model.llm.asking import MOST_PICKS, Candidates, Pick, SelectedTexts, select_texts, show_groups
from model.llm.chat import Chat
from model.progress import Progress, ignore_progress
from model.tasks.classification.llm.label_committee import (
    CommitteeMember,
    agreed_guesses,
    committee_votes,
    disagreement_scores,
)
from model.tasks.classification.llm.label_prompt import LABEL_WORDINGS

COMMITTEE = "llm_committee"


def select_by_strategy(
    strategy: str,
    chats: Sequence[Chat],
    candidates: Candidates,
    batch_size: int,
    rng: np.random.Generator,
    on_progress: Progress = ignore_progress,
) -> SelectedTexts:
    """Let LLMs choose a batch of N texts by a named strategy.

    Args:
        strategy: `activellm`: the first model picks; `llm_committee`: all models label, and disputed texts win.
        chats: the models, at least one.
        candidates: N texts.
        batch_size: how many texts to choose.
        rng: shuffles texts, and draws a sample of a large pool.
        on_progress: called with (done, total).

    Raises:
        LLMError: no answer can be used.
    """
    if strategy == COMMITTEE:
        members = [CommitteeMember(chat, version) for chat in chats for version in LABEL_WORDINGS]
        return _select_disputed(members, candidates, batch_size, rng, on_progress)
    return select_texts(chats[0], candidates, batch_size, rng, on_progress)


def _select_disputed(
    members: Sequence[CommitteeMember],
    candidates: Candidates,
    batch_size: int,
    rng: np.random.Generator,
    on_progress: Progress,
) -> SelectedTexts:
    """The texts of the shown groups on which a committee disagrees most (after APE; Qian et al., 2024).

    Texts with equal scores stay in the order in which they cover the pool best.
    """
    batch_size = min(batch_size, MOST_PICKS, len(candidates))
    shown = show_groups(candidates, batch_size, rng)
    votes = committee_votes(members, candidates.some(shown), on_progress)
    if not (votes.has_voted_N_K.sum(axis=1) > 1).any():
        raise _why_nobody_voted(votes.failures)
    scores_N = disagreement_scores(votes)
    guesses = [guess.labels[0] if guess and guess.labels else "" for guess in agreed_guesses(votes)]
    voted_N = votes.has_voted_N_K.sum(axis=1)
    best_B = np.argsort(-scores_N, kind="stable")[:batch_size].tolist()
    picks = [
        Pick(int(shown[place]), guesses[place], int(voted_N[place]), len(members), float(scores_N[place]))
        for place in best_B
    ]
    return SelectedTexts(tuple(picks), votes.failures[0] if votes.failures else None)


def _why_nobody_voted(failures: Sequence[LLMError]) -> LLMError:
    return failures[0] if failures else UnreadableAnswerError("no two members of the committee labelled any text")
