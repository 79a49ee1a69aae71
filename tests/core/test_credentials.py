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
    for name in ("KSO_USERNAME", "KSO_PASSWORD"):
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
