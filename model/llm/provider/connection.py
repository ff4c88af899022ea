"""One HTTP connection for one attempt, the same for every SDK."""

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

from model.llm.provider.answers import AttemptError, GarbledError, SilentError, UnreachedError

# A server that is there takes a connection in milliseconds; one that is not would use up all the time.
CONNECT_TIMEOUT_S = 5.0


def open_http(timeout_s: float) -> AsyncClient:
    """A client to give to an SDK. It follows no redirects: key and texts go to the configured address alone."""
    timeout = Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))

    async def limit(request: Request) -> None:
        # Mistral's SDK has one number for everything here, connecting included.
        request.extensions["timeout"] = timeout.as_dict()

    return AsyncClient(timeout=timeout, follow_redirects=False, event_hooks={"request": [limit]})


def connection_error(error: RequestError) -> AttemptError:
    """What the client's error is to us."""
    if isinstance(error, ReadTimeout | WriteTimeout):
        return SilentError()
    if isinstance(error, ConnectTimeout):
        return UnreachedError("connecting took too long")
    if isinstance(error, ConnectError):
        return UnreachedError("no connection")
    return UnreachedError("the connection broke") if isinstance(error, TransportError) else GarbledError()
