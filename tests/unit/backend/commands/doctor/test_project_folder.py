"""What `doctor` says of an LLM's labels and drafts."""

from dataclasses import replace

from backend.commands.doctor.project_folder import look_at_llm_answers
from backend.settings import Settings
from model.tasks.classification.llm import Checks
from model.tasks.free_text.llm import DraftFigures
from tests.fakes import a_sync_record

ASKING = Settings(llm_provider="openai", llm_model="small-model")
RECORD = replace(
    a_sync_record(),
    questions=("mood", "stars", "shelf"),
    llm_checks=Checks(agreed=12),
    further_llm_checks=(Checks(agreed=4, disagreed=8), Checks()),
)


def test_the_question_is_named_whose_labels_people_contradict():
    mood, stars = look_at_llm_answers(ASKING, "project 1", RECORD)
    assert mood.found == "people agree with the LLM on 'mood' in 12 of 12 blind checks"
    assert mood.is_well
    assert stars.found == "people agree with the LLM on 'stars' in 4 of 12 blind checks: its labels are ignored"
    assert "LLM_MODEL" in stars.fix


def test_what_came_of_drafts_is_told_once_people_answered():
    free = replace(RECORD, questions=("summary",), llm_checks=Checks(), further_llm_checks=())
    assert not list(look_at_llm_answers(ASKING, "project 1", replace(free, drafts=DraftFigures(made=12))))
    drafts = DraftFigures(made=40, blind=8, similarity=0.8165, shown=30, kept=21)
    (found,) = look_at_llm_answers(ASKING, "project 1", replace(free, drafts=drafts))
    assert found.found == (
        "21 of 30 drafts of the LLM were kept unchanged; 8 answers were written without seeing the draft, 0.82 alike"
    )
    assert found.is_well


def test_without_an_llm_or_a_round_nothing_is_said():
    assert not list(look_at_llm_answers(Settings(), "project 1", RECORD))
    assert not list(look_at_llm_answers(ASKING, "project 1", None))
