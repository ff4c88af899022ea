"""The LLM's choice of the next texts. The LLM chooses again when people have labelled the choice on disk.

A project has one choice, whatever the number of its questions: the LLM chooses for the first question that decides the
order, and its prompt names the others.

A failure of the LLM is recorded like a choice and never fails a round: a fallback strategy chooses, and a later round
asks the LLM again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.rounds.context import RoundContext
from backend.rounds.sync import Synced
from backend.settings import ProjectSettings, Settings
from backend.store.project_folder import ProjectFolder
from backend.store.selections import PastePrompt, Picked, Selection
from backend.work.states import SCORING
from backend.work.turn import Turn
from model.errors import LLMError
from model.learner.knowledge import Embed
from model.llm.asking import Candidates, Pick, Question, SelectedTexts, as_text, prompt_for_pasting
from model.llm.chat import Chat
from model.query.strategies import find_strategy
from model.tasks.classification.llm import select_by_strategy
from model.tasks.task import Task
from model.types import IntArray

# Seconds until the next try after a failure: short, for a person who fixes a key. The time doubles with each failure in
# a row, so that a provider that is down does not keep the worker from other projects.
RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
# Failures are counted while the LLM is away; after 1,024, which are six weeks, two to their power is no number.
_MOST_DOUBLINGS = 16
ACTIVELLM = "activellm"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LLMContext:
    """The objects of a round that are needed to ask an LLM.

    Attributes:
        round: settings, folder and turn of the round.
        synced: the project.
        has_model: the project has a model version.
        embed: embeds texts with the untrained encoder.
        open_llms: opens a chat with each model, the choosing model first; may raise LLMError.
        also: the other questions that say which text comes next.
    """

    round: RoundContext
    synced: Synced
    has_model: bool
    embed: Embed
    open_llms: Callable[[], list[Chat]]
    also: tuple[Task, ...] = ()

    @property
    def settings(self) -> Settings:
        """The settings of the process."""
        return self.round.settings

    @property
    def folder(self) -> ProjectFolder:
        """The question's folder, which keeps the LLM's labels."""
        return self.round.folder

    @property
    def project_folder(self) -> ProjectFolder:
        """The project's folder, which keeps the LLM's choice."""
        return self.folder.of_project

    @property
    def turn(self) -> Turn:
        """The turn of the round, which records progress."""
        return self.round.turn

    @property
    def question(self) -> Question:
        """The question to annotators. The project's description may hold HTML, which an LLM can read."""
        project, task = self.synced.project, self.synced.task
        return Question(
            title=project.title,
            description=project.description,
            label_set=task.label_set,
            name=task.control if self.synced.questions > 1 else "",
            asks=task.asks,
            label_note=task.label_note,
        )

    @property
    def has_a_say(self) -> bool:
        """Whether an LLM chooses the next texts."""
        return has_a_say(self.synced.settings, len(self.synced.targets), self.has_model)

    def candidates(self, texts: Sequence[str]) -> Candidates:
        """Build candidates for a question to the LLM; embeds texts that have no embedding yet.

        Args:
            texts: the texts to ask about.
        """
        people = self.synced.targets
        embeddings_M_D = self.embed([*texts, *people.texts])
        return Candidates(self.question, texts, embeddings_M_D[: len(texts)], people, embeddings_M_D[len(texts) :])

    def candidates_to_choose(self, texts: Sequence[str]) -> Candidates:
        """Build candidates for a choice, whose question names the others that the texts are for.

        Args:
            texts: the texts to choose from.
        """
        candidates = self.candidates(texts)
        also = tuple(task.control for task in self.also)
        return replace(candidates, question=replace(candidates.question, also=also))

    def texts_to_choose_from(self) -> tuple[IntArray, list[str]]:
        """Return the rows of pool texts that are neither empty nor skipped, and the texts."""
        pool = self.synced.pool
        rows = [row for row, text in enumerate(pool) if text.text and not text.is_skipped]
        return np.array(rows, dtype=np.int64), [pool[row].text for row in rows]


def has_a_say(settings: ProjectSettings, labels: int, has_model: bool) -> bool:
    """Whether an LLM chooses the next texts: until there is a model and at least one batch of labels.

    The gain of the ActiveLLM study is largest at 10 to 32 labels and gone at about 100 labels.

    Args:
        settings: the project's settings.
        labels: number of labelled tasks.
        has_model: the project has a model version.
    """
    return find_strategy(settings.cold_start).asks_llm and (not has_model or labels < settings.query_size)


def choose(context: LLMContext) -> Selection | None:
    """Return the texts that an LLM, or a pasted answer, wants labelled next; ask the LLM if no stored choice is left.

    Args:
        context: the project and the LLM.

    Returns:
        The choice, which may be a failure; None if neither an LLM nor a pasted answer may choose.
    """
    stored = context.project_folder.selection.read()
    rows_M, _ = context.texts_to_choose_from()
    waiting = {context.synced.pool[row].task_id for row in rows_M.tolist()}
    if stored is not None and may_be_used(stored, context):
        left = stored.among(waiting)
        if left.picks or time.time() < (retry_at(stored) or 0.0):
            return left
    if not context.has_a_say or not waiting:
        return None
    context.turn.step(SCORING)
    # A repeated round asks the same question and finds the cached answers; after a failure the seed must differ.
    failed = stored if stored is not None and stored.has_failed and _is_current(stored, context) else None
    failed_at = round(failed.at) if failed else 0
    chosen = _ask(
        context, np.random.default_rng([len(context.synced.targets), failed_at]), failed.failures if failed else 0
    )
    context.project_folder.selection.write(chosen)
    return chosen


