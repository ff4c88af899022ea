import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.encoder.processor import (
    available_cores,
    is_bf16_native,
    mixed_precision,
    never_more_than_available_cores,
    use_available_cores,
)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_torch_gets_the_cores_that_the_process_was_given():
    use_available_cores()
    assert torch.get_num_threads() == available_cores()
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_more_threads_than_cores_are_taken_away_and_fewer_are_left():
    torch.set_num_threads(available_cores() + 3)
    never_more_than_available_cores()
    assert torch.get_num_threads() == available_cores()
    torch.set_num_threads(1)
    never_more_than_available_cores()
    assert torch.get_num_threads() == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_process_that_was_given_one_core_counts_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from model.encoder.processor import available_cores; print(available_cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [b"1"]


@pytest.mark.parametrize(("is_native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_half_precision_multiplies_where_it_is_native_and_nowhere_else(monkeypatch, is_native, dtype):
    monkeypatch.setattr("model.encoder.processor.is_bf16_native", lambda _: is_native)
    with mixed_precision(torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == dtype


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the CPU's flags are known on Linux alone")
def test_torch_finds_the_same_bf16_instructions_in_the_processor():
    has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    assert is_bf16_native(torch.device("cpu")) == has_instructions
