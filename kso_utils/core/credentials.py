"""User names, passwords and tokens: asked for when needed, never stored, never shown."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass, field

from kso_utils.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password; the password never appears in a representation."""

    user: str
    password: str = field(repr=False)


def find_login(service: str, user: str | None = None, password: str | None = None, prefix: str = "KSO") -> Login:
    """Return a login: what was given, else the environment, else a question at the terminal.

    Parameters
    ----------
    service
        The name of the service, for the question and the error.
    user, password
        Values that the caller has already.
    prefix
        Environment variables are `<prefix>_USERNAME` and `<prefix>_PASSWORD`.

    Raises
    ------
    ConfigError
        If something is missing and there is no terminal to ask at.
    """
    user = user or os.environ.get(f"{prefix}_USERNAME")
    password = password or os.environ.get(f"{prefix}_PASSWORD")
    if (not user or not password) and not sys.stdin.isatty():
        raise ConfigError(
            f"No login for {service}. Set the environment variables {prefix}_USERNAME and {prefix}_PASSWORD, "
            "or run the command in a terminal, where it asks."
        )
    user = user or input(f"{service} user name: ").strip()
    password = password or getpass.getpass(f"{service} password: ")
    return Login(user, password)
