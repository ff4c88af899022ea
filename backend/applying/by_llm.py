"""Label the rest by an LLM: the cost, and the precision that can be promised of its labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from backend.applying.planning import NOTHING_LEFT, ApplyPlan, in_percent, plan_at
from backend.applying.reading import Answered, UnlabelledTexts
from backend.errors import CannotPromiseError
from backend.rounds.asking.fair import fair_labels
from backend.rounds.context import RoundContext
from backend.rounds.llm.access import open_ledger, open_llms
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.score import embedder
from backend.rounds.sync import Synced
from model.applying.promise import Evidence, choose_promise, fewest_tested
from model.links.label_rows import row_of
from model.llm.asking import count_tokens
from model.llm.chat import Chat, Message, Reply
from model.progress import Progress, ignore_progress
from model.tasks.classification.llm import LABEL_WORDINGS, CommitteeMember, agreed_guesses, committee_votes
from model.texts.copies import first_of_each
from model.types import IntArray

# Tokens of one text's entry in an answer, besides the label.
_ENTRY_TOKENS = 20


@dataclass(frozen=True)
class Cost:
    """The cost of asking an LLM about texts.

    Attributes:
        texts: number of texts.
        prompt_tokens: tokens of all prompts.
        completion_tokens: tokens of all answers, estimated.
        money: in the currency of the prices; None without prices.
    """

    texts: int
    prompt_tokens: int
    completion_tokens: int
    money: float | None

    def in_words(self) -> str:
        """The cost, for people who decide about it."""
        priced = "" if self.money is None else f", {self.money:.4f} at LLM_PRICE_INPUT and LLM_PRICE_OUTPUT"
        return (
            f"{self.texts:,} texts take about {self.prompt_tokens:,} tokens of prompts and "
            f"{self.completion_tokens:,} of answers{priced}; remembered answers cost nothing."
        )


@dataclass
class _Meter:
    """A chat that sends nothing and counts the tokens of the prompts."""

    model: str
    context_tokens: int
    tokens: int = field(default=0)

    def ask(self, messages: Sequence[Message], schema: Mapping[str, Any] | None = None) -> Reply:
        """Count a prompt; see `Chat`. The empty answer brings the prompt again, and the repetition is not counted."""
        if not any(message.role == "assistant" for message in messages):
            self.tokens += sum(count_tokens(message.content) for message in messages) + count_tokens(str(schema or ""))
        return Reply("")


class LLMRest(UnlabelledTexts):
    """The texts that nobody labelled, as an LLM answers them: each model in each wording, as for routing.

    The prompts' examples are people's labels outside the random sample, for the sample and for the rest alike. So the
    LLM answers both in the same way, and no label of the sample gives itself away.
    """

    def __init__(
        self, context: RoundContext, synced: Synced, open_chats: Callable[[], list[Chat]] | None = None
    ) -> None:
        """Name the question, and open the LLMs; nothing is asked yet.

        Args:
            context: see `look_on`.
            synced: the question, as `read_now` read it.
            open_chats: opens the LLMs; by default those of the settings.

        Raises:
            LLMError: there is no LLM in the settings, or no key for it.
        """
        super().__init__(context, synced)
        settings, folder = self.context.settings, self.context.folder
        self._chats = (open_chats or partial(open_llms, settings, folder, self.context.should_stop))()
        self.llm = settings.llm_name

    @cached_property
    def sample_R(self) -> IntArray:
        """Rows of people's labels that are a random sample of all texts."""
        return np.flatnonzero(fair_labels([self.synced], self.synced.targets.task_ids))

    @cached_property
    def answered(self) -> Answered:
        """The LLM's labels of the texts of `rows_N`.

        Raises:
            LLMError: the LLM stopped answering; its answers so far are remembered.
        """
        return self._ask(self._texts_of_rest(), self.context.turn.progress)

    def evidence(self) -> Evidence:
        """Ask the LLM to label the random sample, and compare its labels with people's.

        Raises:
            LLMError: the LLM stopped answering; its answers so far are remembered.
        """
        texts = self.synced.targets.some(self.sample_R).texts
        return self.evidence_of(self.sample_R, self._ask(texts, self.context.turn.progress))

    def cost(self) -> Cost:
        """Return the cost of asking about the sample and the rest; the LLM is not asked."""
        meters = [_Meter(chat.model, chat.context_tokens) for chat in self._chats]
        about = [self.synced.targets.some(self.sample_R).texts, self._texts_of_rest()]
        for texts in filter(len, about):
            members = [CommitteeMember(meter, version) for meter in meters for version in LABEL_WORDINGS]
            committee_votes(members, self._asking.candidates(texts), ignore_progress)
        count = sum(map(len, about))
        longest = max(map(count_tokens, self.synced.task.label_set.labels))
        answers = count * len(meters) * len(LABEL_WORDINGS) * (_ENTRY_TOKENS + longest)
        questions = sum(meter.tokens for meter in meters)
        money = open_ledger(self.context.settings, self.context.folder.of_project).price_of(questions, answers)
        return Cost(count, questions, answers, money)

    def _texts_of_rest(self) -> list[str]:
        return [self.synced.pool[row].text for row in self.rows_N.tolist()]

    @property
    def _asking(self) -> LLMContext:
        """The prompt's context, whose examples leave out the random sample and copies of its texts."""
        targets = self.synced.targets
        first_L = first_of_each(targets.texts)
        others = targets.some(np.flatnonzero(~np.isin(first_L, first_L[self.sample_R])))
        synced, embed = replace(self.synced, targets=others), embedder(self.context, None)
        return LLMContext(self.context, synced, has_model=True, embed=embed, open_llms=lambda: self._chats)

    def _ask(self, texts: Sequence[str], on_progress: Progress) -> Answered:
        members = [CommitteeMember(chat, version) for chat in self._chats for version in LABEL_WORDINGS]
        votes = committee_votes(members, self._asking.candidates(texts), on_progress)
        if votes.failures:
            raise votes.failures[0]
        label_set = self.synced.task.label_set
        decided_N_C = np.zeros((len(texts), len(label_set.labels)), dtype=bool)
        for row, guess in enumerate(agreed_guesses(votes)):
            if guess is not None:
                decided_N_C[row] = row_of(guess.labels, label_set) > 0
        agrees_N_K = (votes.votes_N_K_C == decided_N_C[:, None, :]).all(axis=2) & votes.has_voted_N_K
        return Answered(decided_N_C, np.where(decided_N_C.any(axis=1), agrees_N_K.mean(axis=1), 0.0))


