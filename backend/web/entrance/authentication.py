"""Who a request comes from: Basic auth, and the secrets of webhooks."""

import hmac

from werkzeug.datastructures import Authorization

from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.studio.contract import parse_project_id
from backend.studio.webhooks import is_secret_of
from model.errors import ShortlistError


def is_admitted(settings: Settings, given: Authorization | None) -> bool:
    """Whether a request may come in: always, unless BASIC_AUTH_USER and BASIC_AUTH_PASS are set."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return True
    if given is None or given.type != "basic":
        return False
    user_fits = hmac.compare_digest((given.username or "").encode(), settings.basic_auth_user.encode())
    expected = settings.basic_auth_pass.get_secret_value()
    return hmac.compare_digest((given.password or "").encode(), expected.encode()) and user_fits


def signed_project(settings: Settings, header: str | None) -> int | None:
    """Return the project whose webhook secret a request carries; None if it carries none or a wrong one.

    Args:
        settings: name the folder of the projects.
        header: the value of `webhooks.HEADER`: the project's id and its secret.
    """
    named, _, secret = (header or "").partition(".")
    try:
        project_id = parse_project_id(named)
    except ShortlistError:
        return None
    return project_id if is_secret_of(ProjectFolder(settings.model_dir, project_id), secret) else None
