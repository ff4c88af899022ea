import numpy as np
import pytest

from model.encoder.classifier import new_classifier
from model.encoder.inference import score_texts
from model.learner.evaluation import evaluate
from model.links import ANY_OF, ONE_OF
from model.tasks.classification.task import Classification
from model.tasks.label_names import Meaning
from model.types import LabelSet, Targets

TEXTS = ("good film", "bad plot", "dull cast")


def question(is_multilabel: bool = False, **different) -> Classification:
    return Classification("topic", "text", (), LabelSet(("plot", "cast"), is_multilabel), **different)


def targets(*shares, is_multilabel: bool = False) -> Targets:
    label_set = question(is_multilabel).label_set
    return Targets(tuple(range(len(shares))), TEXTS[: len(shares)], np.array(shares, dtype=np.float32), label_set)


@pytest.mark.parametrize(("is_multilabel", "link"), [(False, ONE_OF), (True, ANY_OF)])
def test_a_question_answers_in_its_units_and_measures_its_answers(encoder, is_multilabel, link):
    task = question(is_multilabel)
    classifier = new_classifier(encoder, task.label_set)
    scored = score_texts(classifier, TEXTS)
    answers = task.predict(classifier, scored.embeddings_N_D)
    assert answers.proba_U_C.tolist() == link.answers(scored.proba_N_C).proba_U_C.tolist()
    said = targets([1, 0], [0, 1], [1, 0], is_multilabel=is_multilabel)
    assert task.measure(scored.proba_N_C, said.targets_N_C) == evaluate(scored.proba_N_C, said.targets_N_C, link)


def test_labels_of_one_class_teach_only_where_a_class_can_be_absent():
    assert not question().can_teach(targets([1, 0], [1, 0]))
    assert question().can_teach(targets([1, 0], [0, 1]))
    assert question(is_multilabel=True).can_teach(targets([1, 0], [1, 0], is_multilabel=True))
    assert not question(is_multilabel=True).can_teach(targets([0, 0], is_multilabel=True))


def test_a_guess_of_one_label_answers_a_question_of_one_choice_alone():
    assert question().labels_of_guess("cast") == ("cast",)
    assert question().labels_of_guess("unknown") == ()
    assert question(is_multilabel=True).labels_of_guess("cast") == ()


def test_descriptions_of_the_project_come_before_those_of_the_config():
    described = question(meaning=Meaning({"plot": "the story", "cast": "the actors"}))
    assert described.label_texts("", {"cast": "who plays", "plot": " "}) == (("the story",), ("who plays",))
