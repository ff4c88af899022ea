"""How much a request may hold: bytes by endpoint, and large JSON bodies one at a time.

Decoded JSON takes up to 25 times the bytes of its text. So small limits hold wherever Label Studio sends little, and
while one large body is decoded and answered, the next one waits.
"""

from threading import BoundedSemaphore
from typing import Any

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge

from backend.errors import BusyError, UnknownProjectError
from backend.studio.contract import MOST_ID

_MIB = 1024 * 1024
# Label Studio posts 15,000 short tasks in one request of 9 MB, and older releases all annotations to /train.
# A form holds the longest answer that is read, each of its characters in nine bytes.
MAX_BODY_BYTES = {
    "shortlist.predict": 32 * _MIB,
    "shortlist.start_training": 32 * _MIB,
    "shortlist.receive_event": 2 * _MIB,
    "shortlist.setup": 2 * _MIB,
    "shortlist.take_pasted_answer": 1 * _MIB,
    "shortlist.classify": 2 * _MIB,
}
OTHER_MAX_BODY_BYTES = 64 * 1024
LARGE_BODY_BYTES = 2 * _MIB
# Label Studio gives /predict 100 s.
LARGE_BODY_WAIT_S = 60.0

_large_body = BoundedSemaphore(1)


def limit_body() -> None:
    """Set the present request's limit; reading more raises RequestEntityTooLarge."""
    limit = MAX_BODY_BYTES.get(request.endpoint or "", OTHER_MAX_BODY_BYTES)
    request.max_content_length = limit
    request.max_form_memory_size = limit


def refuse_endless_ids() -> None:
    """Refuse numbers that no id of Label Studio has: one of hundreds of digits is no name for a folder.

    Raises:
        UnknownProjectError: the address names a project with such a number.
    """
    if (request.view_args or {}).get("project_id", 0) > MOST_ID:
        raise UnknownProjectError("no project has a number of so many digits")


def too_large() -> str:
    """Say how much the present request may hold."""
    limit = request.max_content_length or OTHER_MAX_BODY_BYTES
    return f"a request to {request.path} may have {limit:,} bytes: send less at once, for example fewer tasks or texts"


def read_body() -> bytes:
    """Read the present request's body.

    Raises:
        RequestEntityTooLarge: the body reaches the endpoint's limit.
    """
    body = request.get_data()
    # Of a body of unknown length (chunked), werkzeug returns the beginning without an error.
    if request.max_content_length is not None and len(body) >= request.max_content_length:
        raise RequestEntityTooLarge
    return body


def read_json() -> Any:
    """Decode the present request's body; a large one waits until no other is at work.

    Raises:
        BusyError: the other one takes too long.
        BadRequest: the body is no JSON.
        RequestEntityTooLarge: the body reaches the endpoint's limit.
    """
    if len(read_body()) > LARGE_BODY_BYTES:
        if not _large_body.acquire(timeout=LARGE_BODY_WAIT_S):
            raise BusyError("another large request is still being answered: send this one again later")
        g.has_large_body = True
    return request.get_json(force=True)


def let_next_in(_: BaseException | None) -> None:
    """End the turn of a large body."""
    if g.pop("has_large_body", False):
        _large_body.release()
