"""Servers at Label Studio's address: one that answers as Label Studio does, and any that misbehave."""

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.fakes import labeling_config

LEGACY_KEY = "0123456789abcdef0123456789abcdef01234567"
# A moment in the year 2100.
_FAR_S = 4_102_444_800


def token(kind: str, expires_s: float = _FAR_S) -> str:
    """A token in the form of Label Studio's personal access tokens (`refresh`) and access tokens (`access`)."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"token_type": kind, "exp": expires_s, "user_id": "1"})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{body}.c2lnbmVk"


PERSONAL_TOKEN, ACCESS_TOKEN = token("refresh"), token("access")


@dataclass(frozen=True)
class Asked:
    """A request as it came in, its header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; or with `raw`, bytes as they are, after which the connection is closed."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    is_silent: bool = False
    reason: str | None = None

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


SILENCE = Answer(is_silent=True)
# A blank every twentieth of a second, for ever.
TRICKLE = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", is_silent=True)


@dataclass
class StudioServer:
    """A running server.

    Attributes:
        url: its address.
        asked: everything that came in, in order.
    """

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def studio_server(
    answer: Callable[[Asked], Answer] | Answer, tls: ssl.SSLContext | None = None
) -> Iterator[StudioServer]:
    """Answer on a free port of loopback.

    Args:
        answer: what is answered: always the same, or a function of the request.
        tls: with the certificate of a TLS server; None for plain HTTP.
    """
    over = threading.Event()
    http = _QuietServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    http.tls = tls
    server = StudioServer(f"{'https' if tls else 'http'}://127.0.0.1:{http.server_address[1]}")
    http.RequestHandlerClass = _handler(server, answer if callable(answer) else lambda _: answer, over)
    thread = threading.Thread(target=lambda: http.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # A client that refuses the certificate, or speaks no TLS, breaks off here.
        with suppress(OSError):
            request = self.tls.wrap_socket(request, server_side=True) if self.tls else request
            super().finish_request(request, client_address)
            if self.tls:
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of these tests break off."""


def _handler(
    server: StudioServer, answer: Callable[[Asked], Answer], over: threading.Event
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", 0))))
            server.asked.append(asked)
            reply = answer(asked)
            self.close_connection = True
            if reply.is_silent and reply.raw is not None:
                self.wfile.write(reply.raw)
                while not over.wait(0.05):
                    self.wfile.write(b" ")
            elif reply.is_silent:
                over.wait()
            elif reply.raw is not None:
                self.wfile.write(reply.raw)
            else:
                self._send(reply)

        def _send(self, reply: Answer) -> None:
            content = reply.content()
            self.send_response(reply.status, reply.reason)
            usual = {"Content-Type": "application/json", "Content-Length": str(len(content))}
            for name, value in {**usual, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = do_CONNECT = _reply

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    return Handler


@contextmanager
def resetting_server() -> Iterator[str]:
    """A server that resets every connection; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def reset() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    connection.close()

        thread = threading.Thread(target=reset, daemon=True)
        thread.start()
        address = listener.getsockname()
        try:
            yield f"http://127.0.0.1:{address[1]}"
        finally:
            over.set()
            with suppress(OSError), socket.create_connection(address):
                pass
            thread.join()


@contextmanager
def full_server() -> Iterator[str]:
    """A server whose queue of connections is full: the next one waits for ever; yields its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for client in waiting:
                client.close()


def refused_by_label_studio(status: int, detail: str) -> Answer:
    """A refusal in Label Studio's own words."""
    said = {"id": "7d0e", "status_code": status, "version": "1.23.2", "detail": detail, "exc_info": None}
    return Answer(status, said)


def forwarding(url: str, base: str) -> Callable[[Asked], Answer]:
    """What a proxy answers that serves another server under a path.

    Args:
        url: address of the other server.
        base: the path.
    """

    def answer(asked: Asked) -> Answer:
        if not asked.path.startswith(f"{base}/"):
            return Answer(404, "<html>no such page</html>", {"Content-Type": "text/html"})
        kept = {name: asked.headers[name] for name in ("authorization", "content-type") if name in asked.headers}
        path = asked.path.removeprefix(base)
        reply = httpx.request(asked.method, f"{url}{path}", headers=kept, content=asked.body, timeout=60.0)
        return Answer(reply.status_code, reply.content, {"Content-Type": reply.headers.get("content-type", "")})

    return answer


def labels(*, base: str = "", title: str = "Films") -> Callable[[Asked], Answer]:
    """What a Label Studio with project 1 answers, as far as commands ask.

    Args:
        base: path under which it is served, such as "/labels".
        title: the project's title.
    """
    whole = {"id": 1, "title": title, "label_config": labeling_config(), "created_at": "2026-01-01T00:00:00Z"}
    found = {
        "/api/current-user/whoami": {"email": "ann@example.com"},
        "/api/projects/": {"count": 1, "next": None, "previous": None, "results": [{"id": 1}]},
        "/api/projects/1/": whole,
        "/api/projects/1/export": [],
        "/api/ml/": [],
        "/api/webhooks/": [],
    }

    def answer(asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if not path.startswith(f"{base}/"):
            return Answer(404, "<html>nginx: no such page</html>", {"Content-Type": "text/html"})
        path = path.removeprefix(base)
        if path == "/api/token/refresh/":
            return Answer(200, {"access": ACCESS_TOKEN})
        if asked.headers.get("authorization") not in (f"Token {LEGACY_KEY}", f"Bearer {ACCESS_TOKEN}"):
            given = "authorization" in asked.headers
            return refused_by_label_studio(
                401, "Invalid token." if given else "Authentication credentials were not provided."
            )
        if asked.method == "POST" and path == "/api/ml/":
            return Answer(201, {"id": 5})
        return Answer(200, found[path]) if path in found else refused_by_label_studio(404, "Not found.")

    return answer
