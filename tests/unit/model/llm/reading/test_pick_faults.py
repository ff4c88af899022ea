import numpy as np
import pytest

from model.llm.reading.pick_faults import find_faults, is_degenerate


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        pytest.param((3, 17, 20, 4), (), id="none"),
        pytest.param((3, 17, 20, 4, 55), ("5 different texts, too many: choose exactly 4",), id="too many"),
        pytest.param((3, 17), ("2 different texts, too few: choose exactly 4",), id="too few"),
        pytest.param((3, 17, 20, 4, 3), ("more than once: 3.",), id="repeated"),
        pytest.param(
            (3, 17, 20, 200), ("No text has these numbers: 200. The texts are numbered from 0 to 199",), id="beyond"
        ),
        pytest.param((3, 17, 20, 99), ("Already labeled, so that they teach nothing new: 99",), id="labelled"),
        pytest.param((0, 1, 2, 3), ("counted off in equal steps",), id="degenerate"),
        pytest.param((5, 5), ("too few", "more than once"), id="several"),
    ],
)
def test_faults_are_said_in_sentences(numbers, told):
    faults = find_faults(numbers, 4, 200, already={99})
    assert len(faults) == len(told)
    assert all(words in fault for words, fault in zip(told, faults, strict=True))


def test_many_wrong_numbers_are_not_all_named():
    [fault] = find_faults(range(300, 395, 3), 32, 200)[:1]
    assert fault.startswith("No text has these numbers: 300, 303")
    assert "and 22 more" in fault


def test_nearly_all_texts_are_no_fault():
    assert find_faults(range(9), 9, 10) == ()


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(range(32), id="0 to 31"),
        pytest.param(range(5, 165, 5), id="every fifth"),
        pytest.param((3, 2, 1, 0), id="downwards"),
        pytest.param([*range(16, 32), *range(16)], id="in two halves"),
        pytest.param([*range(0, 101, 5), *range(3, 99, 5)], id="every fifth, twice"),
        pytest.param([*range(1, 8), *range(9, 34)], id="one left out"),
        pytest.param((7, 7, 7, 7), id="the same again and again"),
    ],
)
def test_numbers_that_are_counted_off_are_degenerate(numbers):
    assert is_degenerate(tuple(numbers))


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((), id="none"),
        pytest.param((0, 1, 2), id="three"),
        pytest.param((0, 1, 2, 3, 5), id="four and another"),
        pytest.param((0, 1, 3, 5, 7, 9, 11, 14, 17, 20, 23, 27, 30, 34, 37, 41), id="uneven"),
        pytest.param((1, 5, 8, 12, 15, 18, 23, 25, 27, 30, 32, 35, 38, 40, 42, 44), id="nearly even"),
    ],
)
def test_uneven_numbers_and_very_few_are_not_degenerate(numbers):
    assert not is_degenerate(numbers)


def test_hardly_any_choice_by_chance_is_taken_for_counted_off():
    rng = np.random.default_rng(0)
    drawn = [sorted(rng.choice(50, 32, replace=False).tolist()) for _ in range(300)]
    assert sum(map(is_degenerate, drawn)) < 0.03 * len(drawn)
