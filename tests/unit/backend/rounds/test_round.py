import shutil
from dataclasses import replace

import numpy as np
import pytest

from backend.rounds.round import fit, order, order_and_publish
from backend.rounds.score import classify_by_names
from backend.rounds.sync import Synced
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.client import SAMPLING
from backend.studio.labeling_config import read_labeling_config
from model.errors import InvalidTargetsError, TrainingCancelledError
from model.types import PoolText, Targets
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT, FakeLabelStudio, FakeTurn, a_project, labeling_config

FILMS = tuple(f"{noun} {word}" for noun in NEUTRAL for word in (*PRAISE, *BLAME))
POOL = tuple(PoolText(id_, text) for id_, text in enumerate(FILMS))


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=4, query_size=5, queue_size=20, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


@pytest.fixture
def synced(settings):
    """The project after so many labels; the labelled texts have left the pool."""

    def synced(labels: int = 0, label_config: str = labeling_config(), **own) -> Synced:
        done = POOL[:labels]
        is_praise = [any(word in text.text for word in PRAISE) for text in done]
        targets = Targets(
            tuple(text.task_id for text in done),
            tuple(text.text for text in done),
            np.eye(2, dtype=np.float32)[np.array(is_praise, dtype=int)],
            SENTIMENT,
        )
        project = a_project(label_config=label_config)
        question = read_labeling_config(label_config)
        return Synced(project, question, settings.for_project(own), targets, POOL[labels:], settings.bert_model)

    return synced


def test_without_enough_labels_nothing_is_trained(settings, folder, synced):
    assert fit(settings, folder, synced(3), FakeTurn()) is None
    assert folder.registry.numbers() == []


def test_a_training_that_is_due_makes_a_version_that_is_not_current_yet(settings, folder, synced, encoder):
    turn = FakeTurn()
    version = fit(settings, folder, synced(8), turn)
    assert (version.number, version.labels, version.recipe, version.encoder) == (1, 8, "head", encoder)
    assert turn.steps == ["training"]
    assert folder.registry.current() is None


def test_a_training_whose_round_was_killed_is_not_done_twice(settings, folder, synced):
    fit(settings, folder, synced(8), FakeTurn())
    again = fit(settings, folder, synced(8), FakeTurn())
    assert again.number == 1
    assert folder.registry.numbers() == [1]


def test_start_training_trains_though_nothing_changed(settings, folder, synced):
    fit(settings, folder, synced(8), FakeTurn())
    assert fit(settings, folder, synced(8), FakeTurn(asked_to_train=True)).number == 2


@pytest.mark.parametrize("labels", [0, 1])
def test_start_training_with_too_few_labels_says_so(settings, folder, synced, labels):
    with pytest.raises(InvalidTargetsError, match="label a few more"):
        fit(settings, folder, synced(labels), FakeTurn(asked_to_train=True))


def test_start_training_with_one_class_alone_trains_and_says_what_that_is_worth(settings, folder, synced):
    version = fit(settings, folder, synced(4), FakeTurn(asked_to_train=True))
    assert version.warnings == ("all 4 labelled texts are 'pos': nothing else can be predicted yet",)


def test_a_training_that_is_cancelled_leaves_no_version(settings, folder, synced):
    with pytest.raises(TrainingCancelledError):
        fit(settings, folder, synced(8, recipe="lp-ft"), FakeTurn(), should_stop=lambda: True)
    assert folder.registry.numbers() == []


def test_a_rolled_back_version_stays_in_use_until_the_next_training(settings, folder, synced):
    for labels in (8, 12):
        folder.registry.point(fit(settings, folder, synced(labels), FakeTurn(asked_to_train=True)).number)
    folder.registry.point(1)
    assert fit(settings, folder, synced(12), FakeTurn()).number == 1
    assert fit(settings, folder, synced(16), FakeTurn()).number == 3


def test_a_version_of_other_labels_is_not_used(settings, folder, synced):
    folder.registry.point(fit(settings, folder, synced(8), FakeTurn()).number)
    renamed = synced(2, labeling_config("negative", "positive"))
    assert fit(settings, folder, renamed, FakeTurn()) is None


