from contextlib import nullcontext

import pytest
import torch

from model.encoder.torch_runtime import part_lanes
from model.encoder.torch_runtime.part_lanes import PartLanes, one_thread
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder

TEXTS = ["good", "bad film", "the good plot", "a poor film with a bad plot", "great", "awful cast"]


@pytest.fixture
def body(encoder):
    return load_torch_encoder(encoder).body


@pytest.fixture
def in_fp32(monkeypatch):
    """Sums of bf16 numbers depend on how a batch is cut, on processors that train in bf16."""
    monkeypatch.setattr(part_lanes, "mixed_precision", lambda device: nullcontext())


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def gradients(body) -> list[torch.Tensor]:
    return [weight.grad.clone() for weight in body.module.parameters() if weight.grad is not None]


@pytest.mark.usefixtures("in_fp32")
def test_parts_on_lanes_give_the_gradients_of_the_whole_batch(body, threads):
    token_ids = body.tokenize(TEXTS)
    whole_B_D = torch.cat([body.embed(body.pad([ids])) for ids in token_ids])
    whole_B_D.square().sum().backward()
    expected = gradients(body)
    body.module.zero_grad()

    lanes = PartLanes(body)
    embeddings_B_D = lanes.embed([token_ids[:2], token_ids[2:4], token_ids[4:]])
    embeddings_B_D.square().sum().backward()
    lanes.backward(embeddings_B_D)

    torch.testing.assert_close(embeddings_B_D.detach(), whole_B_D.detach())
    torch.testing.assert_close(gradients(body), expected)


def test_the_number_of_threads_does_not_change_a_bit(body):
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        body.module.zero_grad()
        lanes = PartLanes(body)
        embeddings_B_D = lanes.embed([body.tokenize(TEXTS[:3]), body.tokenize(TEXTS[3:])])
        embeddings_B_D.square().sum().backward()
        lanes.backward(embeddings_B_D)
        found.append(gradients(body))
    torch.set_num_threads(1)
    assert all((one == other).all() for others in found[1:] for one, other in zip(found[0], others, strict=True))


@pytest.mark.usefixtures("in_fp32")
def test_a_step_of_the_module_is_a_step_of_all_copies(body):
    lanes = PartLanes(body)
    parts = [body.tokenize(TEXTS[:3]), body.tokenize(TEXTS[3:])]
    before_B_D = lanes.embed(parts)
    with torch.no_grad():
        for weight in body.module.parameters():
            weight.mul_(1.5)
    after_B_D = lanes.embed(parts)
    alone_B_D = torch.cat([body.embed(body.pad(part)) for part in parts])
    assert not torch.allclose(after_B_D, before_B_D)
    torch.testing.assert_close(after_B_D.detach(), alone_B_D.detach())


def test_frozen_weights_stay_without_gradients(body):
    body.module.get_input_embeddings().requires_grad_(False)
    lanes = PartLanes(body)
    embeddings_B_D = lanes.embed([body.tokenize(TEXTS[:3]), body.tokenize(TEXTS[3:])])
    embeddings_B_D.sum().backward()
    lanes.backward(embeddings_B_D)
    assert body.module.get_input_embeddings().weight.grad is None


def test_one_thread_is_for_a_while(threads):
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
