"""The structured answer: a JSON object with "picks", wherever in the text it stands and even if its end is cut off."""

import json
import re
from collections.abc import Iterator
from typing import Any

from model.llm.reading.answer_shapes import Found, Shape

_PICK = re.compile(
    r"""["']number["']\s*:\s*["']?(\d{1,7})\b["']?(?:\s*,\s*["']label["']\s*:\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'))?"""
)
_REASONING = re.compile(r'"reasoning"\s*:\s*"(?:[^"\\]|\\.)*(?:"|$)')
_NUMBER_KEYS = ("number", "index", "id")


def json_listings(answer: str) -> list[Found]:
    """The picks of every such object, in the answer's order."""
    decoder, found, start = json.JSONDecoder(), [], answer.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = decoder.raw_decode(answer, start)
        except (ValueError, RecursionError):
            # No JSON begins here, or none that somebody wrote for us.
            pass
        else:
            found += list(_listing(value))
        start = answer.find("{", end)
    return found or _damaged(answer)


def without_reasoning(answer: str) -> str:
    """An answer less the thoughts in its JSON object: numbers in those are none that it chooses."""
    return _REASONING.sub("", answer)


def _listing(value: Any) -> Iterator[Found]:
    picks = value.get("picks") if isinstance(value, dict) else None
    pairs = [pair for pick in picks for pair in _pick(pick)] if isinstance(picks, list) else []
    if pairs:
        notes = tuple((number, label) for number, label in pairs if label)
        yield Found(Shape.LIST, tuple(number for number, _ in pairs), notes)


def _pick(pick: Any) -> Iterator[tuple[int, str]]:
    fields = pick if isinstance(pick, dict) else {"number": pick}
    number = next((fields[key] for key in _NUMBER_KEYS if key in fields), None)
    label = fields.get("label")
    if isinstance(number, str) and re.fullmatch(r"\s*\d{1,9}\s*", number):
        number = int(number)
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        yield number, label if isinstance(label, str) else ""


def _damaged(answer: str) -> list[Found]:
    """Picks of an object that is cut off, or has commas and quotes that JSON has not."""
    picks = _PICK.findall(answer, max(answer.rfind('"picks"'), 0))
    numbers = tuple(int(number) for number, *_ in picks)
    notes = tuple((int(number), _unescaped(double) or single) for number, double, single in picks if double or single)
    return [Found(Shape.LIST, numbers, notes)] if numbers else []


def _unescaped(label: str) -> str:
    try:
        return str(json.loads(f'"{label}"', strict=False))
    except ValueError:
        return label
