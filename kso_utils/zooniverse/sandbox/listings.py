"""Lists of what the sandbox knows, filtered, sorted and cut into pages as Panoptes does it.

Filters and orders that Panoptes does not know are ignored, as it ignores them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from kso_utils.zooniverse.sandbox.messages import number, numbers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from kso_utils.zooniverse.sandbox.messages import Request
    from kso_utils.zooniverse.sandbox.state import State

LARGEST_PAGE = 100
_TEXTS = frozenset({"display_name", "slug", "login"})


def _among(column: str, name: str) -> str:
    return f"{column} IN (SELECT value FROM json_each(:{name}))"  # noqa: S608  (names of this module)


@dataclass(frozen=True, slots=True)
class _Table:
    """What can be listed: a table, the conditions that parameters of a request set, and the columns to sort by."""

    name: str
    filters: Mapping[str, str]
    sortable: Mapping[str, str] = field(default_factory=dict)
    always: str = "1"


def _resources(kind: str, sortable: Mapping[str, str], **filters: str) -> _Table:
    common = {"id": _among("id", "id"), "project_id": _among("project_id", "project_id")}
    return _Table("resources", {**common, **filters}, sortable, f"kind = '{kind}'")


_BY_SUBJECT = {"subject_id": _among("subject_id", "subject_id"), "subject_ids": _among("subject_id", "subject_ids")}
_BY_NAME = {"display_name": _among("name", "display_name")}
_TABLES = {
    "projects": _resources(
        "projects",
        {"display_name": "name", "updated_at": "updated_at"},
        slug=_among("slug", "slug"),
        **_BY_NAME,
    ),
    "workflows": _resources("workflows", {}, **_BY_NAME),
    "subject_sets": _resources(
        "subject_sets",
        {"display_name": "name", "id": "id"},
        workflow_id="id IN (SELECT set_id FROM workflow_sets "
        "WHERE workflow_id IN (SELECT value FROM json_each(:workflow_id)))",
        **_BY_NAME,
    ),
    "subjects": _resources(
        "subjects",
        {"id": "id"},
        subject_set_id="id IN (SELECT subject_id FROM members "
        "WHERE set_id IN (SELECT value FROM json_each(:subject_set_id)))",
        workflow_id="id IN (SELECT m.subject_id FROM members m JOIN workflow_sets w ON w.set_id = m.set_id "
        "WHERE w.workflow_id IN (SELECT value FROM json_each(:workflow_id)))",
    ),
    "set_member_subjects": _Table(
        "members",
        {"id": _among("id", "id"), "subject_set_id": _among("set_id", "subject_set_id"), **_BY_SUBJECT},
    ),
    "subject_workflow_statuses": _Table(
        "statuses",
        {"id": _among("id", "id"), "workflow_id": _among("workflow_id", "workflow_id"), **_BY_SUBJECT},
    ),
    "classifications": _Table(
        "classifications",
        {
            "id": _among("id", "id"),
            "project_id": _among("project_id", "project_id"),
            "workflow_id": _among("workflow_id", "workflow_id"),
            "user_id": _among("user_id", "user_id"),
            **_BY_SUBJECT,
        },
    ),
    "users": _Table("users", {"id": _among("id", "id"), "login": _among("login", "login")}),
    "project_roles": _resources("projects", {}, project_id=_among("id", "project_id")),
    "subject_set_imports": _Table(
        "imports",
        {"id": _among("id", "id"), "subject_set_id": _among("set_id", "subject_set_id")},
    ),
}


def list_rows(state: State, kind: str, request: Request) -> tuple[list[sqlite3.Row], dict[str, Any]]:
    """Return one page of a list, and the `meta` of the answer.

    Parameters
    ----------
    kind
        What to list: `projects`, `workflows`, `subject_sets`, `subjects`, `set_member_subjects`,
        `subject_workflow_statuses`, `classifications`, `users`, `project_roles`, `subject_set_imports`.
    request
        Its parameters filter (ids may be lists, `1,2`), sort (`sort=id` or `-id`) and choose the page (`page`,
        `page_size` of 100 at most).

    Returns
    -------
    list of sqlite3.Row
        Rows of the table behind the list.
    dict
        The `meta`: page, page_size, count, page_count, next_href.
    """
    table = _TABLES[kind]
    asked = {name: text for name, text in request.params.items() if name in table.filters}
    values = {name: json.dumps(_wanted(name, text)) for name, text in asked.items()}
    where = " AND ".join([table.always, *(table.filters[name] for name in asked)])
    # Nothing of the request is in these texts: they are put together of the pieces above.
    count = state.rows(" ".join(["SELECT COUNT(*) FROM", table.name, "WHERE", where]), values)[0][0]
    page, size = _window(request)
    order = _order(table, request.params.get("sort", ""))
    cut = " ".join(["SELECT id FROM", table.name, "WHERE", where, "ORDER BY", order, "LIMIT :size OFFSET :start"])
    ids = [r[0] for r in state.rows(cut, {**values, "size": size, "start": (page - 1) * size})]
    whole = " ".join(["SELECT * FROM", table.name, "WHERE", _among("id", "ids")])
    found = {row["id"]: row for row in state.rows(whole, {"ids": json.dumps(ids)})}
    return [found[i] for i in ids], meta(kind, count, request)


def meta(kind: str, count: int, request: Request) -> dict[str, Any]:
    """Return the `meta` of an answer that lists `count` things a page at a time."""
    page, size = _window(request)
    page_count = -(-count // size)
    following = None
    if page < page_count:
        following = f"/{kind}?" + urlencode({**request.params, "page": page + 1, "page_size": size})
    return {kind: {"page": page, "page_size": size, "count": count, "page_count": page_count, "next_href": following}}


def _window(request: Request) -> tuple[int, int]:
    page = max(1, number(request.params.get("page", "1")))
    return page, min(LARGEST_PAGE, max(1, number(request.params.get("page_size", "20"))))


def _wanted(name: str, text: str) -> list[Any]:
    if name == "login":
        return text.split(",")
    return [text] if name in _TEXTS else numbers(text)


def _order(table: _Table, sort: str) -> str:
    asked = [part.strip() for part in sort.split(",")]
    known = [(table.sortable[p.lstrip("-")], p.startswith("-")) for p in asked if p.lstrip("-") in table.sortable]
    return ", ".join([f"{column} DESC" if down else column for column, down in known] or ["id"])
