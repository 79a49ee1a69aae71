"""Resources of the sandbox as JSON objects in the shapes of Panoptes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox.tasks import inject_strings

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from kso_utils.zooniverse.sandbox.state import Resource, State


def shape(state: State, resource: Resource, base_url: str, signatures: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a project, workflow, subject set or subject as its API object.

    Parameters
    ----------
    base_url
        The address under which the client knows the server; media links start with it.
    signatures
        Of media that the client may write now: their links become signed ones.
    """
    body = dict(resource.body)
    links: dict[str, Any] = {} if resource.project_id is None else {"project": str(resource.project_id)}
    if resource.kind == "projects":
        links |= _project_links(state, resource)
        body |= {"slug": resource.slug, "title": body.get("display_name")}
    elif resource.kind == "workflows":
        links |= {"subject_sets": _strings(state.sets_of(resource)), "tutorial_subject": None}
        body = _workflow_body(state, resource)
    elif resource.kind == "subject_sets":
        links["workflows"] = _strings(state.workflows_of(resource.id))
        body["set_member_subjects_count"] = state.member_count(resource.id)
    else:
        links |= {"subject_sets": _strings(state.sets_of(resource)), "collections": []}
        body["locations"] = media_links(body["locations"], base_url, signatures or {})
    return {
        "id": str(resource.id),
        "href": f"/{resource.kind}/{resource.id}",
        "created_at": resource.created_at,
        "updated_at": resource.updated_at,
        **body,
        "links": links,
    }


def media_links(
    locations: list[dict[str, str]], base_url: str, signatures: dict[str, str] | None = None
) -> list[dict[str, str]]:
    """Return a subject's media as `[{mime: url}]`.

    A location is stored as `{mime: key}` of a medium here, or `{mime: "https://…"}` of one elsewhere.
    """
    links = []
    for location in locations:
        for mime, place in location.items():
            url = place if "://" in place else f"{base_url}/blob/{place}"
            if signatures and place in signatures:
                url += f"?sig={signatures[place]}"
            links.append({mime: url})
    return links


def status_shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a subject's status in a workflow as its API object."""
    times = {name: row[name] for name in ("created_at", "updated_at", "retired_at", "retirement_reason")}
    return {
        "id": str(row["id"]),
        "href": f"/subject_workflow_statuses/{row['id']}",
        "classifications_count": row["classifications_count"],
        **times,
        "links": {"subject": str(row["subject_id"]), "workflow": str(row["workflow_id"])},
    }


def member_shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a subject's membership of a set as its API object."""
    links = {"subject": str(row["subject_id"]), "subject_set": str(row["set_id"])}
    return {"id": str(row["id"]), "href": f"/set_member_subjects/{row['id']}", "links": links}


def classification_shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return a classification as its API object."""
    subjects = json.loads(row["subject_ids"] or f"[{row['subject_id']}]")
    return {
        "id": str(row["id"]),
        "href": f"/classifications/{row['id']}",
        "created_at": row["created_at"],
        "updated_at": row["created_at"],
        "completed": True,
        "gold_standard": None if row["gold_standard"] is None else bool(row["gold_standard"]),
        "expert_classifier": row["expert"],
        "workflow_version": row["workflow_version"],
        "metadata": json.loads(row["metadata"]),
        "annotations": json.loads(row["annotations"]),
        "links": {
            "project": str(row["project_id"]),
            "workflow": str(row["workflow_id"]),
            "user": None if row["user_id"] is None else str(row["user_id"]),
            "subjects": _strings(subjects),
        },
    }


def role_shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return the role of a project's owner, the only one that the sandbox knows, as its API object."""
    owner = str(row["owner_id"])
    return {
        "id": str(row["id"]),
        "href": f"/project_roles/{row['id']}",
        "roles": ["owner"],
        "links": {
            "project": str(row["id"]),
            "owner": {"id": owner, "type": "users", "href": f"/users/{owner}"},
        },
    }


def import_shape(row: sqlite3.Row) -> dict[str, Any]:
    """Return the progress of a manifest's import as its API object."""
    failed = json.loads(row["failed_uuids"])
    return {
        "id": str(row["id"]),
        "href": f"/subject_set_imports/{row['id']}",
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "source_url": row["source_url"],
        "manifest_count": row["manifest_count"],
        "imported_count": row["imported_count"],
        "failed_count": len(failed),
        "failed_uuids": failed,
        "links": {"subject_set": str(row["set_id"]), "user": str(row["user_id"])},
    }


def user_shape(row: sqlite3.Row, subject_limit: int) -> dict[str, Any]:
    """Return a user as its API object, with the quota: `subject_limit` where the user has none of their own."""
    return {
        "id": str(row["id"]),
        "href": f"/users/{row['id']}",
        "login": row["login"],
        "display_name": row["login"],
        "uploaded_subjects_count": row["uploaded"],
        "subject_limit": subject_limit if row["subject_limit"] is None else row["subject_limit"],
        "upload_whitelist": bool(row["whitelisted"]),
        "links": {},
    }


def _project_links(state: State, resource: Resource) -> dict[str, Any]:
    owner = str(resource.owner_id)
    return {
        "owner": {"id": owner, "type": "users", "href": f"/users/{owner}"},
        "workflows": _strings(state.find("workflows", project_id=resource.id)),
        "active_workflows": _strings(state.find("workflows", project_id=resource.id)),
        "subject_sets": _strings(state.sets_of(resource)),
    }


def _workflow_body(state: State, resource: Resource) -> dict[str, Any]:
    body = dict(resource.body)
    body["tasks"] = inject_strings(body["tasks"], body["strings"])
    body["version"] = f"{body.pop('major')}.{body.pop('minor')}"
    counted = "SELECT COALESCE(SUM(classifications_count), 0), COUNT(retired_at) FROM statuses WHERE workflow_id = ?"
    body["classifications_count"], body["retired_set_member_subjects_count"] = state.rows(counted, (resource.id,))[0]
    return body


def _strings(ids: Iterable[int]) -> list[str]:
    return [str(i) for i in ids]
