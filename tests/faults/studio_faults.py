"""Everything that is known to go wrong between the backend and Label Studio, and the words that must name it."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import trustme

from examples.servers import free_port
from tests.studio_servers import (
    LEGACY_KEY,
    PERSONAL_TOKEN,
    SILENCE,
    TRICKLE,
    Answer,
    Asked,
    full_server,
    labels,
    refused_by_label_studio,
    resetting_server,
    studio_server,
    token,
)

Environment = dict[str, str]
HTML = {"Content-Type": "text/html; charset=utf-8"}
LOGIN_PAGE = Answer(200, "<!doctype html><title>Sign in</title><form></form>", HTML)
GATE = "stands before Label Studio"
ADDRESS = "set LABEL_STUDIO_URL"


@dataclass(frozen=True)
class Fault:
    """A fault, and what must be said of it.

    Attributes:
        name: for the test's id.
        code: code of the error.
        fault: words that name it.
        mend: words that say what to do.
        start: starts what misbehaves; yields the environment in which the fault shows.
        is_silent: the fault is that nothing comes, so a test should not wait long.
    """

    name: str
    code: str
    fault: str
    mend: str
    start: Callable[[], AbstractContextManager[Environment]]
    is_silent: bool = False

    @property
    def is_passing(self) -> bool:
        """Only a key that Label Studio itself calls wrong, and a project that it does not find, stay wrong."""
        return self.code not in ("token_refused", "unknown_project")


def always(answer: Answer | Callable[[Asked], Answer], **environment: str) -> Callable[[], object]:
    """What misbehaves is a server that gives this answer to everything."""

    @contextmanager
    def start() -> Iterator[Environment]:
        with studio_server(answer) as server:
            yield {"LABEL_STUDIO_URL": server.url, **environment}

    return start


def only_project_1(answer: Answer) -> Callable[[], object]:
    """What misbehaves is the project alone."""

    def reply(asked: Asked) -> Answer:
        return answer if asked.path.startswith("/api/projects/1/") else labels()(asked)

    return always(reply)


def nothing_at(url: str, **environment: str) -> Callable[[], object]:
    @contextmanager
    def start() -> Iterator[Environment]:
        yield {"LABEL_STUDIO_URL": url.format(port=free_port()), **environment}

    return start


@cache
def authority() -> trustme.CA:
    """A certificate authority of one's own."""
    return trustme.CA()


