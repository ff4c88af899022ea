"""The example's ordering hook, as its README uses it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from model.commands.command_line import app
from model.query.ranking import rank
from model.query.strategies import find_strategy
from model.query.unlabelled import Unlabelled

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "ordering-hook"
NAME = "near_duplicates:near_duplicates_last"


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)


def order(unlabelled: Unlabelled) -> list[int]:
    return rank(find_strategy(NAME), unlabelled, 2, np.random.default_rng(0)).indices_N.tolist()


def pool(labelled_L_D=()) -> Unlabelled:
    """Four texts, the most doubtful first; the second is nearly the first, the third and the fourth stand alone."""
    doubt_4 = np.array([0.5, 0.45, 0.4, 0.3])
    embeddings_4_3 = np.array([[1, 0, 0], [0.99, 0.1, 0], [0, 1, 0], [0, 0, 1]])
    labelled_L_D = np.array(labelled_L_D, dtype=float).reshape(-1, 3)
    return Unlabelled(4, np.stack([doubt_4, 1 - doubt_4], axis=1), embeddings_4_3, labelled_L_D)


def test_a_near_duplicate_of_an_earlier_text_comes_last():
    assert order(pool()) == [0, 2, 3, 1]


def test_near_duplicates_of_a_labelled_text_come_last_by_doubt():
    assert order(pool([[2, 0, 0]])) == [2, 3, 0, 1]


def test_only_the_most_doubtful_texts_are_compared_and_the_others_follow_by_doubt():
    sure_1010 = np.linspace(0.5, 0.9, 1010)
    all_alike = np.ones((1010, 3))
    ordered = order(Unlabelled(1010, np.stack([sure_1010, 1 - sure_1010], axis=1), all_alike, all_alike[:0]))
    assert (ordered[0], ordered[1000:]) == (0, list(range(1000, 1010)))


@pytest.mark.parametrize("size", [1, 300])
def test_any_pool_is_put_in_order(size):
    rng = np.random.default_rng(0)
    unlabelled = Unlabelled(size, rng.dirichlet(np.ones(5), size), rng.normal(size=(size, 3)), np.zeros((1, 3)))
    assert sorted(order(unlabelled)) == list(range(size))


def test_the_readmes_simulation_runs(encoder):
    assert NAME in (FOLDER / "README.md").read_text(encoding="utf-8")
    data = FOLDER.parent / "banking8" / "pool.jsonl"
    few = ("--pool", "60", "--budget", "8,16", "--seeds", "0", "--recipe", "head", "--encoder", encoder)
    result = CliRunner().invoke(app, ["simulate", "--data", str(data), "--strategy", NAME, *few])
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["strategy"] for line in result.stdout.splitlines()] == [NAME, NAME]
