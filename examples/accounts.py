"""Signing in to Label Studio and signing up, as people do in a browser; a session's cookie then opens its API."""

import re

import httpx

from model.errors import ShortlistError

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class AccountError(ShortlistError):
    """Label Studio let nobody in."""

    code = "account"


def sign_in(http: httpx.Client, email: str, password: str) -> None:
    """Sign in with an account.

    Args:
        http: a client with Label Studio's origin as base URL; it keeps the session's cookie.
        email: the account's.
        password: the account's.

    Raises:
        AccountError: Label Studio refused, or its page has no form.
    """
    _send_form(http, "/user/login/", email, password)


def sign_up(http: httpx.Client, email: str, password: str) -> None:
    """Make a new account in the first organization, and sign in with it; see `sign_in`."""
    _send_form(http, "/user/signup/", email, password)


def _send_form(http: httpx.Client, path: str, email: str, password: str) -> None:
    page = http.get(path)
    token = _TOKEN.search(page.text)
    if token is None:
        raise AccountError(f"{path} has no form: Label Studio answered {page.status_code}")
    form = {"csrfmiddlewaretoken": token[1], "email": email, "password": password, "allow_newsletters": "false"}
    http.post(path, data=form, headers={"Referer": str(http.base_url)})
    who = http.get("/api/current-user/whoami")
    if who.is_error or who.json()["email"] != email:
        raise AccountError(f"{email} could not sign in: Label Studio answered {who.status_code}")
