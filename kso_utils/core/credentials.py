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
        If something is missing and there is neither a terminal nor a notebook to ask in.
    """
    user = user or os.environ.get(f"{prefix}_USERNAME")
    password = password or os.environ.get(f"{prefix}_PASSWORD")
    if user and password:
        return Login(user, password)
    missing = ConfigError(
        f"No login for {service}. Set the environment variables {prefix}_USERNAME and {prefix}_PASSWORD, "
        "or run this in a terminal or a notebook, where it asks."
    )
    if not _can_ask():
        raise missing
    try:
        user = user or input(f"{service} user name: ").strip()
        password = password or getpass.getpass(f"{service} password: ")
    except (EOFError, NotImplementedError) as error:  # a notebook that is run without a person in front of it
        raise missing from error
    return Login(user, password)


def _can_ask() -> bool:
    """A notebook's kernel has no terminal, but passes questions on to the page."""
    return "ipykernel" in sys.modules or (sys.stdin is not None and sys.stdin.isatty())
