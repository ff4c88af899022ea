from dataclasses import replace

import numpy as np
import pytest

from model.errors import HookFailedError, InvalidHookError, UnknownStrategyError
from model.query.hooks import load_hook, returns_order, returns_scores
from model.query.ranking import rank
from model.query.strategies import STRATEGIES, find_start, find_strategy
from model.query.unlabelled import Need, Unlabelled

HOOKS = "tests.ordering_hooks"
TEXTS = ("bb", "a", "dddd", "ccc")


def pool(**features) -> Unlabelled:
    return Unlabelled(4, texts=TEXTS, **features)


def order(hook: str, unlabelled: Unlabelled, **different) -> list[int]:
    return rank(
        find_strategy(f"{HOOKS}:{hook}"), unlabelled, 2, np.random.default_rng(0), **different
    ).indices_N.tolist()


def test_a_hook_that_returns_scores_puts_the_highest_first():
    assert order("longest_first", pool()) == [2, 3, 0, 1]


def test_a_hook_that_returns_an_order_is_followed():
    assert order("alphabetical", pool()) == [1, 0, 3, 2]


def test_a_hook_reads_the_arrays_that_it_needs():
    proba_N_C = np.array([[0.9, 0.1], [0.5, 0.5], [0.6, 0.4], [0.8, 0.2]])
    assert order("doubtful_first", pool(proba_N_C=proba_N_C)) == [1, 2, 3, 0]
    assert order("far_first", pool(embeddings_N_D=np.array([[1.0], [4.0], [2.0], [3.0]]))) == [1, 3, 2, 0]


def test_a_hook_gets_nothing_that_it_does_not_need():
    seen = []
    hook = returns_scores()(lambda unlabelled, rng: seen.append(unlabelled) or np.zeros(4))
    assert rank_by(hook, pool(embeddings_N_D=np.ones((4, 2))))
    assert seen[0].texts is seen[0].embeddings_N_D is None


def rank_by(hook, unlabelled: Unlabelled) -> list[int]:
    """Rank by a hook that no module has."""
    strategy = replace(STRATEGIES["random"], needs=hook.needs, hook=hook)
    return rank(strategy, unlabelled, 2, np.random.default_rng(0)).indices_N.tolist()


def test_a_hook_that_needs_what_is_not_there_is_not_called():
    with pytest.raises(ValueError, match="proba_N_C"):
        order("doubtful_first", pool())


def test_the_generator_decides_a_random_hook():
    same, again, other = (
        rank(find_strategy(f"{HOOKS}:by_chance"), Unlabelled(40), 2, np.random.default_rng(seed)).indices_N.tolist()
        for seed in (1, 1, 2)
    )
    assert same == again != other


@pytest.mark.parametrize("hook", ["longest_first", "alphabetical"])
def test_where_texts_stand_decides_nothing(hook):
    reversed_ = Unlabelled(4, texts=TEXTS[::-1])
    assert [3 - row for row in order(hook, reversed_)] == order(hook, pool())


def test_equal_scores_are_settled_by_chance():
    level = returns_scores()(lambda unlabelled, rng: np.zeros(unlabelled.size))
    flat = replace(STRATEGIES["random"], hook=level)
    assert len({rank(flat, Unlabelled(9), 2, np.random.default_rng(seed)).indices_N[0] for seed in range(20)}) > 3


def test_parts_of_a_large_pool_are_merged_by_score():
    assert order("longest_first", pool(), most=2) == [2, 3, 0, 1]


def test_a_hook_is_asked_about_some_rows_alone():
    assert order("longest_first", pool(), rows_N=np.array([0, 1, 3])) == [2, 0, 1]


