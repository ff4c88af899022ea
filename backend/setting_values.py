"""The values of single settings: each type strips and checks what somebody wrote, and says what it must be."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from model.query.hooks import is_hook, load_hook
from model.query.strategies import find_start, find_strategy
from model.tasks.label_names import tidy


def _known_strategy(value: Any) -> str:
    """Check STRATEGY. It must not ask an LLM: an LLM costs money, and a classifier's doubt is worth more."""
    strategy = find_strategy(str(value))
    if strategy.asks_llm:
        raise ValueError(f"{strategy.name} chooses only before the first classifier: set it as COLD_START")
    return strategy.name


def _allowed(value: Any, info: ValidationInfo) -> Any:
    """Check that a project names no ordering hook but those that the environment allows.

    Whoever may edit a project in Label Studio chooses the name, and importing a module runs its code. So the check
    comes before the import, and without a list of allowed hooks none is allowed.
    """
    if is_hook(str(value)) and str(value) not in (info.context or {}).get("hooks", ()):
        raise ValueError("a project may name only an ordering hook that ORDERING_HOOKS in the environment lists")
    return value


def _hooks(value: Any) -> str:
    """Check that every ordering hook of a list with commas can be imported."""
    names = listed(str(value))
    for name in names:
        if not is_hook(name):
            raise ValueError(f"{name!r} is no package.module:function")
        load_hook(name)
    return ",".join(names)


def listed(value: str) -> tuple[str, ...]:
    """Return the names in a list with commas."""
    return tuple(name.strip() for name in value.split(",") if name.strip())


def http_url(value: Any) -> str:
    """Check a URL, and strip white space and slashes at its ends.

    Args:
        value: the URL, as somebody wrote it.

    Raises:
        ValueError: it is no URL of a server, or holds a user and password.
    """
    url = _server_url(str(value))
    if "@" in url:
        raise ValueError("must be a URL without a user and password")
    return url


def _server_url(value: str) -> str:
    url = value.strip().rstrip("/")
    if not url.isprintable() or set(url) & set(" \\") or not _has_host(url):
        raise ValueError("must be a URL that starts with http:// or https:// and the name of a server")
    return url


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _bind_address(value: Any) -> str:
    """Check HOST: an address or a name, without a port; an IPv6 address may stand in brackets."""
    host = str(value).strip()
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_name = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host) is not None
    if not is_name and not is_ip_address(host):
        raise ValueError("must be an address or a name to listen on, such as 127.0.0.1, 0.0.0.0 or ::1, without a port")
    return host


def is_ip_address(host: str) -> bool:
    """Whether a host is an IP address and no name.

    Args:
        host: without brackets and port.
    """
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _label_studio_url(value: Any) -> str:
    """Check LABEL_STUDIO_URL, to which the paths of Label Studio's API are added."""
    url = http_url(value)
    if "?" in url or "#" in url:
        raise ValueError("must end before ? and #: the address at which Label Studio's start page opens")
    return url


def _proxy_url(value: Any) -> Any:
    """Check LABEL_STUDIO_PROXY. Unlike Label Studio's, the address of a proxy may hold a user and password."""
    return _server_url(_revealed(value))


def _key(value: Any) -> str | None:
    """Strip a key: a copied key, or one from a file, often ends in a line break. Empty means that no key is set."""
    key = _revealed(value).strip()
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("must be the key alone: it holds a blank, a line break or a letter that no key can have")
    return key or None


def _revealed(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _utf_8(value: Any) -> Any:
    """Refuse a text whose bytes in the environment are no UTF-8: browsers send passwords as UTF-8."""
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be written in UTF-8") from error
    return value


def _cold_start(value: Any) -> str:
    """Check COLD_START. It must not need class probabilities: before the first model there are none."""
    return find_start(str(value)).name


StrategyName = Annotated[str, BeforeValidator(_known_strategy)]
ColdStartName = Annotated[str, BeforeValidator(_cold_start)]
# pydantic runs validators of this kind from the last to the first.
AllowedStrategyName = Annotated[StrategyName, BeforeValidator(_allowed)]
AllowedColdStartName = Annotated[ColdStartName, BeforeValidator(_allowed)]
HookNames = Annotated[str, BeforeValidator(_hooks)]
HttpUrl = Annotated[str, BeforeValidator(http_url)]
LabelStudioUrl = Annotated[str, BeforeValidator(_label_studio_url)]
ProxyUrl = Annotated[SecretStr, BeforeValidator(_proxy_url)]
Key = Annotated[SecretStr | None, BeforeValidator(_key)]
BindAddress = Annotated[str, BeforeValidator(_bind_address)]
# A process, or SQLite, that is told a relative path may start from another folder.
Folder = Annotated[Path, AfterValidator(Path.absolute)]
Credential = Annotated[str, AfterValidator(_utf_8)]
SecretCredential = Annotated[SecretStr, BeforeValidator(_utf_8)]
AutoOrOff = Annotated[Literal["auto", "off"], BeforeValidator(_lower)]
LabelDescription = Annotated[str, AfterValidator(tidy)]
RetrainEvery = Annotated[int, Field(ge=2, le=100_000)]
QuerySize = Annotated[int, Field(ge=1, le=10_000)]
QueueSize = Annotated[int, Field(ge=1, le=1_000_000)]
ExploreShare = Annotated[float, Field(ge=0.0, le=0.5)]
