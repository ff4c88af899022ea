"""Basic auth for requests that come in."""

import hmac

from werkzeug.datastructures import Authorization

from backend.settings import Settings


def is_admitted(settings: Settings, given: Authorization | None) -> bool:
    """Whether a request may come in: always, unless BASIC_AUTH_USER and BASIC_AUTH_PASS are set."""
    if settings.basic_auth_user is None or settings.basic_auth_pass is None:
        return True
    if given is None or given.type != "basic":
        return False
    user_fits = hmac.compare_digest((given.username or "").encode(), settings.basic_auth_user.encode())
    expected = settings.basic_auth_pass.get_secret_value()
    return hmac.compare_digest((given.password or "").encode(), expected.encode()) and user_fits