def test_an_empty_pool_asks_no_hook():
    assert order("broken", Unlabelled(0, texts=())) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "object of shape"),
        ("abcd", "shape"),
        ([1.0, 2.0, 3.0], r"shape \(3,\) for 4 texts"),
        (np.zeros((4, 1)), r"shape \(4, 1\) for 4 texts"),
        (np.array(1.0), r"shape \(\)"),
        ([1.0, float("nan"), 2.0, float("inf")], "2 scores that are NaN or infinite"),
        (["a", "b", "c", "d"], "type <U1"),
        ([1j, 1, 1, 1], "type complex128"),
        ([None, 1, 2, 3], "object of shape"),
        ([[1], [2, 3], [4], [5]], "raised ValueError"),
    ],
)
def test_scores_that_are_none_are_refused(answer, told):
    hook = returns_scores()(lambda unlabelled, rng: answer)
    with pytest.raises(HookFailedError, match=told):
        hook.scores(Unlabelled(4), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([0, 1, 2], r"shape \(3,\) for 4 texts"),
        ([0, 1, 2, 2], "rows 0 to 3 must occur once"),
        ([1, 2, 3, 4], "rows 0 to 3 must occur once"),
        ([-1, 0, 1, 2], "rows 0 to 3 must occur once"),
        ([0.0, 1.0, 2.0, 3.0], "type float64"),
        ([True, False, True, False], "type bool"),
        (None, "object of shape"),
    ],
)
def test_an_order_that_is_none_is_refused(answer, told):
    hook = returns_order()(lambda unlabelled, rng: answer)
    with pytest.raises(HookFailedError, match=told):
        hook.scores(Unlabelled(4), np.random.default_rng(0))


@pytest.mark.parametrize("answer", [[3, 1, 2, 0], (3.0, 1.0, 2.0, 0.0), np.float32([3, 1, 2, 0]), [True, False] * 2])
def test_any_sequence_of_finite_numbers_is_scores(answer):
    hook = returns_scores()(lambda unlabelled, rng: answer)
    assert hook.scores(Unlabelled(4), np.random.default_rng(0)).tolist() == [float(score) for score in answer]


@pytest.mark.parametrize(("hook", "kind"), [("broken", "KeyError"), ("leaves", "SystemExit")])
def test_an_error_of_a_hook_is_named_with_its_place_and_without_its_words(hook, kind):
    with pytest.raises(
        HookFailedError, match=rf"{HOOKS}:{hook} raised {kind} \(ordering_hooks.py, line \d+\)"
    ) as caught:
        order(hook, pool())
    assert not [text for text in TEXTS if f"'{text}'" in str(caught.value)]


def test_a_hook_can_be_called_as_the_function_that_it_is():
    assert load_hook(f"{HOOKS}:longest_first")(pool(), np.random.default_rng(0)) == [2, 1, 4, 3]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nope:x", "cannot be imported .ModuleNotFoundError: No module named 'nope'"),
        (f"{HOOKS}:nope", "cannot be imported .AttributeError"),
        (f"{HOOKS}:", "no function is named"),
        (":x", "cannot be imported"),
        ("a b:c", "cannot be imported"),
        ("../hook:c", "cannot be imported"),
        (f"{HOOKS}:undeclared", "@returns_scores"),
        ("math:sqrt", "declare sqrt in math with @returns_scores"),
    ],
)
def test_a_name_that_is_no_hook_is_refused_in_a_sentence(name, told):
    with pytest.raises(InvalidHookError, match=told) as caught:
        find_strategy(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "code", ["def broken(:", "1 / 0", "import sys; sys.exit('no')", "raise ValueError('two\\nlines')"]
)
def test_a_module_that_cannot_be_imported_is_refused_in_a_sentence(code, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "unimportable_hook.py").write_text(code, encoding="utf-8")
    with pytest.raises(InvalidHookError, match="unimportable_hook:x' cannot be imported") as caught:
        find_strategy("unimportable_hook:x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("declare", "told"),
    [
        (lambda: returns_scores(Need.PICKS), "an LLM's picks"),
        (lambda: returns_order("texts of mine"), "Need.PROBA, .*Need.TEXTS"),
        (lambda: returns_scores(lambda unlabelled, rng: None), "name needs in brackets"),
    ],
)
def test_needs_that_no_hook_can_have_are_refused(declare, told):
    with pytest.raises(InvalidHookError, match=told):
        declare()


def test_a_hook_is_a_strategy_with_needs_and_a_start():
    strategy = find_strategy(f"{HOOKS}:doubtful_first")
    assert (strategy.name, strategy.needs) == (f"{HOOKS}:doubtful_first", {Need.PROBA})
    assert strategy.needs_classifier
    assert not find_strategy(strategy.start).needs_classifier
    assert not find_strategy(f"{HOOKS}:longest_first").needs_classifier


def test_a_hook_may_start_where_label_names_give_it_all_that_it_needs():
    for hook in ("doubtful_first", "longest_first", "far_first"):
        assert find_start(f"{HOOKS}:{hook}").name == f"{HOOKS}:{hook}"
    with pytest.raises(UnknownStrategyError, match="takes a classifier"):
        find_start(f"{HOOKS}:by_members")
