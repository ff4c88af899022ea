"""Ordering hooks: functions of a user's own that put the pool in order, named `package.module:function`."""

import pkgutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.errors import HookFailedError, InvalidHookError
from model.query.unlabelled import Need, Unlabelled
from model.types import FloatArray

__all__ = ["Need", "OrderingHook", "Unlabelled", "returns_order", "returns_scores"]

HookFunction = Callable[[Unlabelled, np.random.Generator], Any]
"""Called with the features of N texts and a random generator; returns scores_N or an order of the N rows."""
# Longest part of a foreign error message that is shown.
_MOST_CHARACTERS = 200


@dataclass(frozen=True)
class OrderingHook:
    """A function that puts texts in order. Call it directly to test it; `scores` also checks its answer.

    Attributes:
        function: the user's function.
        needs: the features of `Unlabelled` that the function reads.
        returns_order: the function returns an order, not scores.
    """

    function: HookFunction
    needs: frozenset[Need]
    returns_order: bool

    def __call__(self, unlabelled: Unlabelled, rng: np.random.Generator) -> Any:
        """Call the function itself; nothing is checked."""
        return self.function(unlabelled, rng)

    def scores(self, unlabelled: Unlabelled, rng: np.random.Generator) -> FloatArray:
        """Call the function and check its answer.

        Args:
            unlabelled: features of N texts, at least the ones that the function needs.
            rng: the function's only source of randomness.

        Returns:
            scores_N, higher = ask sooner. An order becomes scores: 1 for the first text, 1 - 1 / N for the second.

        Raises:
            HookFailedError: the function raised an error, or its answer is neither N finite scores nor an order.
        """
        answer_N = self._array(unlabelled, rng)
        if answer_N.dtype == object or answer_N.shape != (unlabelled.size,):
            raise HookFailedError(
                f"{self._name} returned {answer_N.dtype} of shape {answer_N.shape} for {unlabelled.size} texts: "
                f"return one number for each text"
            )
        return _scores_of_order(self._name, answer_N) if self.returns_order else _checked_scores(self._name, answer_N)

    def _array(self, unlabelled: Unlabelled, rng: np.random.Generator) -> Any:
        try:
            return np.asarray(self.function(unlabelled, rng))
        except (Exception, SystemExit) as error:
            # The error's own words may repeat a text; they stay in the chained error.
            raise HookFailedError(f"{self._name} raised {type(error).__name__}{_place(error)}") from error

    @property
    def _name(self) -> str:
        return f"ordering hook {self.function.__module__}:{getattr(self.function, '__name__', '')}"


def returns_scores(*needs: Need) -> Callable[[HookFunction], OrderingHook]:
    """Declare that a function is an ordering hook and returns scores_N, higher = ask sooner.

    Args:
        needs: the features that the function reads.

    Raises:
        InvalidHookError: no ordering hook may read one of the features.
    """
    return _declared(needs, returns_order=False)


def returns_order(*needs: Need) -> Callable[[HookFunction], OrderingHook]:
    """Declare that a function is an ordering hook and returns the rows 0 … N-1 in order, first = ask first.

    Args:
        needs: the features that the function reads.

    Raises:
        InvalidHookError: no ordering hook may read one of the features.
    """
    return _declared(needs, returns_order=True)


def _declared(needs: tuple[Need, ...], *, returns_order: bool) -> Callable[[HookFunction], OrderingHook]:
    if Need.PICKS in needs:
        raise InvalidHookError("an ordering hook cannot need an LLM's picks: set COLD_START=activellm for these")
    if wrong := [need for need in needs if not isinstance(need, Need)]:
        known = ", ".join(f"Need.{need.name}" for need in Need if need is not Need.PICKS)
        raise InvalidHookError(f"an ordering hook needs {wrong[0]!r}: name needs in brackets, among {known}")
    return lambda function: OrderingHook(function, frozenset(needs), returns_order)


def is_hook(name: str) -> bool:
    """Whether a strategy's name means a function of the user's own."""
    return ":" in name


def load_hook(name: str) -> OrderingHook:
    """Import an ordering hook. The import runs the module's code: check first who gave the name.

    Args:
        name: `package.module:function`; the module is looked for in the working folder and on PYTHONPATH.

    Raises:
        InvalidHookError: nothing has that name, the module raises an error, or the function is not declared as a hook.
    """
    module, _, function = name.partition(":")
    try:
        if not function:
            raise ValueError("no function is named")
        found = pkgutil.resolve_name(name)
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())[:_MOST_CHARACTERS]
        raise InvalidHookError(
            f"the ordering hook {name!r} cannot be imported ({type(error).__name__}: {reason}): "
            f"it must be package.module:function, in the working folder or on PYTHONPATH"
        ) from error
    if not isinstance(found, OrderingHook):
        raise InvalidHookError(
            f"{name!r} is no ordering hook: declare {function} in {module} with @returns_scores() or @returns_order() "
            f"of model.query.hooks"
        )
    return found


def _checked_scores(name: str, scores_N: Any) -> FloatArray:
    if scores_N.dtype.kind not in "biuf":
        raise HookFailedError(f"{name} returned values of type {scores_N.dtype}: return scores as numbers")
    as_float_N: FloatArray = scores_N.astype(np.float64)
    bad = int((~np.isfinite(as_float_N)).sum())
    if bad:
        raise HookFailedError(f"{name} returned {bad} scores that are NaN or infinite: every score must be finite")
    return as_float_N


def _scores_of_order(name: str, rows_N: Any) -> FloatArray:
    size = len(rows_N)
    if rows_N.dtype.kind not in "iu" and size:
        raise HookFailedError(f"{name} returned values of type {rows_N.dtype}: return an order as whole numbers")
    if not np.array_equal(np.sort(rows_N), np.arange(size)):
        raise HookFailedError(f"{name} returned no order: each of the rows 0 to {size - 1} must occur once")
    scores_N = np.empty(size)
    scores_N[rows_N.astype(np.int64)] = 1.0 - np.arange(size) / max(size, 1)
    return scores_N


def _place(error: BaseException) -> str:
    """The file and line that raised an error, for people."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
