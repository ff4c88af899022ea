"""Faults between this backend and Label Studio: each is told from the others, and named with its mend."""

import errno
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from backend.errors import (
    LabelStudioAnswerError,
    LabelStudioError,
    LabelStudioFailedError,
    LabelStudioUnreachableError,
    TokenRefusedError,
    UnknownProjectError,
)
from backend.settings import Settings

KEY_MEND = (
    "set LABEL_STUDIO_API_KEY to a personal access token (Label Studio → your account → Personal Access Token); "
    "legacy tokens are off by default (Organization → API Tokens Settings turns them on)"
)
_BROKEN = "is it starting, overloaded or broken? Its log may say more"
_RIGHT_URL = "set LABEL_STUDIO_URL to the address at which you open Label Studio, with its path if it has one"
_PAST_THE_GATE = (
    "a login page (single sign-on) or another server stands before Label Studio: let it pass requests under /api/ with "
    "their Authorization header, or set LABEL_STUDIO_URL to an address of Label Studio without a login page"
)
_OWN_CERTIFICATE = (
    "if that is a certificate of your own, set SSL_CERT_FILE to a PEM file with the certificate of its authority"
)
_PROXY = "correct LABEL_STUDIO_PROXY, or unset it to ask Label Studio directly"
# Label Studio says so of a request whose Authorization header it did not find, or whose access token is too old.
_NO_CREDENTIALS = "credentials were not provided"
# OpenSSL's numbers for a certificate out of its time, and for one of another host name or address.
_OUT_OF_TIME, _OTHER_NAME = (9, 10), (62, 64)
# A longer address tells nothing more.
_ADDRESS_CHARACTERS = 200

E = TypeVar("E", bound=BaseException)


class SlowAnswerError(httpx.ReadTimeout):
    """The answer came, but too slowly to wait for its end."""


@dataclass(frozen=True)
class Address:
    """Where Label Studio is asked.

    Attributes:
        url: LABEL_STUDIO_URL.
        has_proxy: requests go over LABEL_STUDIO_PROXY.
    """

    url: str
    has_proxy: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Address":
        """The address that the settings name."""
        return cls(settings.label_studio_url, settings.label_studio_proxy is not None)

    def __str__(self) -> str:
        return f"Label Studio at {self.url}{' (over LABEL_STUDIO_PROXY)' if self.has_proxy else ''}"

    def leads_to(self, location: str, path: str) -> str | None:
        """The LABEL_STUDIO_URL that a redirect suggests; None if it leads to another page than the one asked for.

        Args:
            location: the whole address that the redirect names, up to its query.
            path: the path that was asked for, without LABEL_STUDIO_URL's own.
        """
        moved, page = location.rstrip("/"), path.rstrip("/")
        better = moved.removesuffix(page)
        return better if moved.endswith(page) and better != self.url else None


def transport_fault(address: Address, what: str, error: httpx.HTTPError) -> LabelStudioUnreachableError:
    """Name the fault that kept an answer from arriving.

    Args:
        address: where Label Studio was asked.
        what: what was asked for, in words.
        error: httpx's error.
    """
    asked = f"{address} did not answer when asked for {what}"
    fault, mend = next(filter(None, (look(address, error) for look in _LOOKS)))
    return LabelStudioUnreachableError(f"{asked}: {fault}", mend)


def _tls(address: Address, error: httpx.HTTPError) -> tuple[str, str] | None:
    untrusted = _cause(error, ssl.SSLCertVerificationError)
    if untrusted is not None:
        fault = f"its TLS certificate is refused ({untrusted.verify_message})"
        if untrusted.verify_code in _OTHER_NAME:
            return fault, "set LABEL_STUDIO_URL to a name for which the certificate is issued"
        if untrusted.verify_code in _OUT_OF_TIME:
            return fault, "renew the certificate, or set this machine's clock"
        return fault, _OWN_CERTIFICATE
    broken = _cause(error, ssl.SSLError)
    if broken is None:
        return None
    return (
        f"TLS failed ({broken.reason or type(broken).__name__})",
        "does it speak TLS at this address? If not, write http:// in LABEL_STUDIO_URL",
    )


def _proxy(address: Address, error: httpx.HTTPError) -> tuple[str, str] | None:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refuses to connect ({error})", _PROXY
    if address.has_proxy and isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return "the proxy itself cannot be reached", _PROXY
    return None


def _network(address: Address, error: httpx.HTTPError) -> tuple[str, str] | None:
    host = urlsplit(address.url).hostname
    refused = _cause(error, OSError)
    if isinstance(refused, socket.gaierror):
        return f"no host has the name {host!r}", f"{_RIGHT_URL} (inside Docker, the service's name)"
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time", f"{_RIGHT_URL}; a firewall may be in the way"
    if refused is not None and refused.errno == errno.ECONNREFUSED:
        return "nobody listens there (connection refused)", f"start Label Studio, or {_RIGHT_URL}"
    was_reset = refused is not None and refused.errno == errno.ECONNRESET
    if isinstance(error, httpx.ConnectError) and not was_reset:
        return f"no connection ({refused.strerror if refused else error})", _RIGHT_URL
    return None


def _conversation(address: Address, error: httpx.HTTPError) -> tuple[str, str]:
    if isinstance(error, SlowAnswerError):
        return "its answer comes too slowly", "is it overloaded, or the network slow? Its log may say more"
    if isinstance(error, httpx.TimeoutException):
        return "it took the request and stays silent", "is it overloaded? Its log may say more"
    if isinstance(error, httpx.DecodingError):
        return "its answer cannot be decompressed", f"a proxy before it may be broken; or {_RIGHT_URL}"
    tls = "; if it speaks TLS, write https:// in LABEL_STUDIO_URL" if address.url.startswith("http://") else ""
    return (
        f"the connection was closed before a whole HTTP answer came ({type(error).__name__})",
        f"is it starting, or broken? Its log may say more{tls}",
    )