def test_before_there_is_a_model_the_order_goes_by_the_encoder(settings, folder, synced):
    turn = FakeTurn()
    publication = order(settings, folder, synced(), None, 1, turn)
    assert sorted(publication.task_ids_N.tolist()) == [text.task_id for text in POOL]
    assert (publication.name, publication.queued, publication.proba_N_C.shape) == ("0.1", 20, (40, 0))
    assert sum("maxherding, pick" in reason for reason in publication.reasons_N) > 0
    assert turn.steps == ["scoring"]


NAMES = (("bad",), ("good",))


def by_names(settings, folder, synced, labels: int = 0, **different):
    """The project, the classifier of its label names, and the order by it."""
    project = replace(synced(labels), label_texts=NAMES, **different)
    named = classify_by_names(settings, folder, project, FakeTurn())
    return named, order(settings, folder, project, None, 1, FakeTurn(), named=named)


def test_label_names_order_the_pool_before_anything_is_labelled_and_show_nothing(settings, folder, synced):
    named, publication = by_names(settings, folder, synced)
    assert publication.strategy == "hybrid"
    assert any("margin" in reason for reason in publication.reasons_N)
    assert publication.proba_N_C.shape == (len(POOL), 0)
    assert named.agreement.of == 0


def test_once_people_agreed_with_label_names_their_answers_are_shown(settings, folder, synced):
    few, convinced = (by_names(settings, folder, synced, labels) for labels in (7, 16))
    assert (few[0].agreement.of, few[1].proba_N_C.shape[1]) == (7, 0)
    named, publication = convinced
    assert named.agreement.is_convincing
    said_N = publication.proba_N_C.argmax(axis=1)
    is_praise_N = [any(word in FILMS[task_id] for word in PRAISE) for task_id in publication.task_ids_N]
    assert np.mean(said_N == np.array(is_praise_N, dtype=int)) > 0.8


def test_label_names_that_people_contradict_are_not_shown(settings, folder, synced):
    flipped = replace(synced(16).targets, targets_N_C=1 - synced(16).targets.targets_N_C)
    named, publication = by_names(settings, folder, synced, 16, targets=flipped)
    assert not named.agreement.is_convincing
    assert publication.proba_N_C.shape[1] == 0


def test_names_that_say_nothing_are_no_classifier(settings, folder, synced):
    assert classify_by_names(settings, folder, replace(synced(), label_texts=((), ())), FakeTurn()) is None


def test_a_label_orders_the_queue_anew_at_once_where_label_names_decide(settings, folder, synced):
    client = FakeLabelStudio()
    names = []
    for labels in (0, 1):
        project = replace(synced(labels), label_texts=NAMES)
        named = classify_by_names(settings, folder, project, FakeTurn())
        publication = order_and_publish(settings, folder, client, project, None, FakeTurn(), named=named)
        names.append((publication.name, publication.is_live))
    assert names == [("0.1", False), ("0.2", True)]


def test_a_version_remembers_what_its_labels_meant(settings, folder, synced):
    version = fit(settings, folder, replace(synced(8), label_texts=NAMES), FakeTurn())
    assert version.label_texts == NAMES
    assert version.trust.names is True


def test_the_encoder_reads_every_text_once_however_often_it_is_ordered(settings, folder, synced):
    order(settings, folder, synced(), None, 1, FakeTurn())
    later = FakeTurn()
    order(settings, folder, synced(3), None, 2, later)
    assert later.done == []


def test_with_a_model_every_text_has_its_own_probabilities(settings, folder, synced):
    project = synced(8)
    version = fit(settings, folder, project, FakeTurn())
    publication = order(settings, folder, project, version, 3, FakeTurn())
    assert publication.name == "1.3"
    for task_id, proba_C in zip(publication.task_ids_N, publication.proba_N_C, strict=True):
        assert SENTIMENT.labels[proba_C.argmax()] == ("pos" if FILMS[task_id].split()[1] in PRAISE else "neg")


def test_the_same_round_run_again_makes_the_same_order(settings, folder, synced):
    first, again, later = (order(settings, folder, synced(), None, number, FakeTurn()) for number in (1, 1, 2))
    assert first.task_ids_N.tolist() == again.task_ids_N.tolist() != later.task_ids_N.tolist()


def trained_and_published(settings, folder, client, synced, labels: int = 8):
    """A model of the first labels, in use, with its order."""
    project = synced(labels)
    version = fit(settings, folder, project, FakeTurn())
    publication = order_and_publish(settings, folder, client, project, version, FakeTurn())
    folder.registry.point(version.number)
    return publication


