"""An LLM labels the texts that come next for every question of a project."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from backend.rounds.context import InUse
from backend.rounds.llm.checking import checks_so_far, labels_that_train, stored_labels
from backend.rounds.llm.choosing import LLMContext, choose, chosen_for
from backend.rounds.llm.conditions import by_dependency
from backend.rounds.llm.labelling import CHECKED, SURE, UNSURE, with_llm_labels
from backend.rounds.order import Order
from backend.rounds.ordering import make_order
from backend.rounds.standing import Standing, asked_for
from backend.rounds.sync import Synced
from backend.settings import LLMLabels
from backend.store.applied import Wish
from backend.store.selections import LLMLabel, Picked, Selection
from backend.studio.config.kinds import read_tasks
from model.errors import LLMContextError, LLMUnavailableError
from model.text_digests import text_digest
from model.types import PoolText, Targets
from tests.fake_chats import ScriptedChat, labelling, picking, shown_texts
from tests.fakes import a_context, a_project
from tests.unit.backend.films import EMBEDDINGS, FILMS, POOL, sentiment

WHY = (
    '<Choices name="why" toName="text" visibleWhen="choice-selected" whenTagName="mood" whenChoiceValue="bad">'
    '<Choice value="plot"/><Choice value="cast"/></Choices>'
)
MOOD = (
    '<Header value="How does it sound?"/>'
    '<Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices>'
)
SHELF = (
    '<Taxonomy name="shelf" toName="text" leafsOnly="true"><Choice value="buy"><Choice value="now"/>'
    '<Choice value="later"/></Choice><Choice value="leave"/></Taxonomy>'
)
# The question that depends on another one stands before it.
FOUR = f'<View><Text name="text" value="$text"/>{WHY}{MOOD}<Rating name="stars" toName="text"/>{SHELF}</View>'
TASKS = read_tasks(FOUR)
LLM = "mistral mistral-large-latest"
SAID: dict[str, Callable[[str], str]] = {
    "why": lambda text: "plot" if text.startswith("plot") else "cast",
    "mood": lambda text: "good" if sentiment(text) == "pos" else "bad",
    "stars": lambda text: "5" if sentiment(text) == "pos" else "2",
    "shelf": lambda text: "buy / later" if sentiment(text) == "pos" else "leave",
}


def asked_control(messages) -> str:
    """The question that a prompt asks, by the name that it is told."""
    (line,) = [line for line in messages[0].content.splitlines() if line.startswith("Question that annotators answer")]
    return next(control for control in SAID if f'"{control}"' in line)


def by_question(said=SAID, unsure: Callable[[str, str], bool] = lambda control, text: False):
    """An answerer of every question; two wordings contradict each other where `unsure` says so."""

    def answer(messages):
        control = asked_control(messages)
        is_first = "people who train a classifier" in messages[0].content
        labels = next(task for task in TASKS if task.control == control).label_set.labels

        def label(text: str) -> str:
            given = said[control](text)
            others = [other for other in labels if other != given]
            return given if is_first or not unsure(control, text) else others[0]

        return labelling(label)(messages)

    return answer


@dataclass(frozen=True)
class Asked:
    """The questions of a project, in the order of the config, and the LLM."""

    standings: list[Standing]
    chat: ScriptedChat

    def of(self, control: str) -> Standing:
        return next(standing for standing in self.standings if standing.synced.task.control == control)

    def questions(self) -> list[str]:
        return [asked_control(messages) for messages in self.chat.asked]

    def with_llm_labels(self, predict=None, seed: int = 0, explore: Sequence[int] = ()):
        ordered = Order(
            np.arange(len(self.standings[0].synced.pool)),
            np.isin(np.arange(len(self.standings[0].synced.pool)), explore),
            tuple(f"margin {row}" for row in range(len(self.standings[0].synced.pool))),
        )
        return with_llm_labels(self.standings, ordered, predict or nothing, np.random.default_rng(seed))


def nothing(place: int, rows_M) -> list[str]:
    return ["[]"] * len(rows_M)


@pytest.fixture
def project(llm_settings):
    """The four questions after so many labels of each."""

    def project(answers, labels: int = 0, has_model: bool = False, tasks=TASKS, **own) -> Asked:
        chat = ScriptedChat(answers)
        done, round_ = POOL[:labels], a_context(llm_settings)
        embed = lambda texts: np.array([EMBEDDINGS[text] for text in texts]).reshape(-1, 4)  # noqa: E731
        standings = []
        for place, task in enumerate(tasks):
            classes = [task.label_set.labels.index(SAID[task.control](text.text)) for text in done]
            targets = Targets(
                tuple(text.task_id for text in done),
                tuple(text.text for text in done),
                np.eye(len(task.label_set.labels), dtype=np.float32)[classes],
                task.label_set,
            )
            synced = Synced(
                a_project(title="Films"),
                task,
                llm_settings.for_project(own),
                targets,
                POOL[labels:],
                "",
                place=place,
                questions=len(tasks),
            )
            llm = LLMContext(round_.of_question(place), synced, has_model, embed, lambda: [chat])
            standings.append(Standing(llm, InUse(), leads=not place))
        return Asked(standings, chat)

    return project


def test_every_question_gets_its_own_labels_of_the_next_texts(project):
    asked = project(by_question())
    shown = asked.with_llm_labels(explore=[1]).shown
    head = [row for row in range(7) if row != 1]
    for control, labels in zip([task.control for task in TASKS], shown, strict=True):
        wanted = [row for row in head if control != "why" or sentiment(FILMS[row]) == "neg"]
        assert labels == {100 + row: (SAID[control](FILMS[row]),) for row in wanted}
    # One prompt a question; the dependent one comes after the question that it depends on.
    assert sorted(asked.questions()) == sorted(SAID)
    assert asked.questions().index("mood") < asked.questions().index("why")


def test_a_prompt_says_the_questions_words_its_labels_and_no_others(project):
    asked = project(by_question())
    asked.with_llm_labels()
    said = {asked_control(messages): messages[0].content for messages in asked.chat.asked}
    assert '"mood": "How does it sound?"' in said["mood"]
    assert '- "good"' in said["mood"]
    assert "number of stars: 1 is the least, 5 the most" in said["stars"]
    assert '- "buy / now"' in said["shelf"]
    assert "path through a tree" in said["shelf"]
    assert not any('"good"' in prompt for control, prompt in said.items() if control != "mood")


@pytest.mark.parametrize("wrong", ["6", "0", "4.5", "many", "four"])
def test_an_answer_that_is_no_number_of_stars_is_left_out(project, wrong):
    says = {**SAID, "stars": lambda text: wrong if text == FILMS[0] else "3"}
    asked = project(by_question(says))
    stars = asked.with_llm_labels().shown[2]
    assert stars == {100 + row: ("3",) for row in range(1, 6)}


def test_a_path_that_the_tree_does_not_have_is_left_out(project):
    says = {**SAID, "shelf": lambda text: "buy / never" if text == FILMS[0] else "Buy / NOW"}
    shelf = project(by_question(says)).with_llm_labels().shown[3]
    assert shelf == {100 + row: ("buy / now",) for row in range(1, 6)}


def test_a_question_is_not_asked_where_people_or_the_classifier_answered_that_it_is_not(project):
    """Nobody asks an LLM why a film is bad that is good, by people's word, else by what is preselected."""
    asked = project(by_question(), has_model=True)
    why = replace(asked.of("why").llm, has_model=False)
    asked.standings[0] = replace(asked.standings[0], llm=why)
    mood = asked.of("mood")
    said = Targets((100,), (FILMS[0],), np.array([[0.0, 1.0]], dtype=np.float32), mood.synced.task.label_set)
    asked.standings[1] = replace(mood, llm=replace(mood.llm, synced=replace(mood.synced, targets=said)))

    def predict(place: int, rows_M) -> list[str]:
        """By the classifier, the fourth film is bad, and the first is good, which people contradict."""
        is_mood = TASKS[place].control == "mood"
        return [TASKS[place].label_result(["bad" if row == 3 else "good"]) if is_mood else "[]" for row in rows_M]

    shown = asked.with_llm_labels(predict).shown[0]
    assert shown == {100: (SAID["why"](FILMS[0]),), 103: (SAID["why"](FILMS[3]),)}
    assert asked.questions() == ["why"]
    assert sorted(shown_texts(asked.chat.asked[0]).values()) == sorted([FILMS[0], FILMS[3]])


