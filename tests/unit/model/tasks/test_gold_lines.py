import json

import numpy as np
import pytest

from model.simulation.gold import read_answers, read_gold
from model.tasks.classification.task import Classification
from model.tasks.gold_lines import gold_lines
from model.tasks.rating.task import Rating
from model.tasks.task import Task
from model.tasks.taxonomy.task import Taxonomy
from model.types import LabelSet, Targets
from tests.fakes import SENTIMENT

TOPICS = LabelSet(("cast", "film", "plot"), is_multilabel=True)
PATHS = (("pay",), ("pay", "refund"))
SHELF = Taxonomy("shelf", "text", (), LabelSet(("pay", "pay / refund")), PATHS, "taxonomy", may_have_several=False)


def question(label_set: LabelSet = SENTIMENT, control: str = "sentiment") -> Task:
    return Classification(control, "text", (), label_set)


def targets(texts, targets_N_C, label_set=SENTIMENT, task_ids=None) -> Targets:
    ids = tuple(range(len(texts))) if task_ids is None else tuple(task_ids)
    return Targets(ids, tuple(texts), np.array(targets_N_C, dtype=np.float32), label_set)


def lines(*asked: tuple[Task, Targets]) -> list[dict]:
    return [json.loads(line) for line in gold_lines(asked)]


def test_a_text_has_the_label_that_most_gave_it():
    said = targets(["fine film", "bad film"], [[1 / 3, 2 / 3], [1, 0]])
    assert lines((question(), said)) == [
        {"text": "fine film", "label": "pos"},
        {"text": "bad film", "label": "neg"},
    ]


def test_of_several_labels_those_count_that_half_of_the_people_gave():
    said = targets(["a", "b"], [[0.5, 1, 0.25], [0, 0, 0]], TOPICS)
    assert lines((question(TOPICS), said)) == [
        {"text": "a", "labels": ["cast", "film"]},
        {"text": "b", "labels": []},
    ]


def test_a_text_without_words_is_left_out():
    assert lines((question(), targets([" ", "a"], [[1, 0], [0, 1]]))) == [{"text": "a", "label": "pos"}]


def test_stars_are_no_labels_and_have_their_question_even_alone():
    rating = Rating("urgency", "text", (), LabelSet(("1", "2", "3")))
    assert lines((rating, targets(["a"], [[0, 0, 1]], rating.label_set))) == [{"text": "a", "answers": {"urgency": 3}}]


def several() -> list[tuple[Task, Targets]]:
    """Four questions; text 7 answers two of them, text 9 all, and text 8 the last alone."""
    rating = Rating("urgency", "text", (), LabelSet(("1", "2", "3")))
    texts = ["late", "refund, please"]
    return [
        (question(), targets(texts, [[0, 1], [1, 0]], task_ids=(7, 9))),
        (question(TOPICS, "topics"), targets(texts, [[0, 0, 0], [1, 0, 1]], TOPICS, (7, 9))),
        (rating, targets(texts[1:], [[0, 1, 0]], rating.label_set, (9,))),
        (SHELF, targets(["why?", texts[1]], [[1, 0], [0, 1]], SHELF.label_set, (8, 9))),
    ]


def test_several_questions_have_their_answers_by_name_and_a_text_only_those_that_it_got():
    assert lines(*several()) == [
        {"text": "late", "answers": {"sentiment": "pos", "topics": []}},
        {"text": "why?", "answers": {"shelf": "pay"}},
        {
            "text": "refund, please",
            "answers": {"sentiment": "neg", "topics": ["cast", "plot"], "urgency": 2, "shelf": "pay / refund"},
        },
    ]


@pytest.fixture
def written(tmp_path):
    def written(*asked):
        file = tmp_path / "gold.jsonl"
        file.write_text("".join(f"{line}\n" for line in gold_lines(asked)), encoding="utf-8")
        return [file]

    return written


def test_what_is_written_can_be_simulated_on(written):
    said = targets(["schön", "bad\nfilm"], [[0, 1], [1, 0]])
    [gold] = read_gold(written((question(), said)))
    assert gold.texts == said.texts
    np.testing.assert_array_equal(gold.targets_N_C, said.targets_N_C)


def test_several_questions_are_read_back_as_they_were_written(written):
    asked = several()
    # Stars are read up to the most that somebody gave, and labels that somebody gave.
    asked[2] = (
        asked[2][0],
        targets(["late", "refund, please"], [[1, 0, 0], [0, 0, 1]], LabelSet(("1", "2", "3")), (7, 9)),
    )
    [gold] = read_answers(written(*asked))
    assert gold.names == ("sentiment", "topics", "urgency", "shelf")
    assert gold.texts == ("late", "why?", "refund, please")
    sentiment, topics, urgency, shelf = (found.targets for found in gold.questions)
    assert (sentiment.task_ids, shelf.task_ids) == ((0, 2), (1, 2))
    assert (topics.label_set, topics.targets_N_C.tolist()) == (LabelSet(("cast", "plot"), True), [[0, 0], [1, 1]])
    assert (urgency.label_set.labels, urgency.targets_N_C.argmax(axis=1).tolist()) == (("1", "2", "3"), [0, 2])
    assert shelf.label_set == SHELF.label_set