def tls(name: str = "127.0.0.1", not_after: datetime | None = None) -> ssl.SSLContext:
    """The certificate of a server, issued by our own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    not_before = datetime(2019, 1, 1, tzinfo=UTC) if not_after else None
    authority().issue_cert(name, not_after=not_after, not_before=not_before).configure_cert(context)
    return context


def over_tls(context: Callable[[], ssl.SSLContext], *, is_trusted: bool) -> Callable[[], object]:
    @contextmanager
    def start() -> Iterator[Environment]:
        with studio_server(labels(), context()) as server, authority().cert_pem.tempfile() as file:
            trusted = {"SSL_CERT_FILE": file} if is_trusted else {}
            yield {"LABEL_STUDIO_URL": server.url, **trusted}

    return start


@contextmanager
def tls_where_http_is_spoken() -> Iterator[Environment]:
    with studio_server(labels()) as server:
        yield {"LABEL_STUDIO_URL": server.url.replace("http://", "https://")}


@contextmanager
def http_where_tls_is_spoken() -> Iterator[Environment]:
    with studio_server(labels(), tls()) as server:
        yield {"LABEL_STUDIO_URL": server.url.replace("https://", "http://")}


@contextmanager
def taking_no_connection() -> Iterator[Environment]:
    with full_server() as url:
        yield {"LABEL_STUDIO_URL": url}


@contextmanager
def resetting() -> Iterator[Environment]:
    with resetting_server() as url:
        yield {"LABEL_STUDIO_URL": url}


@contextmanager
def refusing_proxy() -> Iterator[Environment]:
    with studio_server(Answer(403, "no")) as proxy:
        yield {"LABEL_STUDIO_URL": "https://labels.example", "LABEL_STUDIO_PROXY": proxy.url}


@contextmanager
def certificates_that_are_none() -> Iterator[Environment]:
    with studio_server(labels()) as server:
        yield {"LABEL_STUDIO_URL": server.url, "SSL_CERT_FILE": str(Path(__file__))}


def expired_key() -> Callable[[], object]:
    return always(labels(), LABEL_STUDIO_API_KEY=token("refresh", expires_s=1_000_000_000))


UNREACHABLE, ANSWER, REFUSED = "label_studio_unreachable", "label_studio_answer", "label_studio"

FAULTS = (
    Fault("nobody listens", UNREACHABLE, "nobody listens there", ADDRESS, nothing_at("http://127.0.0.1:{port}")),
    Fault("unknown host", UNREACHABLE, "no host has the name", ADDRESS, nothing_at("http://no-such-host.invalid")),
    Fault("hangs up", UNREACHABLE, "was closed before", "https://", always(Answer(raw=b""))),
    Fault("resets", UNREACHABLE, "was closed before", "log", resetting),
    Fault("half an answer", UNREACHABLE, "closed before", "log", always(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-"))),
    Fault(
        *("half a body", UNREACHABLE, "closed before", "log"),
        always(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")),
    ),
    Fault(
        "no HTTP", UNREACHABLE, "closed before a whole HTTP answer", "log", always(Answer(raw=b"220 mail.example\r\n"))
    ),
    Fault(
        "takes no connection", UNREACHABLE, "no connection in time", "firewall", taking_no_connection, is_silent=True
    ),
    Fault("trickles", UNREACHABLE, "comes too slowly", "overloaded", always(TRICKLE), is_silent=True),
    Fault("silent", UNREACHABLE, "stays silent", "overloaded", always(SILENCE), is_silent=True),
    Fault(
        "broken gzip",
        UNREACHABLE,
        "decompressed",
        "proxy",
        always(Answer(200, b"no gzip", {"Content-Encoding": "gzip"})),
    ),
    Fault("own certificate", UNREACHABLE, "certificate is refused", "SSL_CERT_FILE", over_tls(tls, is_trusted=False)),
    Fault(
        *("certificate of another", UNREACHABLE, "certificate is refused", "a name for which"),
        over_tls(lambda: tls("elsewhere.example"), is_trusted=True),
    ),
    Fault(
        *("expired certificate", UNREACHABLE, "certificate is refused", "renew"),
        over_tls(lambda: tls(not_after=datetime(2020, 1, 1, tzinfo=UTC)), is_trusted=True),
    ),
    Fault("https for http", UNREACHABLE, "TLS failed", "write http://", tls_where_http_is_spoken),
    Fault("http for https", UNREACHABLE, "was closed before", "write https://", http_where_tls_is_spoken),
    Fault("refusing proxy", UNREACHABLE, "the proxy refuses", "LABEL_STUDIO_PROXY", refusing_proxy),
    Fault(
        *("no proxy there", UNREACHABLE, "the proxy itself cannot be reached", "LABEL_STUDIO_PROXY"),
        nothing_at("http://labels.example", LABEL_STUDIO_PROXY=f"http://127.0.0.1:{free_port()}"),
    ),
    Fault("proxy with a password", UNREACHABLE, "a proxy wants a password", "LABEL_STUDIO_PROXY", always(Answer(407))),
    Fault("login page", ANSWER, "with a web page instead of JSON", GATE, always(LOGIN_PAGE)),
    Fault(
        *("redirect to a login page", ANSWER, "redirects to https://sso.example/login (302)", GATE),
        always(Answer(302, "", {"Location": "https://sso.example/login?next=secret"})),
    ),
    Fault(
        *("redirect to TLS", ANSWER, "redirects to https://labels.example/api", "to https://labels.example,"),
        always(lambda asked: Answer(301, "", {"Location": f"https://labels.example{asked.path}"})),
    ),
    Fault("redirect without an address", ANSWER, "redirects to nowhere", GATE, always(Answer(302))),
    Fault(
        *("redirect to itself", ANSWER, "redirects to http://127.0.0.1", GATE),
        always(lambda asked: Answer(302, "", {"Location": f"{asked.path.partition('?')[0]}?cookies=secret"})),
    ),
    Fault("redirect to nowhere", ANSWER, "redirects to", GATE, always(Answer(302, "", {"Location": "http://[::1"}))),
    Fault("null", ANSWER, "JSON that is not Label Studio's", ADDRESS, always(Answer(200, "null"))),
    Fault("a list", ANSWER, "JSON that is not Label Studio's", ADDRESS, always(Answer(200, "[1]"))),
    Fault("other JSON", ANSWER, "JSON that is not Label Studio's", ADDRESS, always(Answer(200, {"status": "ok"}))),
    Fault("empty", ANSWER, "with nothing", ADDRESS, always(Answer(200, ""))),
    Fault("no content", ANSWER, "with nothing", ADDRESS, always(Answer(204, ""))),
    Fault("plain text", ANSWER, "something that is no JSON", ADDRESS, always(Answer(200, "It works!"))),
    Fault("not UTF-8", ANSWER, "something that is no JSON", ADDRESS, always(Answer(200, b'{"email": "\xff\xfe"}'))),
    Fault("too deep", ANSWER, "something that is no JSON", ADDRESS, always(Answer(200, "[" * 100_000))),
    Fault("gate with 401", ANSWER, "something before", GATE, always(Answer(401, "<html>Sign in</html>", HTML))),
    Fault("gate with 403", ANSWER, "something before", GATE, always(Answer(403, {"detail": "Forbidden"}))),
    Fault("another path", REFUSED, "has nothing like that (404)", "with its path", always(Answer(404, "<p>", HTML))),
    Fault("400 of a proxy", ANSWER, "400", ADDRESS, always(Answer(400, "<p>HTTP sent to HTTPS port</p>", HTML))),
    Fault("400", REFUSED, "400", "log", always(refused_by_label_studio(400, "Validation error"))),
    Fault("403", REFUSED, "forbids the API key's owner", "somebody who", always(refused_by_label_studio(403, "No."))),
    Fault("429", UNREACHABLE, "429", "overloaded", always(Answer(429, "slow down"))),
    Fault("500", UNREACHABLE, "500", "log", always(refused_by_label_studio(500, "database is locked"))),
    Fault("502", UNREACHABLE, "502", "starting", always(Answer(502, "<html>Bad gateway</html>", HTML))),
    Fault(
        *("credentials lost", ANSWER, "found no API key in a request", "Authorization header"),
        always(refused_by_label_studio(401, "Authentication credentials were not provided.")),
    ),
    Fault(
        *("wrong key", "token_refused", "refused the API key (Invalid token, 401)", "personal access token"),
        always(refused_by_label_studio(401, "Invalid token.")),
    ),
    Fault("expired key", "token_refused", "expired", "personal access token", expired_key()),
    Fault("no key", "token_refused", "no API key", "LABEL_STUDIO_API_KEY", always(labels(), LABEL_STUDIO_API_KEY="")),
    Fault(
        *("no project", "unknown_project", "has no project 1", "it was deleted"),
        only_project_1(refused_by_label_studio(404, "No Project matches the given query.")),
    ),
    Fault("certificates", "configuration", "SSL_CERT_FILE holds no certificates", "PEM", certificates_that_are_none),
)
# The same faults behind a personal access token, which is first sent to another path.
KEYS = {"legacy token": LEGACY_KEY, "personal access token": PERSONAL_TOKEN}