def test_questions_in_a_ring_or_without_conditions_keep_their_order():
    two = TASKS[1:3]
    assert by_dependency(two) == [0, 1]
    assert by_dependency(TASKS).index(1) < by_dependency(TASKS).index(0)
    condition = TASKS[0].conditions[0]
    ring = [
        replace(task, conditions=(replace(condition, control=other.control),))
        for task, other in zip(two, two[::-1], strict=True)
    ]
    assert by_dependency(ring) == [0, 1]


def routed(project, unsure=lambda control, text: control == "stars" and text.startswith("plot"), **own):
    """Eight labels and a model version of each question; the LLM contradicts itself about the stars of plots."""
    asked = project(by_question(unsure=unsure), labels=8, has_model=True, **{"llm_labels": "route", **own})
    return asked, asked.with_llm_labels()


def test_texts_come_first_for_which_the_llm_is_unsure_of_any_question_and_the_reason_names_it(project):
    asked, labelled = routed(project)
    pool, reasons = asked.standings[0].synced.pool, labelled.order.reasons_N[:12]
    first_sure = next(place for place, reason in enumerate(reasons) if reason.startswith(SURE))
    assert not any(reason.startswith(UNSURE) for reason in reasons[first_sure:])
    for place, reason in enumerate(reasons):
        if pool[labelled.order.rows_N[place]].text.startswith("plot"):
            assert reason.startswith(f"{UNSURE} of stars; margin")
    assert sorted(labelled.order.rows_N.tolist()) == list(range(32))