def test_a_label_orders_the_queue_anew_at_once_without_a_training(settings, folder, synced):
    client = FakeLabelStudio()
    before = trained_and_published(settings, folder, client, synced)
    project = synced(9)
    version = fit(settings, folder, project, FakeTurn())
    publication = order_and_publish(settings, folder, client, project, version, FakeTurn())
    assert (before.name, publication.name, client.current.model_version) == ("1.1", "1.2", "1.2")
    assert (publication.labelled_tasks, publication.is_live, before.is_live) == (9, True, False)
    # Two batches are written, and the whole pool is in order.
    assert [call for call in client.calls if call.startswith("import")] == ["import 20", "import 10"]
    assert len(publication.task_ids_N) == len(POOL) - 9
    assert order_and_publish(settings, folder, client, project, version, FakeTurn()) is None


def test_what_people_just_said_moves_what_is_believed_of_like_texts(settings, folder, synced):
    client = FakeLabelStudio()
    before = trained_and_published(settings, folder, client, synced)
    project = synced(11)
    # Somebody says the opposite of what was labelled so far.
    flipped = replace(project.targets, targets_N_C=1 - project.targets.targets_N_C)
    version = folder.registry.find(1)
    after = order(settings, folder, replace(project, targets=flipped), version, 2, FakeTurn())
    both = set(before.places) & set(after.places)
    said = [{task: row.proba_N_C[row.places[task]].argmax() for task in both} for row in (before, after)]
    assert sum(said[0][task] != said[1][task] for task in both) > len(both) / 2


def test_texts_that_were_read_once_are_not_read_for_a_label(settings, folder, synced):
    trained_and_published(settings, folder, FakeLabelStudio(), synced)
    turn = FakeTurn()
    order(settings, folder, synced(9), folder.registry.find(1), 2, turn)
    assert turn.done == []


def test_a_version_that_was_rolled_back_to_orders_as_it_was_trained(settings, folder, synced):
    for labels in (8, 12):
        fit(settings, folder, synced(labels), FakeTurn(asked_to_train=True))
    of_8, again = (order(settings, folder, synced(16), folder.registry.find(1), 3, FakeTurn()) for _ in range(2))
    shutil.rmtree(folder.registry.find(2).folder)
    newest = order(settings, folder, synced(16), folder.registry.find(1), 3, FakeTurn())
    assert (of_8.proba_N_C == again.proba_N_C).all()
    assert not np.allclose(np.sort(of_8.proba_N_C, axis=0), np.sort(newest.proba_N_C, axis=0))


def by_chance(settings, folder, client, synced, **own):
    """A round's second half without an encoder."""
    return order_and_publish(settings, folder, client, synced(cold_start="random", **own), None, FakeTurn())


def test_the_first_round_publishes_and_the_next_has_nothing_to_publish(settings, folder, synced):
    client = FakeLabelStudio()
    assert by_chance(settings, folder, client, synced).name == "0.1"
    project = replace(synced(cold_start="random"), project=client.current)
    assert order_and_publish(settings, folder, client, project, None, FakeTurn()) is None
    assert client.calls == ["import 20", "use 0.1"]
    assert client.current.sampling == SAMPLING


def test_annotators_who_were_switched_away_are_switched_back(settings, folder, synced):
    client = FakeLabelStudio()
    by_chance(settings, folder, client, synced)
    client.calls.clear()
    assert by_chance(settings, folder, client, synced) is None
    assert client.calls == ["use 0.1"]


def test_predictions_that_are_gone_are_published_anew(settings, folder, synced):
    client = FakeLabelStudio()
    by_chance(settings, folder, client, synced)
    client.predictions.clear()
    assert by_chance(settings, folder, client, synced).name == "0.2"


def test_other_settings_publish_a_new_order(settings, folder, synced):
    client = FakeLabelStudio()
    by_chance(settings, folder, client, synced)
    assert by_chance(settings, folder, client, synced, explore=0.3).name == "0.2"


def test_an_exhausted_pool_has_nothing_to_publish(settings, folder, synced):
    client = FakeLabelStudio()
    assert by_chance(settings, folder, client, synced, labels=40) is None
    assert client.calls == []
