"""The pages of projects: what there is, how far it is, and where to classify."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from kso_utils.zooniverse.sandbox.pages.layout import count, document, table

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.state import Resource, State

# Subjects that were shown once, but are in none of the workflow's sets any more, keep their status.
_COUNTS = """
SELECT COUNT(*) AS subjects, COUNT(t.retired_at) AS retired,
    (SELECT COALESCE(SUM(classifications_count), 0) FROM statuses WHERE workflow_id = :workflow) AS classifications
FROM (SELECT DISTINCT m.subject_id FROM workflow_sets w JOIN members m ON m.set_id = w.set_id
    WHERE w.workflow_id = :workflow) s
LEFT JOIN statuses t ON t.workflow_id = :workflow AND t.subject_id = s.subject_id
"""


def show_projects(state: State) -> str:
    """Return the page of all projects, their workflows and subject sets."""
    projects = [p for i in state.find("projects") if (p := state.get("projects", i))]
    shown = "".join(_project(state, p) for p in projects)
    return document("Sandbox", "A Zooniverse on this computer", shown or "<p>There are no projects yet.</p>")


def show_project(state: State, project_id: int) -> str | None:
    """Return the page that welcomes volunteers to a project; None if there is no such project."""
    project = state.get("projects", project_id)
    if project is None:
        return None
    name = str(project.body["display_name"])
    about = str(project.body.get("introduction") or project.body.get("description") or "")
    workflows = "".join(_welcome(state, w) for w in _workflows(state, project) if w.body["active"])
    body = (
        f'<section class="welcome"><h2>{escape(name)}</h2>'
        f"<p>{escape(about) or 'Look at the recordings and tell what you see. Everybody can help.'}</p></section>"
        f'<div class="grid">{workflows or "<p>Nothing can be classified here yet.</p>"}</div>'
        f'<p><a href="/">All projects</a></p>'
    )
    return document(name, f"Project {project.slug}", body)


def _workflows(state: State, project: Resource) -> list[Resource]:
    return [w for i in state.find("workflows", project_id=project.id) if (w := state.get("workflows", i))]


def _welcome(state: State, workflow: Resource) -> str:
    counts = state.rows(_COUNTS, {"workflow": workflow.id})[0]
    total, done = counts["subjects"], counts["retired"]
    name = escape(str(workflow.body["display_name"]))
    text = f"{count(total, 'subject')}, {done} finished, {count(counts['classifications'], 'classification')}"
    return (
        f"<article><div><h3>{name}</h3>"
        f'<progress max="{max(total, 1)}" value="{done}" aria-label="Finished subjects of {name}"></progress>'
        f'<p class="quiet">{text}</p>{_button(workflow, total, done)}</div></article>'
    )


def _button(workflow: Resource, total: int, done: int) -> str:
    """Return the way to classify a workflow, or the reason why there is none."""
    if not workflow.body["active"]:
        return '<span class="quiet">not active</span>'
    if total == done:
        return f'<span class="quiet">{"nothing left to do" if total else "no subjects yet"}</span>'
    name = escape(f"Classify {workflow.body['display_name']}", quote=True)
    return f'<a class="button" href="/classify/{workflow.id}" aria-label="{name}">Classify</a>'


def _project(state: State, project: Resource) -> str:
    workflows = _workflows(state, project)
    sets = [s for i in state.sets_of(project) if (s := state.get("subject_sets", i))]
    name = escape(str(project.body["display_name"]))
    return (
        f'<section><h2><a href="/projects/{project.id}">{name}</a> '
        f"<small>{escape(str(project.slug))}, number {project.id}</small></h2>"
        + table(("Workflow", "", "#Number", "#Version", "#Subjects", "#Classifications", "#Retired"),
                (_workflow_cells(state, w) for w in workflows))
        + "<br>"
        + table(("Subject set", "#Number", "#Subjects", "Shown in"), (_set_cells(state, s, workflows) for s in sets))
        + "</section>"
    )  # fmt: skip


def _workflow_cells(state: State, workflow: Resource) -> list[str]:
    counts = state.rows(_COUNTS, {"workflow": workflow.id})[0]
    version = f"{workflow.body['major']}.{workflow.body['minor']}"
    numbers = (workflow.id, version, counts["subjects"], counts["classifications"], counts["retired"])
    name = escape(str(workflow.body["display_name"]))
    return [name, _button(workflow, counts["subjects"], counts["retired"]), *(str(n) for n in numbers)]


def _set_cells(state: State, subject_set: Resource, workflows: list[Resource]) -> list[str]:
    names = {w.id: str(w.body["display_name"]) for w in workflows}
    shown_in = ", ".join(escape(names.get(i, str(i))) for i in state.workflows_of(subject_set.id))
    link = f'<a href="/sets/{subject_set.id}">{escape(str(subject_set.body["display_name"]))}</a>'
    return [link, str(subject_set.id), str(state.member_count(subject_set.id)), shown_in or "no workflow"]
