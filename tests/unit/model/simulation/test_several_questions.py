"""Simulations of several questions about the same texts."""

from dataclasses import replace

import numpy as np
import pytest

from model.errors import InvalidGoldError
from model.learner.recipes import TrainingConfig
from model.query.strategies import STRATEGIES
from model.simulation.gold import Form, Gold, GoldQuestion, one_question
from model.simulation.learning_curves import FULL_POOL
from model.simulation.setup import Setup, fingerprint, usable
from model.simulation.simulate import Simulation, key_of, simulate
from model.types import LabelSet, Targets
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT

TEXTS = tuple(f"{noun} {word} {other}" for noun in NEUTRAL for word in (*PRAISE, *BLAME) for other in NEUTRAL[:2])
STARS, SUBJECTS = LabelSet(("1", "2", "3")), LabelSet(("film", "plot"), is_multilabel=True)
RANDOM, MARGIN = STRATEGIES["random"], STRATEGIES["margin"]


def answered(name: str, form: Form, label_set: LabelSet, answers: dict[int, list[str]]) -> GoldQuestion:
    """A question, with the labels of each text that answers it, by the text's row."""
    targets_N_C = np.array([[label in given for label in label_set.labels] for given in answers.values()], np.float32)
    texts = tuple(TEXTS[row] for row in answers)
    return GoldQuestion(name, form, Targets(tuple(answers), texts, targets_N_C, label_set))


def is_praise(text: str) -> bool:
    return any(word in text for word in PRAISE)


def three_kinds(texts=TEXTS) -> Gold:
    """A mood for every text, one to three stars for every second, and for every text the things that it names."""
    rows = range(len(texts))
    mood = {row: ["pos" if is_praise(texts[row]) else "neg"] for row in rows}
    stars = {row: ["3" if is_praise(texts[row]) else "1"] for row in rows if row % 2}
    subjects = {row: [word for word in SUBJECTS.labels if word in texts[row]] for row in rows}
    return Gold(
        tuple(texts),
        (
            answered("mood", Form.CHOICE, SENTIMENT, mood),
            answered("stars", Form.STARS, STARS, stars),
            answered("subjects", Form.CHOICES, SUBJECTS, subjects),
        ),
    )


@pytest.fixture
def setup(encoder) -> Setup:
    return Setup(three_kinds(), None, TrainingConfig(recipe="head", encoder=encoder))


def test_every_question_has_its_points_and_stars_have_their_error(setup):
    points = list(Simulation(setup, 0).run(MARGIN, [8, 32]))
    assert [(point.labels, point.question) for point in points] == [
        (labels, name) for labels in (8, 32) for name in ("mood", "stars", "subjects")
    ]
    last = {point.question: point for point in points[3:]}
    assert last["mood"].accuracy > 0.8
    assert last["stars"].accuracy > 0.6
    assert last["stars"].mae < 0.8
    assert last["mood"].mae is last["subjects"].mae is None
    assert list(last["stars"].line())[-2:] == ["question", "mae"]


def test_a_text_costs_one_label_and_teaches_the_questions_that_it_answers(setup):
    simulation = Simulation(setup, 0)
    state = simulation.train(np.arange(12))
    answers = [sum(row in question.targets.task_ids for row in range(12)) for question in simulation.pool.questions]
    assert [len(standing.labelled) for standing in state.standings] == answers
    assert answers[0] == answers[2] == 12 > answers[1]
    points = list(simulation.run(RANDOM, [12]))
    assert {point.labels for point in points} == {12}


def test_the_orders_of_the_questions_take_turns_or_those_of_ask_for_alone(setup):
    """Texts are chosen as mood and subjects want them, and as each of these wants them alone."""

    def choice(*ask_for: str) -> list[int]:
        simulation = Simulation(replace(setup, ask_for=ask_for), 0)
        state = simulation.train(np.arange(20))
        return simulation._choose(MARGIN, state, 8, np.random.default_rng(0)).tolist()

    by_both, by_mood, by_subjects = choice("mood", "subjects"), choice("mood"), choice("subjects")
    assert by_mood != by_subjects
    # Each question gives half of the batch.
    assert len(set(by_both) & set(by_mood)) >= 4
    assert len(set(by_both) & set(by_subjects)) >= 4
    assert choice("mood", "stars", "subjects") == choice()


def test_one_named_question_gives_the_figures_of_the_same_question_without_a_name(setup, encoder):
    unnamed = one_question(three_kinds().questions[0].targets)
    named = Gold(TEXTS, three_kinds().questions[:1])
    runs = [
        [
            (point.labels, point.accuracy, point.macro_f1)
            for point in Simulation(replace(setup, gold=gold), 1).run(STRATEGIES["hybrid"], [6, 12])
        ]
        for gold in (unnamed, named)
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if not STRATEGIES[name].asks_llm])
def test_every_strategy_chooses_for_several_questions(setup, strategy):
    points = list(Simulation(replace(setup, pool_size=30), 0).run(STRATEGIES[strategy], [6, 12]))
    assert [point.labels for point in points] == [6] * 3 + [12] * 3


