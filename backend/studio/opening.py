"""Open connections to Label Studio: past proxies, and with the certificates of SSL_CERT_FILE."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext, SSLError
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from backend.errors import ConfigurationError
from backend.settings import Settings
from backend.studio.answers import ACCESS_TOKEN
from backend.studio.faults import (
    Address,
    SlowAnswerError,
    garbled_fault,
    own_words,
    redirect_fault,
    refusal,
    transport_fault,
)

# A host that takes no connection within this time will not take one later either.
CONNECT_TIMEOUT_S = 10.0
# A whole answer may take this many times as long as one piece: an answer that trickles in would hold up for hours.
TIMEOUTS_AN_ANSWER = 5
_REFRESH_PATH = "/api/token/refresh/"
# The SDK would sleep for as long as these say, up to a minute each time, and fails on times that are none.
_WAITS = ("retry-after", "retry-after-ms", "x-ratelimit-reset")
# The variables from which httpx and other clients of OpenSSL read certificates.
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

T = TypeVar("T")


def open_http(settings: Settings, timeout_s: float) -> httpx.Client:
    """Open a client for requests to Label Studio; nothing is sent yet.

    HTTP_PROXY and the like are not read: the proxy would get the API key. Redirects are not followed, for the same
    reason; they raise LabelStudioAnswerError.

    Args:
        settings: Label Studio's address and the proxy, if one is wanted.
        timeout_s: seconds until the next piece of an answer must come.

    Raises:
        ConfigurationError: SSL_CERT_FILE or SSL_CERT_DIR cannot be read.
    """
    address = Address.of(settings)
    proxy = settings.label_studio_proxy
    return httpx.Client(
        timeout=timeouts(timeout_s),
        follow_redirects=False,
        trust_env=False,
        transport=_Transport(
            TIMEOUTS_AN_ANSWER * timeout_s,
            proxy=proxy.get_secret_value() if proxy else None,
            verify=certificates(),
            limits=_limits(address.url),
            trust_env=False,
        ),
        event_hooks={"response": [lambda response: _judge(address, response)]},
    )


class _Transport(httpx.HTTPTransport):
    """httpx's transport, with a limit on the time of a whole answer. httpx limits only the wait for each piece."""

    def __init__(self, limit_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._limit_s = limit_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Args:
            request: the request.
        """
        response = super().handle_request(request)
        response.stream = _UntilDeadline(response.stream, time.monotonic() + self._limit_s)
        return response


class _UntilDeadline(httpx.SyncByteStream):
    """The pieces of an answer, until a moment of the monotonic clock."""

    def __init__(self, pieces: Any, deadline_s: float) -> None:
        self._pieces = pieces
        self._deadline_s = deadline_s

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if time.monotonic() > self._deadline_s:
                raise SlowAnswerError("the answer trickles in")
            yield piece

    def close(self) -> None:
        """Close the connection."""
        self._pieces.close()


def timeouts(timeout_s: float) -> httpx.Timeout:
    """Return the timeouts of a request: less for the connection than for each piece of the answer."""
    return httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))


def certificates() -> SSLContext:
    """Return the certificates to trust: those of SSL_CERT_FILE or SSL_CERT_DIR, else Mozilla's.

    Raises:
        ConfigurationError: they cannot be read.
    """
    try:
        return httpx.create_ssl_context()
    except (OSError, SSLError) as error:
        named = " and ".join(name for name in _CERTIFICATE_VARIABLES if os.environ.get(name)) or "certifi's file"
        reason = error.strerror or type(error).__name__
        raise ConfigurationError(
            f"{named} holds no certificates that can be read ({reason}): name a PEM file"
        ) from error


def check_answers(settings: Settings, timeout_s: float) -> None:
    """Ask Label Studio for something without the API key, and see that it is Label Studio that refuses.

    Args:
        settings: Label Studio's address.
        timeout_s: seconds until it must answer.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or something else answers.
    """
    address, what = Address.of(settings), "an answer"
    with named_faults(address, what), open_http(settings, timeout_s) as http:
        response = http.get(f"{address.url}/api/current-user/whoami")
    if not response.is_error:
        raise garbled_fault(address, what, response)
    if not own_words(response):
        raise refusal(address, what, response)


@contextmanager
def named_faults(address: Address, what: str) -> Iterator[None]:
    """Turn httpx's errors into ours, which name the fault and the mend.

    Args:
        address: where Label Studio is asked.
        what: what is asked for, in words.
    """
    try:
        yield
    except httpx.HTTPError as error:
        raise transport_fault(address, what, error) from error
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"LABEL_STUDIO_URL={address.url} is no URL of a server ({error})") from error


def read_answer(address: Address, what: str, response: httpx.Response, form: TypeAdapter[T]) -> T:
    """Read the JSON of an answer.

    Args:
        address: where Label Studio was asked.
        what: what was asked for, in words.
        response: the answer.
        form: the form that the JSON must have.

    Raises:
        LabelStudioError: the answer is a refusal, no JSON, or JSON of another form.
    """
    if response.is_error:
        raise refusal(address, what, response)
    try:
        return form.validate_python(response.json())
    except (ValueError, RecursionError):
        # The original error repeats the answer, which may hold texts.
        raise garbled_fault(address, what, response) from None


def _judge(address: Address, response: httpx.Response) -> None:
    """Refuse redirects, and faulty answers to the SDK's own request for an access token: the SDK would mix them up.

    Headers that say how long to wait are taken away: the queue of rounds says when to ask again, and no worker sleeps
    over a request.
    """
    for name in _WAITS:
        response.headers.pop(name, None)
    if response.is_redirect:
        raise redirect_fault(address, response)
    if response.request.url.path.endswith(_REFRESH_PATH):
        response.read()
        read_answer(address, "an access token", response, ACCESS_TOKEN)


def _limits(url: str) -> httpx.Limits:
    """Open a new connection for each request over plain HTTP; reuse connections over TLS, where opening is expensive.

    Label Studio's own server sends an answer's head and body separately. On a reused connection the body waits 40 ms
    for the acknowledgement of the head (Nagle's algorithm and delayed acknowledgement), and a round sends ten requests.
    """
    return httpx.Limits(max_keepalive_connections=0 if url.startswith("http://") else None)