def test_a_text_is_checked_for_all_questions_at_once_and_each_counts_its_own_checks(project):
    asked, labelled = routed(project)
    pool = {text.task_id: text.text for text in asked.standings[0].synced.pool}
    assert labelled.blind
    assert all(not labelled.blind & shown.keys() for shown in labelled.shown)
    people = {
        control: replace(asked.of(control).synced, targets=truth(asked, control, labelled.blind)) for control in SAID
    }
    for control, synced in people.items():
        folder = asked.of(control).context.folder
        stored = stored_labels(folder, control)
        checks = checks_so_far(folder, synced, LLM)
        mine = [id_ for id_ in labelled.blind if control != "why" or sentiment(pool[id_]) == "neg"]
        assert {id_ for id_, label in stored.items() if label.is_check} == set(mine)
        # People give one star throughout, and agree with the LLM on the rest.
        assert (checks.agreed, checks.disagreed) == ((0, len(mine)) if control == "stars" else (len(mine), 0))
    assert asked.of("stars").context.folder.path != asked.of("mood").context.folder.path


def truth(asked: Asked, control: str, task_ids) -> Targets:
    """People's labels of some tasks: one star throughout, and for the other questions what the LLM says too."""
    synced = asked.of(control).synced
    texts = {text.task_id: text.text for text in synced.pool if text.task_id in task_ids}
    labels = synced.task.label_set.labels
    given = [labels.index("1" if control == "stars" else SAID[control](text)) for text in texts.values()]
    rows_N_C = np.eye(len(labels), dtype=np.float32)[given].reshape(-1, len(labels))
    return Targets(tuple(texts), tuple(texts.values()), rows_N_C, synced.task.label_set)


def test_people_who_contradict_the_llm_on_one_question_end_its_labels_for_that_question_alone(project):
    asked = project(by_question(), labels=12, has_model=True, llm_labels="route")
    stars = asked.of("stars").llm
    wrong = {100 + row: LLMLabel(("3",), True, True, text_digest(FILMS[row]), LLM, "stars") for row in range(12)}
    stars.folder.llm_labels.write(wrong)
    assert checks_so_far(stars.folder, stars.synced, LLM).is_paused
    labelled = asked.with_llm_labels()
    assert set(asked.questions()) == {"why", "mood", "shelf"}
    assert [bool(shown) for shown in labelled.shown] == [True, True, False, True]


def test_each_question_trains_on_its_own_sure_labels_and_on_none_of_the_checks(project):
    asked, labelled = routed(project)
    for control, says in SAID.items():
        standing = asked.of(control)
        own = standing.synced.settings.model_copy(update={"llm_labels": LLMLabels.TRAIN})
        weak = labels_that_train(standing.context.folder, replace(standing.synced, settings=own), LLM)
        names = weak.label_set.labels
        assert [names[row] for row in weak.targets_N_C.argmax(axis=1)] == [says(text) for text in weak.texts]
        assert not set(weak.task_ids) & labelled.blind
        assert len(weak) == len(labelled.shown[standing.synced.place]) > 0


def test_labels_of_a_question_that_had_the_place_before_are_neither_checks_nor_trained_on(project):
    asked, _ = routed(project)
    mood = asked.of("mood")
    folder, renamed = mood.context.folder, replace(mood.synced.task, control="tone")
    assert stored_labels(folder, "mood")
    assert stored_labels(folder, "tone") == {}
    own = mood.synced.settings.model_copy(update={"llm_labels": LLMLabels.TRAIN})
    weak = labels_that_train(folder, replace(mood.synced, settings=own, task=renamed), LLM)
    assert len(weak) == 0


def test_a_question_whose_prompt_does_not_fit_leaves_the_others_and_the_status_names_it(project):
    def answer(messages):
        if asked_control(messages) == "stars":
            return LLMContextError("it does not fit")
        return by_question()(messages)

    asked = project(answer)
    labelled = asked.with_llm_labels()
    assert set(asked.questions()) == set(SAID)
    assert [bool(shown) for shown in labelled.shown] == [True, True, False, True]
    failure = asked.standings[0].llm.project_folder.llm_failure.read()
    assert failure.failure == "question 'stars': it does not fit"
    assert failure.failure_code == "llm_context"


