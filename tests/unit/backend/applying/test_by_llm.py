"""An LLM labels the rest: 200 tasks, of which people labelled 60, and a scripted LLM that answers as a test wants."""

import copy
import hashlib
import io
import json

import pytest
import typer

from backend.applying.by_llm import LLMRest, check_sample, plan_by_llm
from backend.applying.labelling import Labelling, Wanted
from backend.applying.reading import find_question, look_on, read_now
from backend.applying.telling import tell_plan
from backend.applying.writing import undo, write_predictions
from backend.commands.rest.apply import Apply
from backend.errors import CannotPromiseError
from backend.settings import Settings
from backend.store.applied import Form
from model.errors import LLMKeyError, LLMUnavailableError
from model.llm.asking import count_tokens
from model.progress import ignore_progress
from tests.fake_chats import ScriptedChat, labelling, shown_texts
from tests.fakes import FakeRounds
from tests.unit.backend.applying.test_apply import Project, gold

LABELLED = 60


def errs(text: str, one_in: int) -> bool:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % one_in == 0


def slipping(one_in: int):
    """An LLM that is wrong about one text in so many, whatever the wording."""
    other = {"pos": "neg", "neg": "pos"}
    return labelling(lambda text: other[gold(text)] if errs(text, one_in) else gold(text))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, encoder) -> Project:
    """People labelled sixty texts, half of them at random places; there is no model version."""
    settings = Settings(
        model_dir=tmp_path_factory.mktemp("llm"),
        bert_model=encoder,
        retrain_every=1000,
        query_size=60,
        llm_provider="mistral",
        cold_start="random",
        llm_labels="off",
        llm_price_input=2.0,
        llm_price_output=6.0,
    )
    project = Project(settings)
    project.round()
    project.label_next(LABELLED)
    return project


def rest_of(project: Project, chat: ScriptedChat) -> LLMRest:
    context = look_on(project.settings, project.studio, FakeRounds(), 1, ignore_progress)
    return LLMRest(context, find_question(read_now(context), ""), lambda: [chat])


def test_what_an_llm_is_right_about_is_promised_written_and_taken_back(labelled):
    rest = rest_of(labelled, ScriptedChat(slipping(50)))
    check_sample(rest, 0.8)
    plan = plan_by_llm(rest, 0.8)
    texts = {task_id: task.data["text"] for task_id, task in labelled.studio.tasks_now.items()}
    right = [given.labels == (gold(texts[task_id]),) for task_id, given in plan.labels.items()]
    assert plan.promise.expected >= 0.8
    assert plan.promise.interval[0] <= sum(right) / len(right) <= plan.promise.interval[1]
    assert len(plan.labels) == len(texts) - LABELLED
    assert (plan.model, plan.llm, plan.giver) == (0, "mistral mistral-large-latest", "llm")
    assert "of the answers of mistral mistral-large-latest agree" in tell_plan(plan, None)[0]
    run = write_predictions(labelled.studio, labelled.folder, rest.synced.task, plan, ignore_progress)
    assert run.name == "llm.apply-1"
    assert labelled.studio.prediction_counts(1)[run.name] == len(plan.labels)
    undo(labelled.studio, labelled.folder, ignore_progress)
    assert run.name not in labelled.studio.prediction_counts(1)


def test_the_sample_is_the_random_tenth_and_none_of_it_is_ever_an_example(labelled):
    chat = ScriptedChat(slipping(50))
    rest = rest_of(labelled, chat)
    plan_by_llm(rest, 0.8)
    sample = set(rest.synced.targets.some(rest.sample_R).texts)
    assert 0.8 * len(labelled.drawn) <= len(sample) <= 1.2 * len(labelled.drawn)
    asked = {text for messages in chat.asked for text in shown_texts(messages).values()}
    assert sample <= asked
    examples = [
        messages[-1].content.split("texts to label:")[0]
        for messages in chat.asked
        if "for orientation" in str(messages)
    ]
    shown = {text for text in rest.synced.targets.texts if any(f'"{text}"' in example for example in examples)}
    assert shown
    assert not shown & sample


def test_a_copy_of_a_sampled_text_is_no_example_either(labelled):
    project = copy.copy(labelled)
    project.studio = copy.deepcopy(labelled.studio)
    before = rest_of(project, ScriptedChat([]))
    copies = [f"{text} !" for text in before.synced.targets.some(before.sample_R).texts]
    for task_id, text in zip(project.studio.add(*copies), copies, strict=True):
        project.studio.annotate(task_id, gold(text))
    chat = ScriptedChat(slipping(50))
    rest = rest_of(project, chat)
    rest.evidence()
    assert set(copies) <= set(rest.synced.targets.texts)
    examples = [messages[-1].content.split("texts to label:")[0] for messages in chat.asked]
    assert not [text for text in copies if any(f'"{text}"' in example for example in examples)]


