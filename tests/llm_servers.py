"""LLM providers on loopback: they speak Mistral's and OpenAI's protocol and give the answers that a test scripts."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

ProviderName = Literal["mistral", "openai"]
MODEL = "small-model"
KEY = "sk-a-secret-of-the-tests"


class Silence(Enum):
    """Ways never to answer."""

    HANG = "takes the question and says nothing"
    TRICKLE = "sends a blank every tenth of a second, for ever"


# A text; or status, headers and body (anything JSON, or bytes as they are); or none at all.
Item = str | tuple[int, dict[str, str], Any] | Silence
Script = Sequence[Item] | Callable[[dict[str, Any]], Item]


@dataclass(frozen=True)
class Recorded:
    """A request as it came in, its header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class LLMServer:
    """A running provider.

    Attributes:
        url: its address, good as LLM_BASE_URL for either provider.
        requests: everything that came in, in order.
    """

    def __init__(self, provider: ProviderName, script: Script, models: Sequence[str] | None) -> None:
        self.provider = provider
        self.models = models
        self.requests: list[Recorded] = []
        self.is_closing = threading.Event()
        self._script = script
        self._lock = threading.Lock()
        self._http = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The bodies of all requests for a chat completion."""
        return [request.body for request in self.requests if request.path == "/v1/chat/completions"]

    def next_item(self, request: Recorded) -> Item:
        """What to answer: each item of the script once, the last again and again."""
        with self._lock:
            self.requests.append(request)
            if request.path == "/v1/models":
                return (404, {}, {"detail": "Not Found"}) if self.models is None else (200, {}, self._list())
            if request.path != "/v1/chat/completions":
                return 404, {}, {"detail": "Not Found"}
            if callable(self._script):
                return self._script(request.body)
            return self._script[min(len(self.questions), len(self._script)) - 1]

    def _list(self) -> dict[str, Any]:
        cards = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in self.models or ()]
        if self.provider == "mistral":
            cards = [{**card, "type": "base", "capabilities": {"completion_chat": True}} for card in cards]
        return {"object": "list", "data": cards}

    def run(self) -> None:
        """Serve until `close`."""
        self._http.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        """End whatever hangs, and the server."""
        self.is_closing.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def llm_server(
    provider: ProviderName, script: Script = ("yes",), models: Sequence[str] | None = (MODEL,)
) -> Iterator[LLMServer]:
    """A provider on a free port.

    Args:
        script: answers in order, the last again and again; or a function of a question's body. A text becomes a whole
            chat completion, with `words_of` for usage.
        models: what it lists; None: it has no list.
    """
    server = LLMServer(provider, script, models)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def completion(text: Any, question: dict[str, Any] | None = None, **different: Any) -> dict[str, Any]:
    """A chat completion with this text and its tokens counted in words; `different` replaces fields."""
    prompt, answer = words_of(question or {}), len(str(text).split())
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": different.pop("finish_reason", "stop"),
    }
    whole = {"id": "1", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice], "usage": usage}
    return {**whole, **different}


def words_of(question: dict[str, Any]) -> int:
    """How many words a question has: what the servers count as its tokens."""
    return sum(len(message["content"].split()) for message in question.get("messages", ()))


def refusal(provider: ProviderName, kind: str) -> tuple[int, dict[str, str], Any]:
    """The refusal that the real provider sends, with the key or the question where the real refusal has them."""
    return _REFUSALS[kind][provider]


def _openai_error(status: int, message: str, code: str | None, param: str | None = None) -> tuple[int, dict, Any]:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return status, {"x-request-id": "req_1"}, {"error": error}


def _mistral_error(status: int, message: str, kind: str, code: str) -> tuple[int, dict, Any]:
    return status, {}, {"object": "error", "message": message, "type": kind, "param": None, "code": code}


_REFUSALS: dict[str, dict[str, tuple[int, dict[str, str], Any]]] = {
    "key": {
        "openai": _openai_error(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key"),
        "mistral": (401, {}, {"detail": "Unauthorized", "key": KEY}),
    },
    "model": {
        "openai": _openai_error(404, "The model `gpt-9` does not exist or you do not have access.", "model_not_found"),
        "mistral": _mistral_error(400, "Invalid model: mistral-9", "invalid_model", "1500"),
    },
    "context": {
        "openai": _openai_error(
            400, "This model's maximum context length is 8192 tokens.", "context_length_exceeded", "messages"
        ),
        "mistral": _mistral_error(
            400,
            "Prompt contains 40001 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            "invalid_request_error",
            "3051",
        ),
    },
    "response_format": {
        "openai": _openai_error(
            400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported.", None, "response_format"
        ),
        "mistral": (
            422,
            {},
            {
                "detail": [
                    {"type": "literal_error", "loc": ["body", "response_format", "type"], "msg": "Input", "input": 1}
                ]
            },
        ),
    },
    "temperature": {
        "openai": _openai_error(
            400, "Unsupported value: 'temperature' does not support 0.0.", "unsupported_value", "temperature"
        ),
        "mistral": _mistral_error(400, "temperature is fixed for this model", "invalid_request_error", "3000"),
    },
    "max_tokens": {
        "openai": _openai_error(
            400,
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        ),
    },
    "rate": {
        "openai": _openai_error(429, "Rate limit reached for gpt-4o.", "rate_limit_exceeded"),
        "mistral": (429, {}, {"message": "Requests rate limit exceeded"}),
    },
    "credit": {
        "openai": _openai_error(429, "You exceeded your current quota.", "insufficient_quota"),
        "mistral": (402, {}, {"detail": "Payment required"}),
    },
    "broken": {
        "openai": (500, {}, {"error": {"message": "The server had an error", "type": "server_error"}}),
        "mistral": (503, {"content-type": "text/plain"}, b"no healthy upstream"),
    },
}


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is no news."""


def _handler(server: LLMServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: Any) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            item = server.next_item(Recorded(self.command, self.path, headers, body))
            with suppress(OSError):
                if isinstance(item, Silence):
                    self._stay_silent(item)
                elif isinstance(item, str):
                    self._send(200, {}, completion(item, body))
                else:
                    self._send(*item)

        def _send(self, status: int, headers: dict[str, str], body: Any) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stay_silent(self, how: Silence) -> None:
            self.close_connection = True
            if how is Silence.TRICKLE:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.end_headers()
            while not server.is_closing.wait(0.1):
                if how is Silence.TRICKLE:
                    self.wfile.write(b" ")

        def log_message(self, *_: Any) -> None:
            """Tests look at `requests`."""

    return Handler
