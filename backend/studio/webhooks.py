"""Label Studio's webhooks: the Basic auth header that Label Studio must send with each event."""

import base64
import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from backend.settings import Settings
from backend.studio.client import LabelStudioClient

log = logging.getLogger(__name__)


def let_webhooks_in(settings: Settings, client: LabelStudioClient, project_id: int, host: str) -> None:
    """Add our credentials to Label Studio's webhook, which Label Studio creates without credentials.

    Args:
        settings: the settings, with the credentials.
        client: the client for Label Studio.
        project_id: the project.
        host: name and port of this backend as Label Studio reaches it; empty before the first /setup.
    """
    headers = webhook_headers(settings)
    if headers and host and not client.set_webhook_headers(project_id, _is_webhook_of(host), headers):
        log.warning("event=no_webhook project=%d host=%s", project_id, host)


def webhook_headers(settings: Settings) -> dict[str, str]:
    """Return the headers that Label Studio must send with each event; empty without Basic auth."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return {}
    pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass.get_secret_value()}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode("ascii")}


def _is_webhook_of(host: str) -> Callable[[str], bool]:
    return lambda url: urlsplit(url).netloc == host and url.endswith("/webhook")
