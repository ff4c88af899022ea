"""An LLM's drafts of free text: people see them as pre-annotations, except on a share of texts that checks the LLM.

Nothing is trained on a draft. If the LLM fails, the texts come without drafts.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from backend.rounds.llm.answered import LabelledOrder, is_to_wait, places_to_ask, record_failure
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.order import Order
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from backend.settings import LLMLabels, ProjectSettings, Settings
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Draft
from model.errors import LLMError
from model.tasks.classification.llm import CHECKED_SHARE
from model.tasks.free_text.llm import AskedTexts, Drafted, DraftFigures, ask_for_drafts, count_answers
from model.text_digests import text_digest
from model.types import PoolText

# The head of the queue that gets drafts: the next batch, and a second one for people who work on while an order is
# made; no more texts than an LLM drafts in minutes.
BATCHES_DRAFTED, MOST_DRAFTED = 2, 64

log = logging.getLogger(__name__)


def with_drafts(standing: Standing, ordered: Order, rng: np.random.Generator) -> LabelledOrder:
    """Add an LLM's drafts to an order.

    Args:
        standing: the project's question, which is answered in free text.
        ordered: the order.
        rng: draws the texts on which the LLM is checked blind.
    """
    context = standing.llm
    if not wants_drafts(context.settings, context.synced.settings):
        return LabelledOrder(ordered, ({},))
    known = current_drafts(context.folder, context.synced, context.settings.llm_name)
    wanted = [] if is_to_wait([standing]) else _without_draft(context, ordered, known)
    new = _ask(standing, wanted) if wanted else {}
    drafts = _with_checks(context, ordered, known, new, rng)
    if drafts != known:
        context.folder.drafts.write({**context.folder.drafts.read(), **drafts})
    waiting = {text.task_id: drafts[text.task_id] for text in context.synced.pool if text.task_id in drafts}
    shown = {task_id: (draft.text,) for task_id, draft in waiting.items() if draft.text and not draft.is_check}
    blind = frozenset(task_id for task_id, draft in waiting.items() if draft.is_check)
    return LabelledOrder(ordered, (shown,), blind)


def wants_drafts(settings: Settings, own: ProjectSettings) -> bool:
    """Whether an LLM drafts free text: there is one, and its labels are shown.

    Args:
        settings: the process's.
        own: the project's.
    """
    return bool(settings.llm_provider) and own.llm_labels.includes(LLMLabels.SHOW)


def current_drafts(folder: ProjectFolder, synced: Synced, source: str) -> dict[int, Draft]:
    """Return the drafts, by task id, that an LLM made of the texts as they are now.

    Args:
        folder: the question's folder.
        synced: the project for the question.
        source: provider and model of the LLM, see `Settings.llm_name`.
    """
    texts = dict(zip(synced.targets.task_ids, synced.targets.texts, strict=True))
    texts.update((text.task_id, text.text) for text in synced.pool)
    return {
        task_id: draft
        for task_id, draft in folder.drafts.read().items()
        if (draft.source, draft.question) == (source, synced.task.control)
        and task_id in texts
        and draft.text_digest == text_digest(texts[task_id])
    }


def figures_so_far(folder: ProjectFolder, synced: Synced, source: str) -> DraftFigures | None:
    """Compare an LLM's drafts with people's answers; None for a question that is not answered in free text.

    Args:
        folder: the question's folder.
        synced: the project for the question.
        source: provider and model of the LLM; drafts of another LLM do not count.
    """
    if synced.task.is_learned:
        return None
    drafts = current_drafts(folder, synced, source)
    made = {task_id: draft for task_id, draft in drafts.items() if draft.text}
    return count_answers(
        {task_id: draft.text for task_id, draft in made.items() if draft.is_check},
        {task_id: draft.text for task_id, draft in made.items() if not draft.is_check},
        synced.written,
        left_out=len(drafts) - len(made),
    )


def _without_draft(context: LLMContext, ordered: Order, known: Mapping[int, Draft]) -> list[PoolText]:
    """Return the texts at the head of the queue that have neither a draft nor a person's answer."""
    synced = context.synced
    count = min(BATCHES_DRAFTED * synced.settings.query_size, MOST_DRAFTED)
    head = [synced.pool[row] for row in ordered.rows_N[places_to_ask(synced.pool, ordered, count)].tolist()]
    return [text for text in head if text.task_id not in known and text.task_id not in synced.written]


def _ask(standing: Standing, texts: Sequence[PoolText]) -> dict[int, Draft]:
    """Ask for drafts of texts, by task id; a failure is recorded, and earlier drafts are kept."""
    context = standing.llm
    failure: LLMError | None
    drafted: Sequence[Drafted | None]
    try:
        answer = ask_for_drafts(context.open_llms()[0], _asked(context, texts), context.turn.progress)
        drafted, failure = answer.drafts, answer.failure
    except LLMError as error:
        drafted, failure = (), error
    control, source = context.synced.task.control, context.settings.llm_name
    record_failure([standing], control, failure)
    drafts = {
        text.task_id: Draft(draft.text, draft.problem, False, text_digest(text.text), source, control)
        for text, draft in zip(texts, drafted, strict=False)
        if draft is not None
    }
    left_out = sum(not draft.text for draft in drafts.values())
    log.info("event=drafted project=%d texts=%d left_out=%d", context.folder.project_id, len(drafts), left_out)
    return drafts


def _asked(context: LLMContext, texts: Sequence[PoolText]) -> AskedTexts:
    people, written = context.synced.targets, context.synced.written
    # Without a Header the control's name says what to write: "summary", "spanish".
    question = replace(context.question, name=context.synced.task.control)
    examples = [
        (text, written[id_][0]) for id_, text in zip(people.task_ids, people.texts, strict=True) if id_ in written
    ]
    asked = [text.text for text in texts]
    embeddings_M_D = context.embed([*asked, *(text for text, _ in examples)])
    return AskedTexts(question, asked, embeddings_M_D[: len(asked)], examples, embeddings_M_D[len(asked) :])


def _with_checks(
    context: LLMContext, ordered: Order, known: Mapping[int, Draft], new: Mapping[int, Draft], rng: np.random.Generator
) -> dict[int, Draft]:
    """Draw a share of the waiting drafts as blind checks. A check stays one, since people remember a shown draft."""
    pool = context.synced.pool
    drafts = {**known, **new}
    explored = {pool[row].task_id for row in ordered.rows_N[ordered.is_explore_N].tolist()}
    waiting = {text.task_id for text in pool if (draft := drafts.get(text.task_id)) and draft.text}
    # A text at a random place comes without its draft, so this draft is a blind check, too.
    checked = {task_id for task_id in waiting if drafts[task_id].is_check or task_id in explored}
    fresh = np.array([task_id for task_id in new if task_id in waiting - checked], dtype=np.int64)
    lacking = max(0, ceil(CHECKED_SHARE * len(waiting)) - len(checked))
    checked |= set(rng.permutation(fresh)[:lacking].tolist())
    return {**drafts, **{task_id: replace(drafts[task_id], is_check=True) for task_id in checked}}
