import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.errors import NotWaitingError, TurnLostError
from backend.rounds.context import InUse
from backend.rounds.facts import reorders_on_every_label
from backend.rounds.fit import fit as fit_if_due
from backend.rounds.judging.gate import NEW, SEEN, SHARED
from backend.store.waiting import promote, waiting_in, waiting_of
from model.encoder.classifier import new_classifier
from model.learner.recipes import TrainingConfig
from model.learner.training import Start
from model.seals import sealed, unsealed
from model.types import LabelSet, Recipe, TrainingData
from tests.fakes import FakeTurn, a_context
from tests.unit.backend.rounds.judging.conftest import first, labelled, lazily, rightly, synced, wrongly

LAZY_FROM_24 = first(24, lazily)


def decided(folder, on: str):
    """The comparison that the last decision went by."""
    return next(one.paired for one in folder.gate.read().comparisons if one.on == on)


def test_the_first_version_is_used_without_a_comparison(train, folder):
    assert train(24) == 1
    assert folder.gate.read() is None
    assert waiting_of(folder) == []


def test_a_version_that_learned_from_more_labels_takes_the_place_of_the_one_before(train, folder):
    train(24)
    assert train(48) == 2
    decision = folder.gate.read()
    assert (decision.version, decision.against, decision.is_held, decision.reason) == (2, 1, False, "")
    assert decided(folder, SHARED).texts == 24
    assert decided(folder, NEW).texts == 24
    assert waiting_of(folder) == []


def test_a_version_that_lazy_labels_made_clearly_worse_waits(train, look, folder):
    train(24)
    assert train(120, LAZY_FROM_24) == 1
    assert folder.registry.current().number == 1
    (waiting,) = waiting_of(folder)
    assert waiting.version == 2
    shared = decided(folder, SHARED)
    assert shared.is_clearly_worse
    lost = 100 * (shared.worse - shared.better) / 24
    said = f"model version 2 loses {lost:.1f} points on 24 labelled texts that neither had seen: {shared.worse} became"
    assert waiting.decision.reason.startswith(said)
    # A round in which nothing is due goes on with the current one, and decides nothing anew.
    before = folder.gate.read()
    assert look(120, LAZY_FROM_24) == 1
    assert folder.gate.read() == before


def test_while_a_version_waits_every_label_counts_in_the_order_all_the_same(train, folder, settings):
    train(24)
    train(120, LAZY_FROM_24)
    current = folder.registry.current()
    assert reorders_on_every_label(folder, settings.for_project({}), InUse(current))
    folder.registry.point(1)
    assert not reorders_on_every_label(folder, settings.for_project({}), InUse(current))


def test_the_next_training_is_compared_with_the_current_version_and_may_take_its_place(train, folder):
    train(24)
    train(120, LAZY_FROM_24)
    assert train(120) == 3
    assert folder.gate.read().against == 1
    assert waiting_of(folder) == []


def test_a_person_promotes_a_version_that_waits(train, look, folder):
    train(24)
    train(120, LAZY_FROM_24)
    assert promote(folder) == [2]
    assert folder.registry.current().number == 2
    assert waiting_of(folder) == []
    assert look(120, LAZY_FROM_24) == 2


def test_what_does_not_wait_is_not_promoted(train, folder):
    with pytest.raises(NotWaitingError, match="no model version of project 1 waits"):
        promote(folder)
    train(24)
    train(120, LAZY_FROM_24)
    with pytest.raises(NotWaitingError, match=r"version 1 of project 1 does not wait; version 2 does"):
        promote(folder, 1)
    assert promote(folder, 2) == [2]
    with pytest.raises(NotWaitingError):
        promote(folder, 2)


def test_a_rollback_leaves_nothing_waiting(train, folder):
    train(24)
    train(120, LAZY_FROM_24)
    folder.registry.point(1)
    assert waiting_of(folder) == []


def test_a_round_that_is_killed_after_the_training_leaves_the_decision_to_the_next(
    train, look, folder, settings, classifiers
):
    train(24)
    lost = FakeTurn()
    lost.has_lost = True
    project = synced(settings, labelled(120, LAZY_FROM_24))
    with pytest.raises(TurnLostError):
        fit_if_due(a_context(settings, turn=lost, classifiers=classifiers), project, is_due=True)
    assert folder.registry.numbers() == [1, 2]
    assert folder.gate.read() is None
    assert look(120, LAZY_FROM_24) == 1
    assert waiting_in(folder).version == 2


