"""An LLM drafts what people write with a TextArea: shown on most texts, checked blind on the others."""

from dataclasses import replace

import numpy as np
import pytest

from backend.rounds.context import InUse
from backend.rounds.llm.answered import LabelledOrder
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.llm.drafting import MOST_DRAFTED, current_drafts, figures_so_far, with_drafts
from backend.rounds.order import Order
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from model.errors import LLMBudgetError, LLMUnavailableError
from model.tasks.free_text.llm import DraftFigures
from model.types import Targets
from tests.fake_chats import ScriptedChat, drafting, shown_texts
from tests.fakes import a_context, a_project, the_task
from tests.unit.backend.films import EMBEDDINGS, FILMS, POOL

CONFIG = (
    '<View><Text name="text" value="$text"/><Header value="Translate into German"/>'
    '<TextArea name="translation" toName="text" placeholder="in plain words"/></View>'
)
LLM = "mistral mistral-large-latest"


def in_german(text: str) -> str:
    return text.replace("film", "Film").upper()


@pytest.fixture
def project(llm_settings):
    """A project that asks for a translation, of whose texts some were translated by people."""

    def project(answers=None, written=None, **own) -> tuple[Standing, ScriptedChat]:
        chat, written = ScriptedChat(answers or drafting(in_german)), written or {}
        task, round_ = the_task(CONFIG), a_context(llm_settings)
        done = [text for text in POOL if text.task_id in written]
        targets = Targets(
            tuple(text.task_id for text in done),
            tuple(text.text for text in done),
            np.zeros((len(done), 0)),
            task.label_set,
        )
        left = tuple(text for text in POOL if text.task_id not in written)
        synced = Synced(
            a_project(title="Films"), task, llm_settings.for_project(own), targets, left, "", written=written
        )
        embed = lambda texts: np.array([EMBEDDINGS[text] for text in texts]).reshape(-1, 4)  # noqa: E731
        return Standing(LLMContext(round_, synced, False, embed, lambda: [chat]), InUse()), chat

    return project


def drafted(standing: Standing, explore=(), seed: int = 0) -> LabelledOrder:
    size = len(standing.synced.pool)
    ordered = Order(np.arange(size), np.isin(np.arange(size), explore), ("typiclust",) * size)
    return with_drafts(standing, ordered, np.random.default_rng(seed))


def test_the_texts_of_the_next_two_batches_get_drafts_a_fifth_of_which_nobody_sees(project):
    standing, chat = project()
    labelled = drafted(standing, explore=[1, 5])
    (shown,) = labelled.shown
    # Two batches of six, without the texts that were drawn at random.
    head = {100 + row for row in range(14) if row not in (1, 5)}
    assert shown.keys() | labelled.blind == head
    assert not shown.keys() & labelled.blind
    assert len(labelled.blind) == 3
    assert all(draft == (in_german(FILMS[id_ - 100]),) for id_, draft in shown.items())
    assert labelled.order.rows_N.tolist() == list(range(40))
    assert len(chat.asked) == 3


def test_the_llm_is_told_what_people_are_asked_and_what_they_wrote(project):
    standing, chat = project(written={100 + row: (f"auf Deutsch {row}",) for row in range(8)})
    drafted(standing)
    system, user = (message.content for message in chat.asked[0])
    assert '"translation": "Translate into German (in plain words)"' in system
    assert '"Films"' in system
    assert sum(f'"written": "auf Deutsch {row}"' in user for row in range(8)) == 4
    assert not set(shown_texts(chat.asked[0]).values()) & set(FILMS[:8])


def test_a_text_is_drafted_once_and_its_draft_and_check_stay(project):
    first = drafted(project()[0])
    standing, chat = project([])
    again = drafted(standing, seed=1)
    assert chat.asked == []
    assert (again.shown, again.blind) == (first.shown, first.blind)