def test_a_provider_that_is_down_is_asked_for_no_further_question(project):
    asked = project(lambda messages: LLMUnavailableError("down"))
    labelled = asked.with_llm_labels()
    assert len(asked.chat.asked) == 1
    assert labelled.shown == ({}, {}, {}, {})


def test_an_llm_chooses_once_for_the_project_and_hears_which_questions_are_asked(project):
    asked = project(picking(6, SAID["stars"]), ask_for=["stars", "shelf"])
    leading, *others = asked_for(asked.standings)
    assert [standing.synced.task.control for standing in (leading, *others)] == ["stars", "shelf"]
    llm = replace(leading.llm, also=tuple(standing.synced.task for standing in others))
    chosen = choose(llm)
    said = "\n".join(message.content for message in asked.chat.asked[0])
    assert 'Question that annotators answer: "stars"' in said
    assert 'Other questions that they answer about each text: "shelf"' in said
    assert "mood" not in said
    # The choice is the project's, and leads the order by the other questions as well.
    assert llm.project_folder.selection.read() == chosen
    assert llm.folder.selection.read() is None
    assert chosen_for(others[0].llm, chosen) == chosen
    assert chosen_for(replace(others[0].llm, has_model=True, synced=after_a_batch(others[0])), chosen) is None


def after_a_batch(standing: Standing) -> Synced:
    label_set = standing.synced.task.label_set
    shares_N_C = np.eye(len(label_set.labels), dtype=np.float32)[np.zeros(6, dtype=int)]
    targets = Targets(tuple(range(6)), FILMS[:6], shares_N_C, label_set)
    return replace(standing.synced, targets=targets)


def test_labels_that_the_llm_expects_of_its_picks_answer_the_question_that_it_was_asked_for_alone(project):
    asked = project(by_question())
    picks = tuple(Picked(100 + row, "good", 3, 3) for row in range(2))
    chosen = Selection("activellm", LLM, 1.0, picks)
    asked.standings[:] = [
        replace(standing, selection=chosen, leads=standing.synced.task.control == "mood")
        for standing in asked.standings
    ]
    shown = asked.with_llm_labels().shown
    assert {shown[1][100], shown[1][101]} == {("good",)}
    assert all(labels.get(100) != ("good",) for place, labels in enumerate(shown) if place != 1)


def test_while_an_llm_chooses_nothing_is_routed(project):
    asked = project(by_question(), labels=5, has_model=True, llm_labels="route")
    labelled = asked.with_llm_labels()
    assert labelled.order.rows_N.tolist() == list(range(35))
    assert asked.chat.asked == []
    assert not any(reason.startswith((SURE, CHECKED, UNSURE)) for reason in labelled.order.reasons_N)


def test_answers_that_hide_a_question_hide_those_that_depend_on_it_too(project):
    """`why` is asked if mood is bad, and `stars` here if `why` is answered: of good films neither is asked."""
    why, mood, stars, shelf = TASKS
    chain = (why, mood, replace(stars, conditions=(replace(why.conditions[0], control="why", values=()),)), shelf)
    asked = project(by_question(), tasks=chain)
    shown = asked.with_llm_labels().shown
    bad = {100 + row for row in range(6) if sentiment(FILMS[row]) == "neg"}
    assert set(shown[0]) == set(shown[2]) == bad
    assert set(shown[1]) == {100 + row for row in range(6)}


def test_the_llm_answers_what_somebody_looked_for_first_and_copies_last(project):
    asked = project(by_question(), query_size=4, cold_start="random", explore=0.0)
    # Tasks 1 to 20 have the texts of 100 to 119.
    copies = tuple(PoolText(1 + row, text) for row, text in enumerate(FILMS[:20]))
    pool = (*copies, *POOL)
    standings = [
        replace(standing, llm=replace(standing.llm, synced=replace(standing.synced, pool=pool)))
        for standing in asked.standings
    ]
    standings[0].context.folder.wish.write(Wish(5.0, "find: cast", (139, 138)))
    places = make_order(standings, 1).places
    served = places.task_ids_N.tolist()
    assert served[:2] == [139, 138]
    assert places.reasons_N[:2] == ("find: cast", "find: cast")
    assert set(served[40:]) == set(range(100, 120))
    assert {text for messages in asked.chat.asked for text in shown_texts(messages).values()} == {
        text.text for text in pool if text.task_id in served[:4]
    }
    assert all(result != "[]" for result in places.results_N[:4])
