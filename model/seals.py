"""A checksum around JSON: reading finds damage that still parses, such as another digit in a number."""

import hashlib
import json
from typing import Any

# A sealed value is JSON itself: {"sha256":"<64 digits>","record":<the value>}.
_HEAD, _MIDDLE, _TAIL = b'{"sha256":"', b'","record":', b"}"
_DIGITS = 64
_MIDDLE_AT = len(_HEAD) + _DIGITS
_BEGINS_AT = _MIDDLE_AT + len(_MIDDLE)
# No time, count, id, share or digest of ours is as large.
_TOO_LARGE = 2**64


def sealed(content: bytes) -> bytes:
    """Put a JSON value into an object with its checksum.

    Args:
        content: a JSON value.
    """
    return b"".join((_HEAD, _checksum(content), _MIDDLE, content, _TAIL))


def unsealed(content: bytes) -> bytes:
    """Take a JSON value out of its seal. A value without any seal, as earlier releases wrote it, is returned as it is.

    Args:
        content: what a file holds.

    Raises:
        ValueError: the value or its seal is damaged.
    """
    head, middle = content[: len(_HEAD)], content[_MIDDLE_AT:_BEGINS_AT]
    # One damaged byte leaves the head or the middle of a seal whole.
    if head != _HEAD and middle != _MIDDLE:
        return content
    value = content[_BEGINS_AT : -len(_TAIL)]
    if content != b"".join((_HEAD, _checksum(value), _MIDDLE, value, _TAIL)):
        raise ValueError("it differs from its checksum")
    return value


def read_sealed(content: bytes) -> Any:
    """Read a JSON value out of its seal, as `unsealed` does, and refuse numbers that no record of ours can hold.

    Args:
        content: what a file holds.

    Raises:
        ValueError: the value is damaged, no JSON, or has a number that is infinite, none, or too large.
        RecursionError: the value is nested thousands deep.
    """
    return json.loads(unsealed(content), parse_constant=_refused, parse_float=_float, parse_int=_int)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _float(digits: str) -> float:
    return float(digits) if abs(float(digits)) < _TOO_LARGE else _refused("a number that is too large")


def _int(digits: str) -> int:
    return int(digits) if abs(int(digits)) < _TOO_LARGE else _refused("a number that is too large")


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