# The causes of an error, the surest first: each look gives a fault and its mend, or None if the cause is another.
_LOOKS = (_tls, _proxy, _network, _conversation)


def _cause(error: BaseException, kind: type[E]) -> E | None:
    """Return the error of a kind behind an error; None if there is none."""
    return next((found for found in _chain(error) if isinstance(found, kind)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def redirect_fault(address: Address, response: httpx.Response) -> LabelStudioAnswerError:
    """Name the fault of an answer that sends us elsewhere. Nothing is sent there: it would get the API key.

    Args:
        address: where Label Studio was asked.
        response: the redirect.
    """
    location = _location(response)
    path = response.request.url.path.removeprefix(urlsplit(address.url).path)
    better = address.leads_to(location, path)
    to = f"redirects to {location[:_ADDRESS_CHARACTERS] or 'nowhere'}"
    mend = f"set LABEL_STUDIO_URL to {better}, if that is your Label Studio" if better else _PAST_THE_GATE
    return LabelStudioAnswerError(f"{address} {to} ({response.status_code}), which is not followed", mend)


def _location(response: httpx.Response) -> str:
    """Where a redirect leads; empty if it leads nowhere. A login page's query may hold secrets and is left out."""
    try:
        to = response.url.join(response.headers["location"])
        return str(to.copy_with(query=None, fragment=None, userinfo=b""))
    except (httpx.InvalidURL, KeyError):
        return ""


def garbled_fault(address: Address, what: str, response: httpx.Response) -> LabelStudioAnswerError:
    """Name the fault of a successful answer that is not what Label Studio answers.

    Args:
        address: where Label Studio was asked.
        what: what was asked for, in words.
        response: the answer.
    """
    answered = f"{address} answered {response.status_code} when asked for {what}, but with"
    if not response.content.strip():
        return LabelStudioAnswerError(f"{answered} nothing", _RIGHT_URL)
    if response.content.lstrip()[:1] == b"<":
        return LabelStudioAnswerError(f"{answered} a web page instead of JSON", _PAST_THE_GATE)
    kind = "JSON that is not Label Studio's" if _json(response) is not response else "something that is no JSON"
    return LabelStudioAnswerError(f"{answered} {kind}", f"does another program answer there? If so, {_RIGHT_URL}")


def refusal(address: Address, what: str, response: httpx.Response) -> LabelStudioError:
    """Name the reason of a refusal, without the body, which may hold texts or keys.

    Args:
        address: where Label Studio was asked.
        what: what was asked for, in words.
        response: the answer, with a status of 400 or more.
    """
    status, said = response.status_code, own_words(response)
    answered = f"{address} answered {status} when asked for {what}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _forbidden(address, what, status, said)
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return LabelStudioUnreachableError(f"{answered}: a proxy wants a password", _PROXY)
    if status == HTTPStatus.NOT_FOUND:
        mend = "it was deleted, or the API key's owner may not see it" if said else _RIGHT_URL
        return LabelStudioError(f"{address} has nothing like that (404): {what}", mend)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return LabelStudioFailedError(answered, _BROKEN)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status > HTTPStatus.INTERNAL_SERVER_ERROR:
        return LabelStudioUnreachableError(answered, _BROKEN)
    if not said:
        return LabelStudioAnswerError(f"{answered}, and not in Label Studio's words", _RIGHT_URL)
    return LabelStudioError(answered, "its log may say why")


def _forbidden(address: Address, what: str, status: int, said: str) -> LabelStudioError:
    if not said:
        return LabelStudioAnswerError(
            f"something before {address} refused to pass on a request for {what} ({status})", _PAST_THE_GATE
        )
    if status == HTTPStatus.FORBIDDEN:
        return LabelStudioError(
            f"{address} forbids the API key's owner to ask for {what} (403)",
            "use the token of somebody who can open the project in Label Studio",
        )
    if _NO_CREDENTIALS in said:
        return LabelStudioAnswerError(
            f"{address} found no API key in a request for {what}, although it was sent (401)",
            "a proxy before it may remove the Authorization header, or the clocks of both machines may differ",
        )
    return token_fault(address, f"{said.rstrip('.')}, {status}")


def unknown_project(address: Address, project_id: int) -> UnknownProjectError:
    """The error for a project that Label Studio itself does not find."""
    return UnknownProjectError(
        f"{address} has no project {project_id}: it was deleted, or the API key's owner may not see it"
    )


def token_fault(address: Address, reason: str) -> TokenRefusedError:
    """The error for a key that is provably wrong.

    Args:
        address: where Label Studio was asked.
        reason: why the key is wrong, in a few words.
    """
    return TokenRefusedError(f"{address} refused the API key ({reason})", KEY_MEND)


def own_words(response: httpx.Response) -> str:
    """Return Label Studio's own words for a refusal; empty if the refusal is somebody else's.

    Label Studio repeats the status and its version in the JSON of a refusal. A proxy or a login page does not.

    Args:
        response: an answer with a status of 400 or more.
    """
    said = _json(response)
    if not isinstance(said, dict) or said.get("status_code") != response.status_code or "version" not in said:
        return ""
    return str(said.get("detail") or "no reason given")


def _json(response: httpx.Response) -> Any:
    """The answer's JSON; the response itself if it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return response