def check_sample(rest: LLMRest, precision: float) -> None:
    """Check that the random sample is large enough for a precision, before anything is spent.

    Args:
        rest: the question and its unlabelled texts.
        precision: the precision to promise, in (0, 1).

    Raises:
        CannotPromiseError: the sample is too small.
    """
    needed, tested = fewest_tested(precision), len(rest.sample_R)
    if len(rest.rows_N) and tested < needed:
        raise CannotPromiseError(
            f"a precision of {in_percent(precision)} cannot be promised: it needs at least {needed} labels of the "
            f"random sample, and there are {tested}; {needed - tested} more come with the order as people label "
            "(EXPLORE). Nothing was asked of the LLM"
        )


def plan_by_llm(rest: LLMRest, precision: float) -> ApplyPlan:
    """Plan an LLM's labels of a precision that can be promised.

    The LLM labels the sample first: if the sample shows that nothing can be promised, the rest is not paid for.

    Args:
        rest: the question and its unlabelled texts.
        precision: the precision to promise, in (0, 1).

    Raises:
        CannotPromiseError: the precision cannot be promised; the message says why.
        LLMError: the LLM stopped answering; its answers so far are remembered.
    """
    if not len(rest.rows_N):
        return plan_at(rest, NOTHING_LEFT, precision)
    evidence = rest.evidence()
    shares = [right / tested for right, tested in map(evidence.above, np.unique(evidence.confidence_R)) if tested]
    right, tested = int(evidence.is_right_R.sum()), len(evidence.is_right_R)
    said = f"of {tested} texts of the random sample {rest.llm} was right on {right}"
    if max(shares, default=0.0) < precision:
        raise CannotPromiseError(
            f"a precision of {in_percent(precision)} cannot be promised: {said}. Nothing was asked about the other "
            "texts; describe the labels, set another LLM_MODEL, or ask for a lower precision (--precision)"
        )
    promise = choose_promise(evidence, rest.answered.confidence_N, precision)
    if promise is None:
        raise CannotPromiseError(
            f"a precision of {in_percent(precision)} cannot be promised: {said}, which shows too little. The answers "
            "are remembered: ask again when people have labelled more of the random sample (EXPLORE), or for a lower "
            "precision (--precision)"
        )
    return plan_at(rest, promise, precision)