def chosen_for(context: LLMContext, chosen: Selection | None) -> Selection | None:
    """Return the project's choice for a question that the LLM did not choose for; the picks lead that order, too.

    Args:
        context: the project, for that question.
        chosen: the project's choice; None without one.

    Returns:
        The choice; a failure without a reason where an LLM would choose and did not; None where no LLM chooses, and
        where nothing is learned.
    """
    if chosen is not None and may_be_used(chosen, context):
        return chosen
    would_choose = context.has_a_say and context.synced.task.is_learned
    return Selection(strategy="", source="", at=0.0) if would_choose else None


def retry_at(stored: Selection | None) -> float | None:
    """Return when to ask the LLM again, in seconds since 1970; None without a failure.

    A failure whose time is still to come was recorded before the clock was set back: the LLM is asked at once.

    Args:
        stored: the last choice or failure.
    """
    if stored is None or not stored.has_failed:
        return None
    if stored.at > time.time():
        return 0.0
    return stored.at + min(RETRY_S * 2.0 ** min(max(stored.failures, 1) - 1, _MOST_DOUBLINGS), LONGEST_RETRY_S)


def may_be_used(stored: Selection, context: LLMContext) -> bool:
    """Whether a stored choice may still lead the order.

    Args:
        stored: a choice of an LLM, or a pasted answer.
        context: the project and the LLM.
    """
    if stored.is_pasted:
        return may_paste(context)
    return context.has_a_say and _is_current(stored, context)


def may_paste(context: LLMContext) -> bool:
    """Whether a pasted answer may choose: until there is a model and at least one batch of labels."""
    return not context.has_model or len(context.synced.targets) < context.synced.settings.query_size


def _is_current(stored: Selection, context: LLMContext) -> bool:
    """Whether the settings still name the same LLM and the same strategy."""
    return (stored.strategy, stored.source) == (context.synced.settings.cold_start, context.settings.llm_name)


def _ask(context: LLMContext, rng: np.random.Generator, failures: int) -> Selection:
    """Ask the LLM for a choice; a failure is returned, not raised.

    Args:
        context: the project and the LLM.
        rng: shuffles texts, and draws the texts that stand for a large pool.
        failures: number of failures in a row so far.
    """
    asked = Selection(context.synced.settings.cold_start, context.settings.llm_name, time.time())
    project_id, began = context.folder.project_id, time.monotonic()
    rows_M, texts = context.texts_to_choose_from()
    try:
        found = _select(context, texts, rng)
    except LLMError as error:
        log.warning("event=llm_failed project=%d code=%s reason=%s", project_id, error.code, error)
        return replace(asked, at=time.time(), failure=str(error), failure_code=error.code, failures=failures + 1)
    picks = tuple(_picked(context.synced.pool[int(rows_M[pick.row])].task_id, pick) for pick in found.picks)
    log.info(
        "event=llm_chose project=%d strategy=%s picks=%d seconds=%.1f",
        project_id,
        asked.strategy,
        len(picks),
        time.monotonic() - began,
    )
    failure = found.failure
    return replace(
        asked,
        at=time.time(),
        picks=picks,
        failure=str(failure or ""),
        failure_code=failure.code if failure else "",
    )


def _select(context: LLMContext, texts: Sequence[str], rng: np.random.Generator) -> SelectedTexts:
    # Open the chats first: wrong settings then fail before a long embedding.
    chats = context.open_llms()
    batch_size = context.synced.settings.query_size
    return select_by_strategy(
        context.synced.settings.cold_start,
        chats,
        context.candidates_to_choose(texts),
        batch_size,
        rng,
        context.turn.progress,
    )


def _picked(task_id: int, pick: Pick) -> Picked:
    return Picked(task_id, pick.guess, pick.votes, pick.askings, pick.score)


def write_paste_prompt(context: LLMContext, rng: np.random.Generator) -> None:
    """Write a new prompt for pasting, if too few texts of the present prompt need labels.

    Otherwise the present prompt stays: a person may be waiting for an answer to it, and a new prompt has other numbers.

    Args:
        context: the project and the LLM.
        rng: shuffles texts, and draws the texts that stand for a large pool.
    """
    rows_M, texts = context.texts_to_choose_from()
    waiting = {context.synced.pool[row].task_id for row in rows_M.tolist()}
    present = context.project_folder.paste_prompt.read()
    if not texts or (present is not None and len(waiting.intersection(present.task_ids)) >= present.select):
        return
    try:
        prompt = prompt_for_pasting(
            context.candidates_to_choose(texts),
            context.synced.settings.query_size,
            context.settings.llm_context_tokens,
            rng,
        )
    except LLMError as error:
        log.warning("event=no_paste_prompt project=%d code=%s", context.folder.project_id, error.code)
        return
    task_ids = tuple(context.synced.pool[int(rows_M[row])].task_id for row in prompt.rows)
    labels = context.question.labels
    context.project_folder.paste_prompt.write(
        PastePrompt(as_text(prompt.messages), task_ids, prompt.select, labels, time.time())
    )
