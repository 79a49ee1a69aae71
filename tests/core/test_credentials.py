from __future__ import annotations

import io
import sys

import pytest

from kso_utils.core import credentials
from kso_utils.core.credentials import Login, find_login
from kso_utils.core.errors import ConfigError


class Keyboard(io.StringIO):
    """A terminal on which somebody types."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """No variables, no terminal, no notebook, unless a test brings them."""
    for name in ("KSO_USERNAME", "KSO_PASSWORD", "KSO_CLIENT_ID", "KSO_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)


def test_a_password_is_never_shown():
    assert "secret" not in repr(Login("ann", "secret"))


def test_what_was_given_comes_first(monkeypatch):
    monkeypatch.setenv("KSO_USERNAME", "other")
    assert find_login("Zooniverse", "ann", "secret") == Login("ann", "secret")


def test_the_environment_comes_next(monkeypatch):
    monkeypatch.setenv("REEF_USERNAME", "ann")
    monkeypatch.setenv("REEF_PASSWORD", "secret")
    assert find_login("Zooniverse", prefix="REEF") == Login("ann", "secret")


def test_a_terminal_is_asked_for_what_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Keyboard(" ann \n"))
    monkeypatch.setattr(credentials.getpass, "getpass", lambda question: "secret")
    assert find_login("Zooniverse") == Login("ann", "secret")


def test_only_the_password_is_asked_for_where_the_name_is_known(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setattr(credentials.getpass, "getpass", lambda question: question)
    assert find_login("Zooniverse", "ann") == Login("ann", "Zooniverse password: ")


@pytest.mark.parametrize("stdin", [io.StringIO(), None])
def test_without_anybody_to_ask_the_variables_are_named(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ConfigError, match="KSO_USERNAME and KSO_PASSWORD"):
        find_login("Zooniverse", user="ann")


def test_a_notebook_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(credentials.getpass, "getpass", lambda question: "secret")
    assert find_login("Zooniverse", "ann") == Login("ann", "secret")


@pytest.mark.parametrize("error", [EOFError, NotImplementedError])
def test_a_notebook_without_anybody_in_front_of_it_is_told_what_to_do(monkeypatch, error):
    def refuse(question):
        raise error

    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(credentials.getpass, "getpass", refuse)
    with pytest.raises(ConfigError, match="KSO_PASSWORD"):
        find_login("Zooniverse", "ann")


def test_an_application_has_an_id_and_a_secret(monkeypatch):
    monkeypatch.setenv("KSO_CLIENT_ID", "app")
    monkeypatch.setenv("KSO_CLIENT_SECRET", "secret")
    assert find_login("Zooniverse") == Login("app", "secret", is_client=True)
    assert find_login("Zooniverse", client_id="other", client_secret="word") == Login("other", "word", is_client=True)
    assert find_login("Zooniverse", "ann", "word") == Login("ann", "word")


def test_a_person_goes_before_an_application_in_the_environment(monkeypatch):
    for name in ("USERNAME", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(f"KSO_{name}", name.lower())
    assert find_login("Zooniverse") == Login("username", "password")


def test_a_person_and_an_application_at_once_are_refused():
    with pytest.raises(ConfigError, match="not both"):
        find_login("Zooniverse", "ann", "secret", client_id="app")


def test_a_password_of_the_environment_is_not_tried_with_another_name(monkeypatch):
    monkeypatch.setenv("KSO_USERNAME", "bob")
    monkeypatch.setenv("KSO_PASSWORD", "secret of bob")
    with pytest.raises(ConfigError, match="No login"):
        find_login("Zooniverse", "ann")


@pytest.fixture
def ring():
    """A real keyring that keeps its entries in memory: address -> {name: password}."""
    keyring = pytest.importorskip("keyring")

    class Ring(keyring.backend.KeyringBackend):
        priority = 1

        def __init__(self):
            super().__init__()
            self.entries = {}

        def get_password(self, service, username):
            return self.entries.get(service, {}).get(username)

        def set_password(self, service, username, password):
            self.entries.setdefault(service, {})[username] = password

        def get_credential(self, service, username):
            names = self.entries.get(service, {})
            name = username or next(iter(names), None)
            return keyring.credentials.SimpleCredential(name, names[name]) if name in names else None

    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield keyring
    keyring.set_keyring(before)


@pytest.mark.parametrize("user", [None, "ann"])
def test_the_keyring_comes_after_the_environment_and_before_a_question(monkeypatch, ring, user):
    ring.set_password("https://reef", "ann", "kept")
    monkeypatch.setattr(sys, "stdin", Keyboard("nobody\n"))
    assert find_login("Reef", user, address="https://reef") == Login("ann", "kept")
    monkeypatch.setenv("KSO_PASSWORD", "set")
    assert find_login("Reef", "ann", address="https://reef") == Login("ann", "set")


def test_the_keyring_knows_the_secret_of_an_application(ring):
    ring.set_password("https://reef", "app", "kept")
    assert find_login("Reef", client_id="app", address="https://reef") == Login("app", "kept", is_client=True)


def test_the_keyring_gives_nothing_to_another_address(ring):
    ring.set_password("https://reef", "ann", "kept")
    with pytest.raises(ConfigError, match="No login"):
        find_login("Reef", "ann", address="https://elsewhere")


@pytest.mark.parametrize(("error", "told"), [("NoKeyringError", False), ("KeyringLocked", True)])
def test_a_keyring_that_cannot_be_asked_is_passed_over(monkeypatch, ring, caplog, error, told):
    def refuse(*_):
        raise getattr(ring.errors, error)("no")

    monkeypatch.setattr(ring, "get_credential", refuse)
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setattr(credentials.getpass, "getpass", lambda question: "typed")
    assert find_login("Reef", "ann", address="https://reef") == Login("ann", "typed")
    assert ("KeyringLocked" in caplog.text) is told


def test_without_the_package_of_the_keyring_a_person_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setattr(credentials.getpass, "getpass", lambda question: "typed")
    assert find_login("Reef", "ann", address="https://reef") == Login("ann", "typed")
