"""The pages of a subject set: what was uploaded, and what people said about it.

Everything that came from outside is escaped; nothing is loaded from anywhere else.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kso_utils.zooniverse.sandbox.exports import tasks_of
from kso_utils.zooniverse.sandbox.pages.layout import count, document, trail
from kso_utils.zooniverse.sandbox.shapes import media_links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from kso_utils.zooniverse.sandbox.state import Resource, State

PER_PAGE = 24
_SAID = (
    "SELECT c.*, COALESCE(u.login, 'not logged in') AS login FROM classifications c "
    "LEFT JOIN users u ON u.id = c.user_id WHERE c.subject_id = ? ORDER BY c.id"
)


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
    project = state.get("projects", subject_set.project_id or 0)
    way = "" if project is None else trail(project, name)
    head = f"<h2>{escape(name)} <small>{count(len(ids), 'subject')}</small></h2>"
    return document(name, f"Subject set {set_id}", f'{way}{head}{turn}<div class="grid">{cards}</div>{turn}')


def _card(state: State, subject: Resource) -> str:
    said = state.rows(_SAID, (subject.id,))
    statuses = state.rows("SELECT * FROM statuses WHERE subject_id = ? ORDER BY workflow_id", (subject.id,))
    chips = "".join(_chip(state, status) for status in statuses)
    known = "".join(
        f"<dt>{escape(str(k))}</dt><dd>{escape(_text(v))}</dd>" for k, v in subject.body["metadata"].items()
    )
    people = "".join(f"<li>{_said(state, row)}</li>" for row in said)
    more = f"<details><summary>{count(len(said), 'classification')}</summary><ol>{people}</ol></details>"
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
    """Yield the rectangles of either generation of the classifier, with `tool`, `x` and `y` of the first."""
    for annotation in json.loads(row["annotations"]):
        value = annotation.get("value") if isinstance(annotation, dict) else None
        for mark in value if isinstance(value, list) else []:
            if not isinstance(mark, dict):
                continue
            tool, width, height = mark.get("toolIndex", mark.get("tool")), mark.get("width"), mark.get("height")
            x, y = mark.get("x"), mark.get("y")
            if isinstance(width, int | float) and isinstance(height, int | float) and "x_center" in mark:
                x, y = mark["x_center"] - width / 2, mark["y_center"] - height / 2
            if all(isinstance(n, int | float) for n in (x, y, width, height, tool)):
                yield {**mark, "tool": tool, "x": x, "y": y}


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
        elif isinstance(item, dict) and isinstance(index := item.get("toolIndex", item.get("tool")), int):
            tools = task.get("tools", [])
            yield str(tools[index]["label"]) if index < len(tools) else f"tool {index}"
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