def test_a_lost_decision_is_made_again(train, look, folder):
    train(24)
    train(120, LAZY_FROM_24)
    before = folder.gate.read()
    (folder.path / "gate.json").write_text("no JSON")
    assert waiting_of(folder) == []
    assert look(120, LAZY_FROM_24) == 1
    assert folder.gate.read() == before


def test_labels_that_were_all_changed_hold_nothing_back(train, folder):
    train(48)
    assert train(60, wrongly) == 2
    assert SHARED not in [one.on for one in folder.gate.read().comparisons if one.paired.texts]


def test_people_who_label_otherwise_from_some_day_on_are_told_that_old_and_new_labels_differ(train, folder):
    train(24)
    assert train(120, first(24, wrongly)) == 1
    assert decided(folder, NEW).p_better < 0.01
    said = waiting_in(folder).decision.reason
    assert said.endswith(
        f"it gains {100 * decided(folder, NEW).gain:.1f} points on {NEW}: do people label otherwise now?"
    )


def test_other_labels_hold_nothing_back(train, folder):
    train(24)
    assert train(120, LAZY_FROM_24, LabelSet(("bad", "good"))) == 2
    assert folder.gate.read() is None


def test_a_current_version_of_an_early_release_holds_nothing_back(train, folder):
    train(24)
    manifest = folder.registry.find(1).folder / "manifest.json"
    record = json.loads(unsealed(manifest.read_bytes()))
    del record["sha256"]["held_out.npz"]
    manifest.write_bytes(sealed(json.dumps(record).encode()))
    assert train(120, LAZY_FROM_24) == 2


def test_a_current_version_that_is_damaged_holds_nothing_back(train, folder):
    train(24)
    held_out = folder.registry.find(1).folder / "held_out.npz"
    held_out.write_bytes(held_out.read_bytes()[:-1])
    assert train(120, LAZY_FROM_24) == 2


def test_a_person_who_changed_the_recipe_is_told_that_it_is_worse(train, folder):
    train(24)
    train(120, LAZY_FROM_24, recipe="lp-ft")
    assert waiting_in(folder).decision.reason.count("; RECIPE changed in between") == 1


def test_a_classifier_that_broke_after_its_folds_waits(train, look, folder, settings):
    train(48)
    project = synced(settings, labelled(64))
    config = TrainingConfig(recipe=Recipe.HEAD, encoder=settings.bert_model)
    start = new_classifier(settings.bert_model, project.targets.label_set)
    trained = project.task.fit(
        TrainingData(project.targets), config, Start(start, start.encoder.embed), lambda *_: None, lambda: False
    )
    with torch.no_grad():
        trained.classifier.head.weight.zero_()
        trained.classifier.head.bias.copy_(torch.tensor([9.0, -9.0]))
    folder.registry.write(trained, project.targets, config, project.label_texts, project.task.control)
    assert look(64) == 1
    assert decided(folder, SEEN).is_clearly_worse
    assert not decided(folder, SHARED).is_clearly_worse


def test_versions_that_wait_one_after_another_do_not_fill_the_disk(train, folder):
    train(24)
    for labels in range(100, 200, 10):
        assert train(labels, LAZY_FROM_24) == 1
    assert folder.registry.numbers() == [1, 7, 8, 9, 10, 11]


def test_equally_good_versions_do_not_wait(train, folder):
    numbers = [train(labels) for labels in (24, 40, 56, 72, 96, 128)]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_version_is_compared_on_texts_whose_labels_are_the_same_today(train, look, folder, settings, classifiers):
    train(24)
    lost = FakeTurn()
    lost.has_lost = True
    project = synced(settings, labelled(120, LAZY_FROM_24))
    with pytest.raises(TurnLostError):
        fit_if_due(a_context(settings, turn=lost, classifiers=classifiers), project, is_due=True)
    # Before the next round somebody corrects the first ten labels: they count no more.
    changed = project.targets.targets_N_C.copy()
    changed[:10] = changed[:10, ::-1]
    project = replace(project, targets=replace(project.targets, targets_N_C=changed))
    fit_if_due(a_context(settings, turn=FakeTurn(), classifiers=classifiers), project, is_due=False)
    assert decided(folder, SHARED).texts == 14
    assert np.isclose(decided(folder, NEW).texts, 96)
    assert rightly(0) != bool(changed[0].argmax())
