"""Records of a project's connection: /setup, the ML backend, the webhook's secret, the project's identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Setup:
    """The last /setup request for a project. Anybody can send one: it proves nothing.

    Attributes:
        at: time of the request, in seconds since 1970.
        is_from_plugin: label-studio-ml's own server took the request, so that its answers cannot prove anything.
    """

    at: float
    is_from_plugin: bool = False


@dataclass(frozen=True)
class Connection:
    """What Label Studio says about this backend as an ML backend of the project.

    Attributes:
        url: address at which Label Studio reaches this backend; identifies our webhook.
        extra_params: the project's own settings, by key.
        backend_id: Label Studio's id of the ML backend that proved to be this one; 0 if none did so far.
    """

    url: str = ""
    extra_params: Mapping[str, Any] = field(default_factory=dict)
    backend_id: int = 0


@dataclass(frozen=True)
class WebhookSecret:
    """The secret that Label Studio sends with each event of a project.

    Attributes:
        current: the secret; empty before the first.
        previous: the secret before a rotation, good until Label Studio has the new one; empty for none.
        written_at: when Label Studio was last seen to have it, in seconds since 1970.
    """

    current: str = ""
    previous: str = ""
    written_at: float = 0.0


@dataclass(frozen=True)
class Identity:
    """The project that a folder belongs to. Projects of a recreated database may have had the same id.

    Attributes:
        created_at: ISO time when Label Studio created the project.
    """

    created_at: str
