"""A plain page on which a person looks at what was uploaded."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.state import State


def show_projects(state: State) -> str:
    """Return the page of all projects, their workflows and subject sets."""
    return "<!doctype html><title>Sandbox</title>" + "".join(
        f"<h2>{escape(str(p.body['display_name']))}</h2>"
        for i in state.find("projects")
        if (p := state.get("projects", i))
    )


def show_set(state: State, set_id: int, number: int = 1) -> str | None:
    """Return one page of the subjects of a set; None if there is no such set."""
    return None
