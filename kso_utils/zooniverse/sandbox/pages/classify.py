"""The page on which a person classifies: its frame here, its work in the scripts of `static`."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.pages.layout import document, trail
from kso_utils.zooniverse.sandbox.tasks import inject_strings
from kso_utils.zooniverse.workflows import TaskMap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.zooniverse.sandbox.state import State

GENERATIONS = ("1", "2")


def show_classifier(state: State, workflow_id: int, generation: str = "2", gold: bool = False) -> str | None:
    """Return the page that asks the tasks of a workflow; None if there is no such workflow.

    Parameters
    ----------
    generation
        In which of the two shapes of the Zooniverse its work is sent, `1` or `2` (the default for all else).
    gold
        Whether answers are marked as gold standard: those of an expert, to measure others by.
    """
    workflow = state.get("workflows", workflow_id)
    project = None if workflow is None else state.get("projects", workflow.project_id or 0)
    if workflow is None or project is None:
        return None
    name, whole = str(workflow.body["display_name"]), str(project.body["display_name"])
    about = {
        "workflow": workflow.id,
        "project": project.id,
        "generation": generation if generation in GENERATIONS else GENERATIONS[-1],
        "nothing": " ".join(_nothing(inject_strings(workflow.body["tasks"], workflow.body["strings"]))),
    }
    data = "".join(f' data-{key}="{escape(str(value), quote=True)}"' for key, value in about.items())
    body = (
        trail(project, name) + f'<div id="classifier"{data}{" data-gold" if gold else ""}>'
        "<noscript><p>This page needs JavaScript, all of it from this computer.</p></noscript></div>"
    )
    return document(name, whole, body, "classify.js")


def _nothing(tasks: Mapping[str, Any]) -> list[str]:
    """Return the codes of the choices that say that nothing is there."""
    meaning = TaskMap()
    choices = (item for task in tasks.values() for item in (task.get("choices") or {}).items())
    return [code for code, choice in choices if any(map(meaning.means_nothing, (code, str(choice.get("label", "")))))]