def test_an_llm_that_errs_too_often_is_not_asked_about_the_rest(labelled):
    chat = ScriptedChat(slipping(2))
    rest = rest_of(labelled, chat)
    with pytest.raises(CannotPromiseError, match=r"was right on \d+\. Nothing was asked about the other texts"):
        plan_by_llm(rest, 0.9)
    asked = {text for messages in chat.asked for text in shown_texts(messages).values()}
    assert asked == set(rest.synced.targets.some(rest.sample_R).texts)


def test_where_the_sample_is_too_small_nothing_is_asked(labelled):
    chat = ScriptedChat([])
    with pytest.raises(CannotPromiseError, match=r"99% cannot be promised: it needs at least \d+ labels") as refused:
        check_sample(rest_of(labelled, chat), 0.99)
    assert "Nothing was asked of the LLM" in str(refused.value)
    assert chat.asked == []


def test_the_cost_that_is_told_is_that_of_the_questions_that_come(labelled):
    chat = ScriptedChat(slipping(50))
    rest = rest_of(labelled, chat)
    cost = rest.cost()
    assert chat.asked == []
    assert cost.texts == len(rest.sample_R) + len(rest.rows_N)
    plan_by_llm(rest, 0.8)
    sent = sum(
        sum(count_tokens(message.content) for message in messages) + count_tokens(str(schema))
        for messages, schema in zip(chat.asked, chat.schemas, strict=True)
    )
    assert cost.prompt_tokens == sent
    assert cost.money == pytest.approx((2.0 * cost.prompt_tokens + 6.0 * cost.completion_tokens) / 1e6)
    assert f"{cost.texts} texts take about {sent:,} tokens" in cost.in_words()


def a_command(project: Project, chat: ScriptedChat, precision: float, **asked: bool) -> Apply:
    """The command over the fake Label Studio, with the scripted LLM."""

    class Scripted(Labelling):
        def llm_rest(self) -> LLMRest:
            return rest_of(project, chat)

    context = look_on(project.settings, project.studio, FakeRounds(), 1, ignore_progress)
    labelling_ = Scripted(context, Wanted(precision), ignore_progress)
    return Apply(labelling_, 1, Form.PREDICTIONS, **{"as_json": False, "yes": False, **asked})


def test_a_dry_run_tells_the_cost_and_asks_nothing(labelled, capsys):
    chat = ScriptedChat([])
    a_command(labelled, chat, 0.8).label_by_llm(dry_run=True)
    assert "Nothing was asked." in capsys.readouterr().out
    a_command(labelled, chat, 0.8, as_json=True).label_by_llm(dry_run=True)
    assert json.loads(capsys.readouterr().out).keys() == {"texts", "prompt_tokens", "completion_tokens", "money"}
    assert chat.asked == []


def test_nothing_is_spent_before_somebody_agrees(labelled, monkeypatch, capsys):
    chat = ScriptedChat([])
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    with pytest.raises(typer.Abort):
        a_command(labelled, chat, 0.8).label_by_llm(dry_run=False)
    assert "Ask mistral mistral-large-latest?" in capsys.readouterr().err
    assert chat.asked == []
    assert labelled.folder.applied.read() == []


def test_with_yes_the_command_asks_promises_and_writes(labelled, capsys):
    a_command(labelled, ScriptedChat(slipping(50)), 0.8, as_json=True, yes=True).label_by_llm(dry_run=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["llm"], told["model"], told["is_promised"]) == ("mistral mistral-large-latest", 0, True)
    (run,) = labelled.folder.applied.read()
    assert labelled.studio.prediction_counts(1)[run.name] == told["tasks"]
    undo(labelled.studio, labelled.folder, ignore_progress)


def test_an_llm_that_stops_answering_is_named_and_nothing_is_planned(labelled):
    with pytest.raises(LLMUnavailableError, match="no answer in 45 s"):
        plan_by_llm(rest_of(labelled, ScriptedChat(lambda _: LLMUnavailableError("no answer in 45 s"))), 0.8)


def test_without_an_llm_in_the_settings_the_setting_is_named(labelled):
    settings = labelled.settings.model_copy(update={"llm_provider": None})
    context = look_on(settings, labelled.studio, FakeRounds(), 1, ignore_progress)
    with pytest.raises(LLMKeyError, match="LLM_PROVIDER"):
        LLMRest(context, find_question(read_now(context), ""))
