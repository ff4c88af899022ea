"""Send requests to Label Studio with the API key, and read the answers, over label-studio-sdk."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.request_options import RequestOptions
from pydantic import TypeAdapter

from backend.errors import TokenRefusedError
from backend.settings import Settings
from backend.studio.answers import IDENTIFIED
from backend.studio.faults import KEY_MEND, Address, own_words, token_fault, unknown_project
from backend.studio.opening import named_faults, open_http, read_answer, timeouts

# Label Studio answers a page of 1,000 tasks in a second; an export of 20,000 takes 20.
TIMEOUT_S = 120.0
# How often the SDK repeats a request that Label Studio did not take, or answered with 429 or 5xx; 1 s and 2 s later.
RETRIES = 2

T = TypeVar("T")


class Sender:
    """Sends requests to Label Studio. The API key goes only to the origin of `LABEL_STUDIO_URL`.

    A path is relative to Label Studio's address; `what` says in words what is asked for, for errors.

    Raises:
        TokenRefusedError: from any method, if Label Studio calls the API key wrong.
        LabelStudioError: from any method, if no answer of Label Studio comes, or a refusal; a retry may succeed.
    """

    def __init__(self, settings: Settings, timeout_s: float | None = None, retries: int | None = None) -> None:
        """Open the connections; nothing is sent yet.

        Args:
            settings: Label Studio's address and key.
            timeout_s: seconds until the next piece of an answer must come; None for TIMEOUT_S.
            retries: how often a request is repeated; None for RETRIES.
        """
        timeout_s = timeout_s or TIMEOUT_S
        if settings.label_studio_api_key is None:
            raise TokenRefusedError("no API key", KEY_MEND)
        self._address = Address.of(settings)
        self._http = open_http(settings, timeout_s)
        key = settings.label_studio_api_key.get_secret_value()
        options = {"timeout": timeouts(timeout_s), "max_retries": RETRIES if retries is None else retries}
        self._client = _open_client(self._address, key, self._http, options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, method: str, path: str, what: str, body: Any = None, retries: int | None = None) -> httpx.Response:
        """Send a request with the SDK's authentication and retries. The SDK's own methods check no answer's form."""
        options: RequestOptions = {} if retries is None else {"max_retries": retries}
        with named_faults(self._address, what):
            response: httpx.Response = self._client._client_wrapper.httpx_client.request(
                path, base_url=self._address.url, method=method, json=body, request_options=options
            )
            return response

    def answer(self, what: str, response: httpx.Response, form: TypeAdapter[T]) -> T:
        """Read the JSON of an answer; a refusal, or JSON of another form, is an error."""
        return read_answer(self._address, what, response, form)

    def read(self, path: str, what: str, form: TypeAdapter[T], retries: int | None = None) -> T:
        """Read something."""
        return self.answer(what, self.send("GET", path, what, retries=retries), form)

    def read_of(self, project_id: int, path: str, what: str, form: TypeAdapter[T]) -> T:
        """Read something of a project; Label Studio's own 404 means that there is no such project."""
        response = self.send("GET", path, what)
        if is_gone(response):
            raise unknown_project(self._address, project_id)
        return self.answer(what, response, form)

    def change(self, method: str, path: str, what: str, body: Any, form: TypeAdapter[T]) -> T:
        """Make or change something."""
        return self.answer(what, self.send(method, path, what, body), form)

    def delete(self, path: str, what: str) -> None:
        """Delete something, unless it is deleted already."""
        response = self.send("DELETE", path, what)
        if response.status_code != HTTPStatus.NO_CONTENT and not is_gone(response):
            self.answer(what, response, IDENTIFIED)


def is_gone(response: httpx.Response) -> bool:
    """Whether Label Studio itself says that it has no such thing, or not any more."""
    return response.status_code == HTTPStatus.NOT_FOUND and bool(own_words(response))


def _open_client(address: Address, api_key: str, http: httpx.Client, options: Mapping[str, Any]) -> LabelStudio:
    """Create the SDK's client, which turns a personal access token into access tokens. Nothing is sent yet."""
    try:
        return LabelStudio(
            # Without the slash the SDK would ask for access tokens at the root of the server.
            base_url=f"{address.url}/",
            api_key=api_key,
            httpx_client=http,
            **options,
        )
    except ApiError as error:
        # The SDK reads the token's time of expiry.
        raise token_fault(address, "the token has expired, or never expires") from error
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise token_fault(address, "its time of expiry is no time") from error
