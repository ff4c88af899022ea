"""A worker's memory stays flat over many rounds, each with a label, a training and an order of its own."""

import gc
import os
from pathlib import Path

import pytest

from backend.rounds.round import Round
from backend.settings import Settings
from backend.work.classifiers import Classifiers
from tests.fake_tasks import WholeLabelStudio
from tests.fakes import PRAISE, FakeTurn, a_context, chosen
from tests.unit.backend.films import FILMS

STATM = Path("/proc/self/statm")
# Python's and torch's allocators have what they need after so many rounds.
WARM_UP = 8


def memory_mb() -> float:
    gc.collect()
    return int(STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory_after_rounds(settings: Settings, rounds: int) -> list[float]:
    """Run rounds of one worker; the memory after each of them."""
    studio, classifiers = WholeLabelStudio(FILMS), Classifiers(1)
    after = []
    for number in range(rounds):
        task_id = 1 + number % (len(FILMS) - 5)
        is_praise = any(word in FILMS[task_id - 1] for word in PRAISE)
        studio.answer(task_id, chosen("pos" if is_praise else "neg"))
        turn = FakeTurn(changes=1, asked_to_train=number >= 4 and number % 2 == 0)
        Round(a_context(settings, studio, turn, classifiers)).run()
        after.append(memory_mb())
    return after


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=4, query_size=5, queue_size=20, recipe="head")


@pytest.mark.skipif(not STATM.exists(), reason="Linux says how much memory a process has")
@pytest.mark.parametrize("rounds", [16, pytest.param(200, marks=pytest.mark.soak)])
def test_memory_is_flat_over_many_rounds(settings, rounds):
    after = memory_after_rounds(settings, rounds)
    growth_mb = after[-1] - after[WARM_UP]
    assert growth_mb < 15, [round(megabytes) for megabytes in after]
