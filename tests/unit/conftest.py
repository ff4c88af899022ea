"""No unit test asks a model hub, and all share one small encoder."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

from tests.fakes import tiny_encoder


@pytest.fixture(scope="session", autouse=True)
def one_core() -> None:
    """More of them only wait for each other over 16 dimensions, and take them from other processes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> str:
    """The folder of a BERT with 16 dimensions and random weights."""
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))
