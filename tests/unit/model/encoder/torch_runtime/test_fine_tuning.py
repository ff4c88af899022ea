from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from model.encoder.classifier import TextClassifier, new_classifier
from model.encoder.encoder import FineTuned
from model.encoder.stages import Objective, Stage, Steps
from model.encoder.torch_runtime.fine_tuning import freeze, shuffled_batches
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder
from model.errors import TrainingCancelledError, TrainingDivergedError
from model.types import Targets
from tests.fakes import BLAME, PRAISE, SENTIMENT, tiny_encoder

TARGETS = Targets(tuple(range(100, 108)), (*BLAME, *PRAISE), np.eye(2, dtype=np.float32)[[0] * 4 + [1] * 4], SENTIMENT)
STAGE = Stage(
    objective=Objective.LABELS,
    steps=12,
    max_tokens=64,
    seed=0,
    batch_size=4,
    encoder_lr=1e-3,
    head_lr=1e-2,
    frozen_share=0.0,
    weight_decay=0.01,
    warmup_share=0.1,
    max_gradient_norm=1.0,
)


@pytest.fixture
def classifier(encoder):
    torch.manual_seed(0)
    return new_classifier(encoder, SENTIMENT)


def tuned(classifier, stage=STAGE, targets=TARGETS, on_loss=lambda loss: None, should_stop=lambda: False) -> FineTuned:
    steps = Steps(stage.steps, lambda step, total, loss: on_loss(loss), should_stop)
    return classifier.encoder.fine_tune(classifier.head, targets, stage, steps)


def weights_of(classifier: TextClassifier) -> torch.Tensor:
    module = classifier.encoder.body.module
    return parameters_to_vector([*module.parameters(), *classifier.head.parameters()]).detach().clone()


@pytest.mark.parametrize("objective", Objective)
def test_the_loss_falls(classifier, objective):
    losses = []
    last = tuned(classifier, replace(STAGE, objective=objective, steps=40, batch_size=8), on_loss=losses.append)
    assert len(losses) == 40
    assert losses[-1] == last.loss < 0.7 * losses[0]


def test_steps_of_several_runs_are_counted_together(classifier):
    heard = []
    steps = Steps(5, lambda *step: heard.append(step), lambda: False)
    losses = [
        classifier.encoder.fine_tune(classifier.head, TARGETS, replace(STAGE, steps=count), steps).loss
        for count in (2, 3)
    ]
    assert [(step, total) for step, total, _ in heard] == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert [heard[1][2], heard[4][2]] == losses


def test_pairs_leave_the_head_alone(classifier):
    after = tuned(classifier, replace(STAGE, objective=Objective.PAIRS))
    assert (after.head.weight == classifier.head.weight).all()


def test_the_start_stays_as_it_was(classifier):
    weights = weights_of(classifier)
    after = tuned(classifier)
    assert (weights_of(classifier) == weights).all()
    assert (weights_of(TextClassifier(after.encoder, after.head, classifier.config)) != weights).any()


def test_two_runs_from_the_same_start_end_alike(encoder):
    ends = []
    for _ in range(2):
        torch.manual_seed(0)
        classifier = new_classifier(encoder, SENTIMENT)
        after = tuned(classifier)
        ends.append(weights_of(TextClassifier(after.encoder, after.head, classifier.config)))
    assert (ends[0] == ends[1]).all()


def test_what_is_frozen_stays_and_what_is_above_moves(tmp_path):
    torch.manual_seed(0)
    classifier = new_classifier(tiny_encoder(tmp_path / "deep", layers=3), SENTIMENT)
    before, after = classifier.encoder.body, tuned(classifier, replace(STAGE, frozen_share=1 / 3)).encoder.body
    moved = [
        bool((parameters_to_vector(new.parameters()) != parameters_to_vector(old.parameters())).any())
        for new, old in zip(after.layers(), before.layers(), strict=True)
    ]
    assert moved == [False, True, True]
    words, same_words = (body.module.get_input_embeddings().weight for body in (before, after))
    assert (words == same_words).all()


def test_a_share_of_nothing_frees_everything_again(encoder):
    body = load_torch_encoder(encoder).body
    freeze(body, 0.9)
    assert not all(part.requires_grad for part in body.module.parameters())
    freeze(body, 0.0)
    assert all(part.requires_grad for part in body.module.parameters())


def test_it_ends_before_the_step_at_which_it_is_told_to(classifier):
    losses = []
    with pytest.raises(TrainingCancelledError):
        tuned(classifier, on_loss=losses.append, should_stop=lambda: len(losses) == 5)
    assert len(losses) == 5


def test_a_loss_that_is_no_number_names_the_tasks_that_it_came_from(classifier):
    damaged_N_C = TARGETS.targets_N_C.copy()
    damaged_N_C[6] = np.nan
    with pytest.raises(TrainingDivergedError, match=r"at task 106:"):
        tuned(classifier, targets=replace(TARGETS, targets_N_C=damaged_N_C))


def test_where_every_task_is_hit_five_are_named(classifier):
    with torch.no_grad():
        classifier.head.weight.fill_(float("nan"))
    with pytest.raises(TrainingDivergedError, match=r"at task 100, 101, 102, 103, 104 and others:"):
        tuned(classifier, replace(STAGE, batch_size=8))


def test_of_long_texts_no_more_is_read_than_asked_for(classifier):
    seen = []
    long = replace(TARGETS, texts=("good " * 20,) * 8)
    # A copy of the module keeps its hooks.
    hook = classifier.encoder.body.module.register_forward_pre_hook(
        lambda _, args, given: seen.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    tuned(classifier, replace(STAGE, max_tokens=10), long)
    hook.remove()
    assert set(seen) == {10}


def test_every_text_comes_once_a_pass():
    stage = replace(STAGE, steps=6, batch_size=4)
    passes = np.array(list(shuffled_batches(12, stage))).reshape(2, 12)
    assert [sorted(rows) for rows in passes.tolist()] == [list(range(12))] * 2
    assert passes[0].tolist() != passes[1].tolist()


def test_fewer_texts_than_a_batch_make_batches_of_all_of_them():
    batches = list(shuffled_batches(3, replace(STAGE, steps=4, batch_size=16)))
    assert len(batches) == 4
    assert all(set(batch) == {0, 1, 2} for batch in batches)


def test_a_text_that_weighs_more_comes_more_often():
    stage = replace(STAGE, steps=300, batch_size=2)
    weights_N = np.array([4.0, 1.0, 1.0, 1.0, 1.0], dtype=np.float32)
    drawn = np.concatenate(list(shuffled_batches(5, stage, weights_N)))
    comes_N = np.bincount(drawn, minlength=5) / len(drawn)
    assert comes_N[0] > 1.5 * comes_N[1:].max()
    assert comes_N.min() > 0.1


def test_texts_that_all_weigh_the_same_come_once_a_pass():
    stage = replace(STAGE, steps=3, batch_size=4)
    drawn = np.concatenate(list(shuffled_batches(12, stage, np.full(12, 0.5, dtype=np.float32))))
    assert sorted(drawn.tolist()) == list(range(12))
