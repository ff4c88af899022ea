"""How much of a request the web server keeps while the request comes in, before the application sees any of it.

waitress stores a whole body in memory or in a temporary file before it asks the application, and the application alone
knows passwords, hosts and the limits of endpoints. So the part that is kept has a limit, for each request and for all
requests together.
"""

import json
import logging
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, ClassVar
from weakref import WeakSet

from waitress import create_server
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import BaseWSGIServer
from waitress.utilities import Error, RequestEntityTooLarge

from backend.errors import SYSTEM, BusyError, system_refused
from backend.web.entrance.limits import MAX_BODY_BYTES

# How long a connection may say nothing. Clients that come back every few seconds keep their connection.
SILENT_S = 75
# Open connections of a process; others wait until one ends.
MOST_CONNECTIONS = 900
# Of a longer body the rest is read and dropped: the application refuses it in its own words, since it reads less.
MOST_KEPT_BYTES = max(MAX_BODY_BYTES.values()) + 1
# Of a body of this size the connection is closed: nobody waits for its end.
MOST_READ_BYTES = 1 << 30
# The bodies of all requests of a process at the same time. /tmp may be in memory.
MOST_HELD_BYTES = 8 * MOST_KEPT_BYTES
# The line with a chunk's size, and what may follow the last chunk.
MOST_LINE_BYTES = 8 * 1024

log = logging.getLogger(__name__)


def open_server(
    application: Callable[..., Any], sockets: Sequence[socket.socket], threads: int, connections: dict[int, Any]
) -> Any:
    """Open waitress on sockets; it serves while somebody calls `waitress.wasyncore.loop`.

    Args:
        application: the WSGI application.
        sockets: they listen already.
        threads: how many requests are answered at the same time.
        connections: where waitress keeps its connections.

    Returns:
        waitress's server.
    """
    server = create_server(
        application,
        map=connections,
        sockets=list(sockets),
        threads=threads,
        channel_timeout=SILENT_S,
        connection_limit=MOST_CONNECTIONS,
        max_request_body_size=MOST_READ_BYTES,
        clear_untrusted_proxy_headers=True,
        ident=None,
    )
    for listening in connections.values():
        if isinstance(listening, BaseWSGIServer):
            listening.channel_class = _Connection
    return server


class Body(OverflowableBuffer):  # type: ignore[misc]
    """The beginning of a request's body, in memory while it is short, else in a temporary file."""

    # Those that are longer than what stays in memory.
    _long: ClassVar[WeakSet["Body"]] = WeakSet()

    def append(self, piece: bytes) -> None:
        """Keep a piece as far as there is room.

        Args:
            piece: what came.
        """
        room = MOST_KEPT_BYTES - len(self)
        if room > 0:
            super().append(piece[:room])
        if self.overflowed:
            self._long.add(self)

    @classmethod
    def held_bytes(cls) -> int:
        """How much all long bodies take now."""
        return sum(map(len, cls._long))


class RefusedError(Error):  # type: ignore[misc]
    """What a client gets whose request never reached the application; in the application's form."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = status.value, message
        self._told = {"error": {"code": code, "message": message, "request_id": ""}}

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body of the answer.

        Args:
            ident: waitress's name, which is not told.
        """
        headers = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
        return f"{self.code} {self.reason}", headers, json.dumps(self._told).encode()


class IncomingRequest(HTTPRequestParser):  # type: ignore[misc]
    """A request of which a bounded part is kept."""

    def received(self, data: bytes) -> int:
        """Take what came of the request; return how many bytes of it belong to the request.

        Args:
            data: what came.
        """
        try:
            consumed: int = super().received(data)
        except OSError as error:
            log.warning("event=body_not_kept reason=%s", error)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, SYSTEM, system_refused(error.strerror))
            return len(data)
        if isinstance(self.error, RequestEntityTooLarge):
            message = f"no request may have {MOST_READ_BYTES:,} bytes"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message)
        elif isinstance(self.body_rcv, ChunkedReceiver) and self._line_bytes() > MOST_LINE_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, "bad_request", "a chunk of the request has no end of its first line")
        elif not self.completed and self._is_long() and Body.held_bytes() > MOST_HELD_BYTES:
            message = "too many large requests come in at once: send this one again later"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, BusyError.code, message)
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Read the request's head, and prepare for its body.

        Args:
            header_plus: the head.

        Raises:
            ParsingError: it is no head of a request.
        """
        try:
            super().parse_header(header_plus)
        except ValueError as error:
            # Python reads no number of thousands of digits.
            raise ParsingError("Content-Length is invalid") from error
        if self.body_rcv is not None:
            self.body_rcv.buf = Body(self.adj.inbuf_overflow)

    def _line_bytes(self) -> int:
        return len(self.body_rcv.control_line) + len(self.body_rcv.trailer)

    def _is_long(self) -> bool:
        return self.body_rcv is not None and self.body_rcv.buf.overflowed

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        self.error, self.completed = RefusedError(status, code, message), True


class _Connection(HTTPChannel):  # type: ignore[misc]
    """waitress's connection, with requests that are bounded."""

    parser_class = IncomingRequest