def test_an_llm_is_asked_for_each_question_with_the_texts_that_answer_it(setup):
    seen = []

    def ask(askable, batch_size, rng):
        seen.append((askable.labelled.label_set.labels, len(askable.labelled)))
        return np.arange(batch_size)

    list(Simulation(replace(setup, ask_llm=ask), 0).run(STRATEGIES["activellm"], [8, 12]))
    assert [labels for labels, _ in seen] == [SENTIMENT.labels, STARS.labels, SUBJECTS.labels] * 2
    assert [count for _, count in seen[:3]] == [0, 0, 0]
    assert seen[3][1] == seen[5][1] == 8 > seen[4][1]


def test_a_question_of_a_single_labelled_text_waits_and_the_others_are_learned(setup):
    rare = answered("rare", Form.CHOICE, SENTIMENT, {0: ["pos"], 1: ["neg"], 40: ["pos"]})
    gold = Gold(TEXTS, (three_kinds().questions[0], rare))
    test = three_kinds().some(np.arange(1, 40))
    held_out = Gold(test.texts, (test.questions[0], gold.some(np.arange(1, 40)).questions[1]))
    mood, rare_point = Simulation(replace(setup, gold=gold, test=held_out), 0).run_full_pool()
    assert (mood.strategy, mood.fit_s > 0, rare_point.fit_s > 0) == (FULL_POOL, True, True)
    state = Simulation(replace(setup, gold=gold, test=held_out), 0).train(np.zeros(0, dtype=np.int64))
    assert [standing.has_labels for standing in state.standings] == [False, False]


def test_a_curve_that_lacks_the_points_of_one_question_is_run_anew(setup):
    whole = list(simulate(setup, [MARGIN], [6, 12], [0], {}, is_full=True))
    assert len(whole) == 9
    torn = {key_of(point): replace(point, macro_f1=0.123) for point in whole[:5]}
    again = list(simulate(setup, [MARGIN], [6, 12], [0], torn, is_full=True))
    assert [key_of(point) for point in again] == [key_of(point) for point in whole]
    assert [point.macro_f1 == 0.123 for point in again] == [True] * 5 + [False] * 4


def test_questions_and_ask_for_tell_runs_apart(setup):
    runs = [setup, replace(setup, ask_for=("stars",)), replace(setup, gold=Gold(TEXTS, three_kinds().questions[:2]))]
    assert len({str(fingerprint(run, [4])) for run in runs}) == 3
    assert "questions" not in fingerprint(replace(setup, gold=one_question(three_kinds().questions[0].targets)), [4])


def test_ask_for_must_name_questions_of_the_texts(setup):
    assert usable(replace(setup, ask_for=("stars",)), [0]) == (replace(setup, ask_for=("stars",)), ())
    with pytest.raises(InvalidGoldError, match=r"--ask-for 'tone': the texts answer 'mood', 'stars', 'subjects'"):
        usable(replace(setup, ask_for=("tone",)), [0])


def test_a_question_that_cannot_be_learned_or_measured_is_left_out_and_said_why(setup):
    rare = answered("rare", Form.CHOICE, SENTIMENT, {0: ["pos"], 1: ["neg"]})
    always = answered("always", Form.CHOICE, SENTIMENT, {row: ["pos"] for row in range(80)})
    mood = three_kinds().questions[0].some(np.arange(2, 80))
    some = replace(mood, targets=replace(mood.targets, task_ids=tuple(range(2, 80))))
    meanings = ((("good",), ("bad",)), ((), ()), ((), ()))
    gold = Gold(TEXTS, (rare, some, always))
    kept, told = usable(replace(setup, gold=gold, label_texts=meanings), range(5))
    assert (kept.gold.names, kept.label_texts) == (("mood",), (((), ()),))
    # The two texts that answer no question any more are gone.
    assert kept.gold.texts == TEXTS[2:]
    assert kept.gold.questions[0].targets.task_ids == tuple(range(78))
    assert told[0].startswith("'rare' is answered by no held-out text with seed")
    assert told[1] == "'always' needs at least 2 different labels, found ['pos']"
    with pytest.raises(InvalidGoldError, match="--ask-for 'rare': the texts answer 'mood' \\('rare' is answered by no"):
        usable(replace(setup, gold=gold, ask_for=("rare",)), range(5))
    with pytest.raises(InvalidGoldError, match=r"'rare' is answered by no held-out text.*'always' needs at least 2"):
        usable(replace(setup, gold=Gold(TEXTS, (rare, always))), range(5))
