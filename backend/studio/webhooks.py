"""The secret of a project's webhook, which Label Studio sends as a header with each event."""

import hmac
import logging
import secrets
import time

from backend.store.connection import WebhookSecret
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from backend.studio.records import MLBackend

HEADER = "X-Shortlist-Secret"
# Somebody may change a webhook's headers in Label Studio. A look costs a request.
LOOK_EVERY_S = 60.0

log = logging.getLogger(__name__)


def sign_webhook(client: LabelStudioClient, folder: ProjectFolder) -> None:
    """Have Label Studio send the project's secret with each event; Label Studio creates the webhook without headers.

    Args:
        client: the client for Label Studio.
        folder: the folder of a connected project.
    """
    secret = folder.webhook_secret.read()
    if 0 <= time.time() - secret.written_at < LOOK_EVERY_S:
        return
    if not secret.current:
        secret = WebhookSecret(secrets.token_hex(32))
        folder.webhook_secret.write(secret)
    _write(client, folder, secret)


def rotate_secret(client: LabelStudioClient, folder: ProjectFolder) -> bool:
    """Replace the project's secret. The old secret stays good until Label Studio has the new one.

    Args:
        client: the client for Label Studio.
        folder: the folder of the project.

    Returns:
        True if Label Studio has a new secret; False if the project has none yet, or no webhook.
    """
    old = folder.webhook_secret.read()
    if not old.current or not folder.is_connected():
        return False
    secret = WebhookSecret(secrets.token_hex(32), previous=old.current)
    folder.webhook_secret.write(secret)
    return _write(client, folder, secret)


def _write(client: LabelStudioClient, folder: ProjectFolder, secret: WebhookSecret) -> bool:
    connection = folder.connection.read()
    url = MLBackend(connection.backend_id, connection.url).webhook_url
    headers = secret_header(folder.project_id, secret.current)
    if not client.set_webhook_headers(folder.project_id, lambda hook: hook == url, headers):
        log.warning("event=no_webhook project=%d url=%s", folder.project_id, connection.url)
        return False
    folder.webhook_secret.write(WebhookSecret(secret.current, written_at=time.time()))
    return True


def secret_header(project_id: int, secret: str) -> dict[str, str]:
    """Return the header that Label Studio must send with each event of a project.

    Args:
        project_id: the project, so that a request can be judged before its body is read.
        secret: the project's secret.
    """
    return {HEADER: f"{project_id}.{secret}"}


def is_secret_of(folder: ProjectFolder, given: str) -> bool:
    """Whether a request carries the secret of a project.

    Args:
        folder: the folder of the project.
        given: the secret that came.
    """
    stored = folder.webhook_secret.read()
    good = [secret for secret in (stored.current, stored.previous) if secret]
    return any(hmac.compare_digest(given.encode(), secret.encode()) for secret in good)
