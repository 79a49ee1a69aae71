"""Plain pages on which a person looks at what was uploaded and what people said about it.

Everything that came from outside is escaped; nothing is loaded from anywhere else.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kso_utils.zooniverse.sandbox.exports import tasks_of
from kso_utils.zooniverse.sandbox.shapes import media_links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from kso_utils.zooniverse.sandbox.state import Resource, State

PER_PAGE = 24
_CSS = """
:root { --ink: #12303f; --quiet: #5b7482; --line: #d5e1e6; --sea: #0b6e8a; --pale: #f3f8fa; }
* { box-sizing: border-box; }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: var(--pale); }
header { background: linear-gradient(100deg, #0a3d52, #0b6e8a); color: #fff; padding: 1.1rem 1.5rem; }
header a { color: #fff; text-decoration: none; }
header h1 { margin: 0; font-size: 1.35rem; font-weight: 600; }
header p { margin: .15rem 0 0; opacity: .85; font-size: .9rem; }
main { max-width: 1240px; margin: 0 auto; padding: 1.2rem 1.5rem 3rem; }
h2 { font-size: 1.15rem; margin: 1.2rem 0 .5rem; }
h2 small, .quiet { color: var(--quiet); font-weight: 400; font-size: .85rem; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: .3rem 1.1rem 1.1rem;
  margin-bottom: 1.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 600; font-size: .8rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
a { color: var(--sea); }
.wide { overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 1rem; margin-top: 1rem; }
article { background: #fff; border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
article > div { padding: .6rem .85rem .8rem; }
figure { margin: 0; background: #06222e; position: relative; line-height: 0; }
figure img, figure video { width: 100%; height: auto; }
figure svg { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
figure p { color: #cfe2ea; line-height: 1.4; margin: 0; padding: 1.4rem 1rem; overflow-wrap: anywhere; }
.chip { display: inline-block; border-radius: 99px; padding: .05rem .55rem; font-size: .78rem; background: #e3eff4;
  margin: 0 .25rem .25rem 0; }
.chip.done { background: #d8f0de; color: #14562a; }
dl { display: grid; grid-template-columns: minmax(4.5rem, auto) 1fr; gap: .1rem .7rem; margin: .4rem 0;
  font-size: .83rem; }
dt { color: var(--quiet); overflow-wrap: anywhere; } dd { margin: 0; overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--sea); font-size: .88rem; }
details ol { margin: .4rem 0 0; padding-left: 1.1rem; font-size: .83rem; }
nav { margin: 1rem 0; }
"""
_COUNTS = (
    "SELECT COUNT(*) AS subjects, COALESCE(SUM(classifications_count), 0) AS classifications, "
    "COUNT(retired_at) AS retired FROM statuses WHERE workflow_id = ?"
)
_SAID = (
    "SELECT c.*, COALESCE(u.login, 'not logged in') AS login FROM classifications c "
    "LEFT JOIN users u ON u.id = c.user_id WHERE c.subject_id = ? ORDER BY c.id"
)


def show_projects(state: State) -> str:
    """Return the page of all projects, their workflows and subject sets."""
    projects = [p for i in state.find("projects") if (p := state.get("projects", i))]
    shown = "".join(_project(state, p) for p in projects)
    return _page("Sandbox", "A Zooniverse on this computer", shown or "<p>There are no projects yet.</p>")


def show_set(state: State, set_id: int, number: int = 1) -> str | None:
    """Return one page of the subjects of a set, 24 at a time; None if there is no such set."""
    subject_set = state.get("subject_sets", set_id)
    if subject_set is None:
        return None
    ids = state.find("subjects", subject_set_id=set_id)
    pages = max(1, -(-len(ids) // PER_PAGE))
    number = min(max(1, number), pages)
    shown = ids[(number - 1) * PER_PAGE : number * PER_PAGE]
    cards = "".join(_card(state, s) for i in shown if (s := state.get("subjects", i)))
    name = str(subject_set.body["display_name"])
    turn = _turn(set_id, number, pages)
    body = f'<h2>{escape(name)} <small>{_count(len(ids), "subject")}</small></h2>{turn}<div class="grid">{cards}</div>'
    return _page(name, f"Subject set {set_id}", body + turn)


def _page(title: str, under: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} | sandbox</title><style>{_CSS}</style></head><body>"
        f'<header><h1><a href="/">Sandbox</a></h1><p>{escape(under)}</p></header><main>{body}</main></body></html>'
    )


def _project(state: State, project: Resource) -> str:
    workflows = [w for i in state.find("workflows", project_id=project.id) if (w := state.get("workflows", i))]
    sets = [s for i in state.sets_of(project) if (s := state.get("subject_sets", i))]
    return (
        f"<section><h2>{escape(str(project.body['display_name']))} "
        f"<small>{escape(str(project.slug))}, number {project.id}</small></h2>"
        + _table(("Workflow", "#Number", "#Version", "#Subjects", "#Classifications", "#Retired"),
                 (_workflow_cells(state, w) for w in workflows))
        + "<br>"
        + _table(("Subject set", "#Number", "#Subjects", "Shown in"), (_set_cells(state, s, workflows) for s in sets))
        + "</section>"
    )  # fmt: skip


def _workflow_cells(state: State, workflow: Resource) -> list[str]:
    counts = state.rows(_COUNTS, (workflow.id,))[0]
    version = f"{workflow.body['major']}.{workflow.body['minor']}"
    numbers = (workflow.id, version, counts["subjects"], counts["classifications"], counts["retired"])
    return [escape(str(workflow.body["display_name"])), *(str(n) for n in numbers)]


def _set_cells(state: State, subject_set: Resource, workflows: list[Resource]) -> list[str]:
    names = {w.id: str(w.body["display_name"]) for w in workflows}
    shown_in = ", ".join(escape(names.get(i, str(i))) for i in state.workflows_of(subject_set.id))
    link = f'<a href="/sets/{subject_set.id}">{escape(str(subject_set.body["display_name"]))}</a>'
    return [link, str(subject_set.id), str(state.member_count(subject_set.id)), shown_in or "no workflow"]


def _table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    """Return a table; heads that start with # stand over numbers, cells are HTML."""
    kinds = [' class="number"' if head.startswith("#") else "" for head in heads]
    top = "".join(f"<th{kind}>{head.lstrip('#')}</th>" for kind, head in zip(kinds, heads, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _card(state: State, subject: Resource) -> str:
    said = state.rows(_SAID, (subject.id,))
    statuses = state.rows("SELECT * FROM statuses WHERE subject_id = ? ORDER BY workflow_id", (subject.id,))
    chips = "".join(_chip(state, status) for status in statuses)
    known = "".join(
        f"<dt>{escape(str(k))}</dt><dd>{escape(_text(v))}</dd>" for k, v in subject.body["metadata"].items()
    )
    people = "".join(f"<li>{_said(state, row)}</li>" for row in said)
    more = f"<details><summary>{_count(len(said), 'classification')}</summary><ol>{people}</ol></details>"
    return (
        f"<article>{''.join(_media(subject, said))}<div><strong>Subject {subject.id}</strong><br>{chips}"
        f"<dl>{known}</dl>{more if said else ''}</div></article>"
    )


def _chip(state: State, status: sqlite3.Row) -> str:
    workflow = state.get("workflows", status["workflow_id"])
    name = str(status["workflow_id"]) if workflow is None else str(workflow.body["display_name"])
    done = status["retired_at"] is not None
    text = f"{name}: {status['classifications_count']}{', retired' if done else ''}"
    return f'<span class="chip{" done" if done else ""}">{escape(text)}</span>'


def _media(subject: Resource, said: list[sqlite3.Row]) -> Iterator[str]:
    for frame, link in enumerate(media_links(subject.body["locations"], "")):
        for mime, url in link.items():
            safe = escape(quote(url, safe="/:?&=%"), quote=True)
            if not url.startswith("/blob/"):
                yield f"<figure><p>Elsewhere: {escape(url)}</p></figure>"
            elif mime.startswith("image/"):
                picture = f'<img src="{safe}" alt="Subject {subject.id}" loading="lazy">'
                yield f"<figure>{picture}{_boxes(said, frame)}</figure>"
            elif mime.startswith("video/"):
                yield f'<figure><video src="{safe}" controls preload="metadata" muted playsinline></video></figure>'
            elif mime.startswith("audio/"):
                yield f'<figure><audio src="{safe}" controls preload="none"></audio></figure>'
            else:
                yield f'<figure><p><a href="{safe}">{escape(mime)}</a></p></figure>'


def _boxes(said: list[sqlite3.Row], frame: int) -> str:
    """Return the rectangles that people drew on a picture, where its size is known, as one drawing over it."""
    size, drawn = None, []
    for row in said:
        sizes = json.loads(row["metadata"]).get("subject_dimensions") or []
        natural = sizes[frame] if frame < len(sizes) else None
        size = size or (natural and (natural.get("naturalWidth"), natural.get("naturalHeight")))
        drawn += [mark for mark in _marks(row) if mark.get("frame", 0) == frame]
    if not size or not all(isinstance(v, int | float) for v in size):
        return ""
    colours = ("#ffdf5d", "#6fe3ff", "#ff9ecb", "#9dff8a")
    shapes = "".join(
        f'<rect x="{m["x"]:g}" y="{m["y"]:g}" width="{m["width"]:g}" height="{m["height"]:g}" fill="none" '
        f'stroke="{colours[m["tool"] % len(colours)]}" stroke-width="1.5" vector-effect="non-scaling-stroke"/>'
        for m in drawn
    )
    return f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>'


def _marks(row: sqlite3.Row) -> Iterator[dict[str, Any]]:
    for annotation in json.loads(row["annotations"]):
        value = annotation.get("value") if isinstance(annotation, dict) else None
        for mark in value if isinstance(value, list) else []:
            numbers = [mark.get(n) for n in ("x", "y", "width", "height", "tool")] if isinstance(mark, dict) else [None]
            if all(isinstance(n, int | float) for n in numbers):
                yield {**mark, "tool": int(mark["tool"])}


def _said(state: State, row: sqlite3.Row) -> str:
    tasks = tasks_of(state, row["workflow_id"], row["workflow_version"])
    answers = [text for a in json.loads(row["annotations"]) for text in _answers(a, tasks.get(str(a.get("task")), {}))]
    who = f"<strong>{escape(row['login'])}</strong>"
    return f"{who}: {escape('; '.join(answers) or 'nothing')} <span class=quiet>{escape(row['created_at'][:16])}</span>"


def _answers(annotation: dict[str, Any], task: dict[str, Any]) -> Iterator[str]:
    value = annotation.get("value")
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "choice" in item:
            label = task.get("choices", {}).get(item["choice"], {}).get("label", item["choice"])
            details = ", ".join(f"{k.lower()} {_text(v)}" for k, v in (item.get("answers") or {}).items())
            yield f"{label} ({details})" if details else str(label)
        elif isinstance(item, dict) and isinstance(item.get("tool"), int):
            tools = task.get("tools", [])
            yield str(tools[item["tool"]]["label"]) if item["tool"] < len(tools) else f"tool {item['tool']}"
        elif item is not None:
            yield _text(item)


def _turn(set_id: int, number: int, pages: int) -> str:
    if pages == 1:
        return ""
    links = [f'<a href="/sets/{set_id}?page={n}">{text}</a>' for n, text in
             ((number - 1, "Previous"), (number + 1, "Next")) if 1 <= n <= pages]  # fmt: skip
    return f"<nav>Page {number} of {pages} {' '.join(links)}</nav>"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
