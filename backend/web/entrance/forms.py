"""Tokens of forms: a form must come from a page that we showed to the same browser."""

import hmac
import secrets

from flask import Request, Response

from backend.errors import ForeignRequestError

COOKIE = "shortlist_form"
FIELD = "form_token"
_TOKEN_BYTES = 32


def form_token(request: Request) -> str:
    """Return the token for the hidden field of a form: the browser's, or a new one.

    Args:
        request: the request for the page.
    """
    return request.cookies.get(COOKIE) or secrets.token_hex(_TOKEN_BYTES)


def give_token(response: Response, token: str, *, is_secure: bool) -> Response:
    """Keep the token in the browser, out of the reach of scripts and of other sites' requests.

    Args:
        response: the page with the form.
        token: the token in the form.
        is_secure: the page came over TLS.
    """
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=is_secure, path="/projects")
    return response


def check_token(request: Request) -> None:
    """Refuse a form without the browser's token.

    Args:
        request: the form.

    Raises:
        ForeignRequestError: the form is another site's, or the page is older than the browser's cookies.
    """
    kept, sent = request.cookies.get(COOKIE, ""), request.form.get(FIELD, "")
    if not kept or not hmac.compare_digest(kept.encode(), sent.encode()):
        raise ForeignRequestError("this form has no token of this page: load the page again and send it from there")
