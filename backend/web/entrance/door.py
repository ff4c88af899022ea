"""Checks of Host, Origin, content type and the number of requests, before a body is read."""

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Request

from backend.errors import ForeignRequestError, TooManyRequestsError, WrongContentTypeError
from backend.setting_values import is_ip_address
from backend.settings import Settings
from backend.web.entrance.rate_limit import RateLimit

# A client may send as many requests at once as RATE_LIMIT allows in this time.
BURST_S = 5.0
# Wrong passwords that a client may send in a second, and at once.
WRONG_PASSWORDS_A_S, WRONG_PASSWORDS_AT_ONCE = 1.0, 20.0
# Names by which only this machine, or a container's host, is reached. A page of a foreign site can have none of them.
_OWN_NAMES = ("localhost", "host.docker.internal")
# Forms of ours, which a token protects instead of their type.
_FORMS = frozenset(
    {
        "shortlist.take_pasted_answer",
        *("pages.train", "pages.pause_project", "pages.resume_project", "pages.choose_version"),
        *("pages.apply", "pages.find", "pages.end_find", "pages.stop"),
    }
)
# The length of an IPv6 network that belongs to one client, who may use any address in it.
_CLIENT_PREFIX = 64


class Door:
    """The checks of one web process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hosts = own_hosts(settings)
        self._requests = RateLimit(settings.rate_limit, settings.rate_limit * BURST_S) if settings.rate_limit else None
        self._wrong_passwords = RateLimit(WRONG_PASSWORDS_A_S, WRONG_PASSWORDS_AT_ONCE)

    def check(self, request: Request) -> None:
        """Refuse requests of foreign pages, to foreign names, of other types than JSON, and beyond the rate limit.

        Args:
            request: the request; its body is not read.

        Raises:
            TooManyRequestsError: the client sent more than RATE_LIMIT.
            ForeignRequestError: the Host is no name of ours, or a browser sends the request for another site.
            WrongContentTypeError: a POST holds something else than JSON; a browser sends other types for any page.
        """
        if self._requests is not None and not self._requests.take(client_of(request)):
            raise TooManyRequestsError("too many requests from this address: RATE_LIMIT is the limit")
        self._check_host(request)
        _check_origin(request)
        if request.method == "POST" and not request.is_json and not is_form(request):
            raise WrongContentTypeError("this backend takes JSON: send Content-Type: application/json")

    def _check_host(self, request: Request) -> None:
        """Refuse a foreign Host: a page could give its own name our address, and read our answers (DNS rebinding).

        An address in place of a name cannot be rebound.
        """
        name = host_name(request.host)
        if name not in self._hosts and "*" not in self._hosts and not is_ip_address(name):
            raise ForeignRequestError(
                f"this backend does not go by the name {name!r}: if it does, add the name to ALLOWED_HOSTS in its "
                "environment"
            )

    def check_password_tries(self, request: Request) -> None:
        """Refuse a client that sent too many wrong passwords.

        Args:
            request: a request with a password.

        Raises:
            TooManyRequestsError: the client has to wait.
        """
        if not self._wrong_passwords.has_any(client_of(request)):
            raise TooManyRequestsError("too many wrong passwords from this address: wait a minute")

    def count_wrong_password(self, request: Request) -> None:
        """Count a wrong password of a client."""
        self._wrong_passwords.take(client_of(request))


def own_hosts(settings: Settings) -> frozenset[str]:
    """Return the names by which this backend may be called, in lower case; addresses of any kind come on top."""
    own = (*_OWN_NAMES, socket.gethostname(), settings.host, *settings.allowed_host_names)
    return frozenset(name.strip().lower().rstrip(".") for name in own if name.strip())


def host_name(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets; empty if there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _check_origin(request: Request) -> None:
    """Refuse requests that a browser sends for another site; browsers add credentials, and name the site."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "")
    is_foreign = origin is not None and origin.partition("://")[2].lower() != request.host.lower()
    if is_foreign or (request.method == "POST" and site in ("cross-site", "same-site")):
        raise ForeignRequestError("this request belongs to another site: open the page here and send it from there")


def is_form(request: Request) -> bool:
    """Whether the request goes to a form of ours, which a token protects instead of its type."""
    return request.endpoint in _FORMS


def client_of(request: Request) -> str:
    """Return the address that counts as one client."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return request.remote_addr or ""
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _CLIENT_PREFIX), strict=False))
