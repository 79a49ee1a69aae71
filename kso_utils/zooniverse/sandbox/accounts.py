"""Signing in to the sandbox, as the Zooniverse does it: a page's token, a session cookie, then bearer tokens."""

from __future__ import annotations

import hmac
import json
import secrets
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from kso_utils.core.errors import ConfigError
from kso_utils.zooniverse.sandbox.messages import Answer, Refused, Request, mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kso_utils.zooniverse.sandbox.state import State

_COOKIE = "_Panoptes_session"
_SESSION_S = 14 * 86400
_ACCESS_S = 7200
_REFRESH_S = 14 * 86400


def read_users(path: Path) -> dict[str, str]:
    """Read who may log in: a file with a line `name:password` for each; lines that start with # are remarks.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a line has no name or no password.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}. Give a text file with lines name:password.") from error
    users = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, password = (part.strip() for part in line.partition(":"))
        if not name or not password:
            raise ConfigError(f"{path}, line {number}: write name:password.")
        users[name] = password
    if not users:
        raise ConfigError(f"{path} names nobody. Give a text file with lines name:password.")
    return users


class Accounts:
    """Who may use the sandbox.

    Parameters
    ----------
    state
        Where tokens are kept.
    users
        User name -> password; kept in memory only.
    """

    def __init__(self, state: State, users: Mapping[str, str]) -> None:
        self._state = state
        self._users = dict(users)
        for login in self._users:
            state.user_id(login)

    def show_sign_in(self, request: Request) -> Answer:
        """Answer with a token that the sign-in must repeat."""
        cookie = f"{_COOKIE}={secrets.token_hex(16)}; path=/; HttpOnly"
        headers = {"X-CSRF-Token": secrets.token_hex(32), "Set-Cookie": cookie}
        return Answer(200, b"{}", "application/json", headers)

    def sign_in(self, request: Request) -> Answer:
        """Check a password and open a session."""
        given = mapping(request.json().get("user"), "user")
        login = str(given.get("login"))
        if not self._knows(login, str(given.get("password"))):
            return _plain({"error": "Invalid email or password."}, 401)
        user_id = self._state.user_id(login)
        session = self._state.issue_token("session", user_id, _SESSION_S)
        answer = _plain({"users": [{"id": str(user_id), "login": login, "display_name": login}]})
        return Answer(200, answer.body, answer.mime, {"Set-Cookie": f"{_COOKIE}={session}; path=/; HttpOnly"})

    def sign_out(self, request: Request) -> Answer:
        """Close the session of a browser; the tokens that it was given expire by themselves."""
        cookie = SimpleCookie(request.headers.get("Cookie", "")).get(_COOKIE)
        if cookie is not None:
            self._state.run("DELETE FROM tokens WHERE token = ? AND purpose = 'session'", (cookie.value,))
        return Answer(204)

    def grant_token(self, request: Request) -> Answer:
        """Give a bearer token for a session, a refresh token, or an application's own credentials."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        user_id = self._grantee(request, form)
        if user_id is None:
            return _plain({"error": "invalid_grant", "errors": "The provided authorization grant is invalid."}, 401)
        access = self._state.issue_token("access", user_id, _ACCESS_S)
        refresh = self._state.issue_token("refresh", user_id, _REFRESH_S)
        token = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": _ACCESS_S}
        return _plain({**token, "scope": "user project group collection classification subject medium"})

    def find_user(self, request: Request) -> int | None:
        """Return the user whose bearer token a request carries; None when it carries none.

        Raises
        ------
        Refused
            With status 401 if the token is unknown or has expired.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return None
        user_id = self._state.token_user("access", token)
        if user_id is None:
            raise Refused(401, "The access token is invalid or has expired")
        return user_id

    def _grantee(self, request: Request, form: Mapping[str, str]) -> int | None:
        grant = form.get("grant_type")
        if grant == "password":
            cookie = SimpleCookie(request.headers.get("Cookie", "")).get(_COOKIE)
            return None if cookie is None else self._state.token_user("session", cookie.value)
        if grant == "refresh_token":
            return self._state.token_user("refresh", form.get("refresh_token", ""))
        login = form.get("client_id", "")
        if grant == "client_credentials" and self._knows(login, form.get("client_secret", "")):
            return self._state.user_id(login)
        return None

    def _knows(self, login: str, password: str) -> bool:
        return hmac.compare_digest(self._users.get(login, "").encode(), password.encode()) and login in self._users


def _plain(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")
