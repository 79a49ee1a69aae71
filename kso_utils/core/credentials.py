"""User names, passwords and tokens: asked for when needed, never stored, never shown."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass, field

from kso_utils.core.errors import ConfigError
from kso_utils.core.log import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and its password, or an application's id and its secret.

    Attributes
    ----------
    user
        The name or id.
    password
        The password or secret; it never appears in a representation.
    is_client
        Whether it is an application's.
    """

    user: str
    password: str = field(repr=False)
    is_client: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of login: what it is called, and what is known of it."""

    words: tuple[str, str]
    variables: tuple[str, str]
    name: str | None
    secret: str | None = field(repr=False)

    @property
    def is_client(self) -> bool:
        return self.words[0] == "client id"

    def login(self) -> Login | None:
        return Login(self.name, self.secret, self.is_client) if self.name and self.secret else None


def find_login(
    service: str,
    user: str | None = None,
    password: str | None = None,
    prefix: str = "KSO",
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    address: str | None = None,
    ask: bool = True,
) -> Login:
    """Return a login: what was given, else the environment, else the system's keyring, else a question at the terminal.

    Of a person and an application, the one that was given counts; where neither was, a person's complete login goes
    before an application's. A password in the environment belongs to the name there and is never tried with another.

    Parameters
    ----------
    service
        The name of the service, for the question and the error.
    user, password
        A person's values that the caller has already.
    prefix
        Environment variables are `<prefix>_USERNAME`, `<prefix>_PASSWORD`, `<prefix>_CLIENT_ID` and
        `<prefix>_CLIENT_SECRET`.
    client_id, client_secret
        An application's values that the caller has already.
    address
        The service in the keyring, which a person fills with `keyring set ADDRESS NAME`; None does not look there.
    ask
        Whether to ask at the terminal at all.

    Raises
    ------
    ConfigError
        If both kinds were given, or something is missing and there is neither a terminal nor a notebook to ask in.
    """
    person = _kind(("user name", "password"), (f"{prefix}_USERNAME", f"{prefix}_PASSWORD"), user, password)
    client = _kind(
        ("client id", "client secret"), (f"{prefix}_CLIENT_ID", f"{prefix}_CLIENT_SECRET"), client_id, client_secret
    )
    kinds = [person, client]
    if client_id or client_secret:
        if user or password:
            raise ConfigError(f"Give {service} a user name with its password or a client id with its secret, not both.")
        kinds = [client]
    elif user or password:
        kinds = [person]
    found = next((login for kind in kinds if (login := kind.login())), None)
    return found or _from_keyring(address, kinds) or _ask(service, kinds[0], ask)


def _kind(words: tuple[str, str], variables: tuple[str, str], name: str | None, secret: str | None) -> _Kind:
    known = os.environ.get(variables[0])
    if not secret and (not name or not known or name == known):
        secret = os.environ.get(variables[1])
    return _Kind(words, variables, name or known, secret)


def _from_keyring(address: str | None, kinds: list[_Kind]) -> Login | None:
    """Return what the keyring has for a name that is known, else for any name that it can tell."""
    named = next((kind for kind in kinds if kind.name), kinds[0])
    if address is None or named.secret:
        return None
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None
    try:
        entry = keyring.get_credential(address, named.name)
    except NoKeyringError:
        return None  # this machine has none
    except KeyringError as error:
        _log.warning("The keyring could not be asked (%s); going on without it.", type(error).__name__)
        return None
    return Login(entry.username, entry.password, named.is_client) if entry and entry.password else None


def _ask(service: str, kind: _Kind, ask: bool) -> Login:
    missing = ConfigError(
        f"No login for {service}. Set the environment variables {kind.variables[0]} and {kind.variables[1]}, "
        "put it into the keyring, or run this in a terminal or a notebook, where it asks."
    )
    if not ask or not _can_ask():
        raise missing
    try:
        name = kind.name or input(f"{service} {kind.words[0]}: ").strip()
        secret = kind.secret or getpass.getpass(f"{service} {kind.words[1]}: ")
    except (EOFError, NotImplementedError) as error:  # a notebook that is run without a person in front of it
        raise missing from error
    return Login(name, secret, kind.is_client)


def _can_ask() -> bool:
    """A notebook's kernel has no terminal, but passes questions on to the page."""
    return "ipykernel" in sys.modules or (sys.stdin is not None and sys.stdin.isatty())