def test_a_changed_text_and_another_model_are_drafted_anew(project):
    drafted(project()[0])
    standing, chat = project(drafting(str.title))
    changed = (replace(POOL[0], text="awful film"), *POOL[1:])
    embed = lambda texts: np.ones((len(texts), 4))  # noqa: E731
    synced = replace(standing.synced, pool=changed)
    labelled = drafted(replace(standing, llm=replace(standing.llm, synced=synced, embed=embed)))
    assert list(shown_texts(chat.asked[0]).values()) == ["awful film"]
    stored = current_drafts(standing.context.folder, synced, LLM)
    assert stored[100].text == "Awful Film"
    assert 100 in labelled.shown[0].keys() | labelled.blind
    assert current_drafts(standing.context.folder, synced, "mistral small") == {}


def test_a_text_drawn_at_random_later_comes_without_its_draft_and_becomes_a_check(project):
    first = drafted(project()[0])
    row = min(first.shown[0]) - 100
    standing, _ = project([])
    later = drafted(standing, explore=[row])
    assert 100 + row in later.blind
    assert 100 + row not in later.shown[0]


def test_texts_that_somebody_wrote_about_already_get_no_draft(project):
    """With several annotators a text: the first one's words would come back as a draft for the second."""
    standing, chat = project(written={100: ("auf Deutsch",)})
    both = replace(standing.synced, pool=POOL)
    labelled = drafted(replace(standing, llm=replace(standing.llm, synced=both)))
    assert 100 not in labelled.shown[0].keys() | labelled.blind
    assert not any(FILMS[0] in shown_texts(messages).values() for messages in chat.asked)


def test_empty_and_too_long_drafts_are_left_out_and_counted_and_not_asked_for_again(project):
    bad = {FILMS[0]: "", FILMS[1]: "word " * 2000}
    standing, _ = project(drafting(lambda text: bad.get(text, "kurz")))
    labelled = drafted(standing)
    assert not {100, 101} & (labelled.shown[0].keys() | labelled.blind)
    figures = figures_so_far(standing.context.folder, standing.synced, LLM)
    assert figures == DraftFigures(made=10, left_out=2)
    again, chat = project([])
    drafted(again)
    assert chat.asked == []


@pytest.mark.parametrize("error", [LLMUnavailableError("down"), LLMBudgetError("spent")])
def test_an_llm_that_fails_leaves_its_drafts_so_far_and_is_not_asked_again_at_once(project, error):
    draft, answers = drafting(in_german), iter([None, error])
    standing, chat = project(lambda messages: next(answers) or draft(messages))
    labelled = drafted(standing)
    assert len(labelled.shown[0]) + len(labelled.blind) == 5
    assert standing.llm.project_folder.llm_failure.read().failure_code == error.code
    soon, quiet = project([])
    assert drafted(soon).shown == labelled.shown
    assert quiet.asked == []
    assert len(chat.asked) == 2


def test_no_more_texts_are_drafted_at_a_time_than_an_llm_drafts_in_minutes(project):
    assert MOST_DRAFTED <= 64
    standing, chat = project(query_size=10_000)
    drafted(standing)
    assert sum(len(shown_texts(messages)) for messages in chat.asked) == min(len(POOL), MOST_DRAFTED)


@pytest.mark.parametrize(("use", "is_drafted"), [("off", False), ("show", True), ("route", True), ("train", True)])
def test_only_off_means_no_drafts_and_route_and_train_mean_the_same_as_show(project, use, is_drafted):
    standing, chat = project(llm_labels=use)
    labelled = drafted(standing)
    assert bool(labelled.shown[0]) is bool(chat.asked) is is_drafted
    assert labelled.order.rows_N.tolist() == list(range(40))


def test_peoples_answers_tell_how_near_unseen_drafts_come_and_how_many_shown_ones_they_keep(project):
    labelled = drafted(project()[0])
    blind, (shown,) = sorted(labelled.blind), labelled.shown
    kept, changed, *_ = sorted(shown)
    written = {id_: (in_german(FILMS[id_ - 100]),) for id_ in (*blind, kept)}
    written[blind[0]] = ("",)
    written[changed] = (f"{shown[changed][0]}!",)
    standing, _ = project([], written=written)
    figures = figures_so_far(standing.context.folder, standing.synced, LLM)
    assert figures.blind == len(blind)
    assert figures.similarity == pytest.approx((len(blind) - 1) / len(blind), abs=1e-4)
    assert (figures.shown, figures.kept) == (2, 1)
