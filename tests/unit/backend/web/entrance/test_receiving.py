"""A real server on a socket: whatever a stranger sends, and however much of it, the server keeps a bounded part."""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from waitress.adjustments import Adjustments
from waitress.wasyncore import close_all, loop

from backend.store.connection import Connection
from backend.web.app import create_app
from backend.web.entrance import receiving
from backend.web.entrance.receiving import MOST_KEPT_BYTES, MOST_LINE_BYTES, Body, IncomingRequest, open_server
from tests.servers import eventually

MIB = 1024 * 1024
HEAD = b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def told(size: int) -> bytes:
    """The head of a request that says how long its body is."""
    return HEAD + f"Content-Length: {size}\r\n\r\n".encode()


@pytest.fixture
def send(service) -> Iterator[Callable[..., tuple[int, dict]]]:
    """Send the pieces of a request to a server; return the status and the JSON of the answer."""
    listening = socket.create_server(("127.0.0.1", 0))
    over, connections = threading.Event(), {}
    server = open_server(create_app(service), [listening], 2, connections)

    def serve() -> None:
        while not over.is_set():
            loop(timeout=0.05, use_poll=True, map=connections, count=1)

    thread = threading.Thread(target=serve)
    thread.start()

    def send(*pieces: bytes) -> tuple[int, dict]:
        with socket.create_connection(listening.getsockname(), timeout=30) as stream:
            for piece in pieces:
                stream.sendall(piece)
            head, _, body = _read(stream).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    yield send
    over.set()
    thread.join()
    server.task_dispatcher.shutdown()
    close_all(map=connections)


def _read(stream: socket.socket) -> bytes:
    """Read an answer of known length."""
    came = b""
    while b"\r\n\r\n" not in came:
        came += stream.recv(65536)
    head, _, body = came.partition(b"\r\n\r\n")
    (size,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while len(body) < size:
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body


def received(*pieces: bytes) -> IncomingRequest:
    """A request as far as these pieces of it came."""
    request = IncomingRequest(Adjustments(max_request_body_size=receiving.MOST_READ_BYTES))
    for piece in pieces:
        taken = 0
        while taken < len(piece) and not request.completed:
            taken += request.received(piece[taken:])
    return request


@pytest.mark.parametrize(
    "pieces",
    [[told(81 * MIB), *[bytes(MIB)] * 81], [CHUNKED, *[b"100000\r\n" + bytes(MIB) + b"\r\n"] * 81, b"0\r\n\r\n"]],
    ids=["told", "chunked"],
)
def test_of_a_webhook_of_81_megabytes_little_is_kept_and_no_label_is_lost(send, service, pieces):
    service.folder(3).connection.write(Connection("http://localhost:9090"))
    assert send(*pieces) == (201, {"status": "queued", "projects": 1})
    request = received(*pieces)
    assert request.completed
    assert len(request.body_rcv) == MOST_KEPT_BYTES
    request.close()


@pytest.mark.parametrize("head", [told(10**12), told(receiving.MOST_READ_BYTES)], ids=["a terabyte", "a gigabyte"])
def test_a_body_that_nobody_waits_for_is_refused_before_it_comes(send, head):
    status, said = send(head)
    assert (status, said["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("begun", [b"", b"5\r\nhello\r\n0\r\nX: "], ids=["a size", "a trailer"])
def test_a_chunk_without_an_end_of_its_line_is_refused(send, begun):
    endless = b"1" * (2 * MOST_LINE_BYTES)
    status, said = send(CHUNKED + begun + endless)
    assert (status, said["error"]["code"]) == (400, "bad_request")


def test_large_bodies_that_come_at_once_have_a_limit_together_and_small_ones_pass(send, monkeypatch):
    monkeypatch.setattr(receiving, "MOST_HELD_BYTES", 3 * MIB)
    others = [received(told(2 * MIB), bytes(MIB + 1)) for _ in range(3)]
    assert Body.held_bytes() > 3 * MIB
    status, said = send(told(2 * MIB), bytes(MIB))
    assert (status, said["error"]["code"]) == (503, "busy")
    event = json.dumps({"action": "START_TRAINING", "project": {"id": 9}}).encode()
    assert send(told(len(event)), event)[0] == 404, "project 9 is not connected"
    for other in others:
        other.close()
    # The server forgets the refused body after its answer is out.
    eventually(lambda: Body.held_bytes() == 0, "no body to be kept")


def test_a_body_that_the_disk_has_no_room_for_is_refused_with_the_reason(send, monkeypatch):
    def refuse(self: Body, piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Body, "append", refuse)
    status, said = send(told(2 * MIB), bytes(MIB))
    assert (status, said["error"]["code"]) == (503, "system")
    assert "No space left on device" in said["error"]["message"]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["5,000 digits", "negative", "two lengths", "half an address"],
)
def test_a_head_that_lies_is_refused(head):
    assert received(head).error.code == 400
