"""The HTTP connection of one attempt, the same for every SDK."""

from httpx2 import (
    AsyncClient,
    ConnectError,
    ConnectTimeout,
    ReadTimeout,
    Request,
    RequestError,
    Timeout,
    TransportError,
    WriteTimeout,
)

from model.llm.provider.attempts import AttemptError, GarbledError, SilentError, UnreachedError

# A running server takes a connection in milliseconds; a dead one would use up the whole time.
CONNECT_TIMEOUT_S = 5.0


def open_http(timeout_s: float) -> AsyncClient:
    """An HTTP client for an SDK. The client follows no redirects: key and texts go to the configured address alone."""
    timeout = Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))

    async def limit(request: Request) -> None:
        # Mistral's SDK sets one limit for connecting and reading.
        request.extensions["timeout"] = timeout.as_dict()

    return AsyncClient(timeout=timeout, follow_redirects=False, event_hooks={"request": [limit]})


def connection_error(error: RequestError) -> AttemptError:
    """The attempt error for an error of the HTTP client."""
    if isinstance(error, ReadTimeout | WriteTimeout):
        return SilentError()
    if isinstance(error, ConnectTimeout):
        return UnreachedError("connecting took too long")
    if isinstance(error, ConnectError):
        return UnreachedError("no connection")
    return UnreachedError("the connection broke") if isinstance(error, TransportError) else GarbledError()
