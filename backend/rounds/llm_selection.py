"""The LLM's part of the order: what it chose waits on disk until people have labelled it; then it is asked again.

A failure is recorded like a choice and never fails a round: the fallback chooses, and the LLM is asked again later.
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
from backend.work.queue import Turn
from backend.work.states import SCORING
from model.errors import LLMError, LLMUnavailableError
from model.learner.knowledge import Embed
from model.llm.asking import Candidates, Pick, Question, SelectedTexts, as_text, prompt_for_pasting, select_by_strategy
from model.llm.chat import Chat
from model.query.strategies import find_strategy
from model.types import IntArray

# After a failure: soon enough for whoever fixes a key, and each time in a row twice as late, so that a provider that is
# down or too slow does not keep the worker from others.
RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
ACTIVELLM = "activellm"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LLMContext:
    """What a round has at hand to ask an LLM.

    Attributes:
        round: settings, folder and turn of the round.
        synced: the project.
        has_model: whether there is a classifier to go by.
        embed: the untrained encoder.
        open_llms: every model of the settings, the one that chooses first; may raise LLMError.
    """

    round: RoundContext
    synced: Synced
    has_model: bool
    embed: Embed
    open_llms: Callable[[], list[Chat]]

    @property
    def settings(self) -> Settings:
        """The process's settings."""
        return self.round.settings

    @property
    def folder(self) -> ProjectFolder:
        """Remembers what was asked and answered."""
        return self.round.folder

    @property
    def turn(self) -> Turn:
        """Hears of progress."""
        return self.round.turn

    @property
    def question(self) -> Question:
        """What people are asked; a description may hold HTML, which an LLM reads as well as anybody."""
        project, label_set = self.synced.project, self.synced.classification.label_set
        return Question(project.title, project.description, label_set.labels, label_set.is_multilabel)

    @property
    def has_a_say(self) -> bool:
        """Whether an LLM chooses now."""
        return has_a_say(self.synced.settings, len(self.synced.targets), self.has_model)

    def candidates(self, texts: Sequence[str]) -> Candidates:
        """Some texts with all that an LLM is asked by; embeds what was not embedded before."""
        people = self.synced.targets
        both_M_D = self.embed([*texts, *people.texts])
        return Candidates(self.question, texts, both_M_D[: len(texts)], people, both_M_D[len(texts) :])

    def texts_to_choose_from(self) -> tuple[IntArray, list[str]]:
        """Rows of the pool that somebody could label, and their texts."""
        pool = self.synced.pool
        rows = [row for row, text in enumerate(pool) if text.text and not text.is_skipped]
        return np.array(rows, dtype=np.int64), [pool[row].text for row in rows]


def has_a_say(settings: ProjectSettings, labels: int, has_model: bool) -> bool:
    """Whether an LLM chooses: until there is a model, and as many labels as one batch of its picks brings.

    The study's gain is largest at 10 to 32 labels and gone by about 100; from then on the classifier's doubt leads.
    """
    return find_strategy(settings.cold_start).asks_llm and (not has_model or labels < settings.query_size)


def choose(context: LLMContext) -> Selection | None:
    """What an LLM, or a person with a chat window, says should be labelled next; None where neither has a say."""
    stored = context.folder.selection.read()
    rows_M, _ = context.texts_to_choose_from()
    waiting = {context.synced.pool[row].task_id for row in rows_M.tolist()}
    if stored is not None and may_be_used(stored, context):
        left = stored.among(waiting)
        if left.picks or time.time() < (retry_at(stored) or 0.0):
            return left
    if not context.has_a_say or not waiting:
        return None
    context.turn.step(SCORING)
    # A round that is run again asks the same, and the answers are still there; after a failure they would not help.
    failed = stored if stored is not None and stored.has_failed and _is_current(stored, context) else None
    failed_at = round(failed.at) if failed else 0
    chosen = _ask(
        context, np.random.default_rng([len(context.synced.targets), failed_at]), failed.failures if failed else 0
    )
    context.folder.selection.write(chosen)
    return chosen


def retry_at(stored: Selection | None) -> float | None:
    """When to ask again after a failure, in seconds since 1970; None if there was none."""
    if stored is None or not stored.has_failed:
        return None
    return stored.at + min(RETRY_S * 2.0 ** (max(stored.failures, 1) - 1), LONGEST_RETRY_S)


def may_be_used(stored: Selection, context: LLMContext) -> bool:
    """Whether what was chosen may still lead: pasted picks as long as an LLM's, these if it would be asked now."""
    if stored.is_pasted:
        return may_paste(context)
    return context.has_a_say and _is_current(stored, context)


def may_paste(context: LLMContext) -> bool:
    """Whether a chat window may choose: as long as an LLM with a key might."""
    return not context.has_model or len(context.synced.targets) < context.synced.settings.query_size


def _is_current(stored: Selection, context: LLMContext) -> bool:
    """Whether the settings would ask the same LLM in the same way."""
    return (stored.strategy, stored.source) == (context.synced.settings.cold_start, context.settings.llm_name)


def _ask(context: LLMContext, rng: np.random.Generator, failures: int) -> Selection:
    """Ask the LLM; a failure is an answer, too.

    Args:
        context: the project and the LLM.
        rng: for shuffles, and what stands for a large pool.
        failures: how often in a row it has failed until now.
    """
    asked = Selection(context.synced.settings.cold_start, context.settings.llm_name, time.time())
    project_id, began = context.folder.project_id, time.monotonic()
    rows_M, texts = context.texts_to_choose_from()
    try:
        found = _select(context, texts, rng)
    except LLMError as error:
        log.warning("event=llm_failed project=%d code=%s reason=%s", project_id, error.code, error)
        failed = replace(asked, at=time.time(), failure=str(error), failure_code=error.code, failures=failures + 1)
        if isinstance(error, LLMUnavailableError):
            context.turn.come_back((retry_at(failed) or 0.0) - failed.at)
        return failed
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
    # Settings that cannot work are found out before a long embedding.
    chats = context.open_llms()
    batch_size = context.synced.settings.query_size
    return select_by_strategy(
        context.synced.settings.cold_start, chats, context.candidates(texts), batch_size, rng, context.turn.progress
    )


def _picked(task_id: int, pick: Pick) -> Picked:
    return Picked(task_id, pick.guess, pick.votes, pick.askings, pick.score)


def write_paste_prompt(context: LLMContext, rng: np.random.Generator) -> None:
    """Keep a prompt for people with a chat window and no API key, as long as enough of the texts in it want labels.

    Another prompt numbers texts otherwise, and somebody may be waiting for an answer to this one.
    """
    rows_M, texts = context.texts_to_choose_from()
    waiting = {context.synced.pool[row].task_id for row in rows_M.tolist()}
    kept = context.folder.paste_prompt.read()
    if not texts or (kept is not None and len(waiting.intersection(kept.task_ids)) >= kept.select):
        return
    try:
        prompt = prompt_for_pasting(
            context.candidates(texts), context.synced.settings.query_size, context.settings.llm_context_tokens, rng
        )
    except LLMError as error:
        log.warning("event=no_paste_prompt project=%d code=%s", context.folder.project_id, error.code)
        return
    task_ids = tuple(context.synced.pool[int(rows_M[row])].task_id for row in prompt.rows)
    labels = context.question.labels
    context.folder.paste_prompt.write(
        PastePrompt(as_text(prompt.messages), task_ids, prompt.select, labels, time.time())
    )
