"""Making, finding, changing and linking the sandbox's resources, with the checks that Panoptes makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kso_utils.core.paths import safe_name
from kso_utils.zooniverse.sandbox.messages import Refused, mapping, number, numbers
from kso_utils.zooniverse.sandbox.tasks import extract_strings, inject_strings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.zooniverse.sandbox.state import Kind, Resource, State
    from kso_utils.zooniverse.sandbox.tasks import Tasks

MIME_TYPES = frozenset(
    [f"image/{t}" for t in ("jpeg", "png", "gif", "svg+xml", "tiff", "x-icon")]
    + [f"audio/{t}" for t in ("mpeg", "mp4", "aac", "midi", "x-m4a", "wav")]
    + ["video/mp4", "video/mpeg", "text/plain", "text/csv", "application/json", "application/pdf"]
)
_SAME = {"audio/mp3": "audio/mpeg", "audio/x-wav": "audio/mpeg"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "projects": {"description": "", "introduction": "", "primary_language": "en", "private": True, "tags": []},
    "workflows": {"active": True, "primary_language": "en", "first_task": "", "mobile_friendly": False},
    "subject_sets": {"metadata": {}},
    "subjects": {"metadata": {}},
}
_EDITABLE = {
    "projects": {"display_name", "description", "introduction", "primary_language", "private", "tags", "configuration"},
    "workflows": {
        "display_name", "active", "primary_language", "first_task", "mobile_friendly", "configuration", "retirement",
        "tasks", "strings", "pairwise", "grouped", "prioritized",
    },
    "subject_sets": {"display_name", "metadata", "links"},
    "subjects": {"locations", "metadata", "links"},
}  # fmt: skip
_OBJECTS = {"metadata", "tasks", "strings", "retirement", "configuration"}
_TEXTS = {"display_name", "description", "introduction", "primary_language", "first_task"}
_LIMITED = "SELECT uploaded, COALESCE(subject_limit, ?) AS most, whitelisted FROM users WHERE id = ?"
_NAMES = {"projects": "project", "workflows": "workflow", "subject_sets": "subject_set", "subjects": "subject"}


@dataclass(frozen=True, slots=True)
class Uploads:
    """Who uploads, and under which rules.

    Attributes
    ----------
    subject_limit
        How many subjects a user may upload who has no limit of their own.
    link_s
        How long the link is good for to which a medium is sent.
    """

    user_id: int
    subject_limit: int
    link_s: float


def need(state: State, kind: Kind, resource_id: int) -> Resource:
    """Return a resource.

    Raises
    ------
    Refused
        With status 404 if there is none.
    """
    resource = state.get(kind, resource_id)
    if resource is None:
        raise Refused(404, f"Could not find {_NAMES[kind]} with id='{resource_id}'")
    return resource


def create(state: State, kind: Kind, message: Mapping[str, Any], uploads: Uploads) -> tuple[Resource, dict[str, str]]:
    """Make a resource as a client asks for it.

    Returns
    -------
    Resource
        The new one.
    dict
        Key of a new medium -> the signature with which the client may write it.

    Raises
    ------
    Refused
        422 what is not valid, 404 without its project, 403 beyond the quota.
    """
    given = _read(kind, message)
    user_id = uploads.user_id
    if kind == "projects":
        return _create_project(state, given, user_id), {}
    links = mapping(given.pop("links", None), "links")
    if links.get("project") is None:
        raise Refused(422, "Validation failed: Project must be given under links")
    project = need(state, "projects", number(links["project"]))
    body = {**_DEFAULTS[kind], **given}
    if kind == "subjects":
        sets = [need(state, "subject_sets", set_id) for set_id in numbers(links.get("subject_sets", []))]
        new, signatures = create_subject(state, body, project.id, uploads)
        for subject_set in sets:
            link(state, subject_set, "subjects", [new.id])
        return new, signatures
    if not body.get("display_name"):
        raise Refused(422, "Validation failed: Display name can't be blank")
    if kind == "workflows":
        return _create_workflow(state, body, project.id, user_id), {}
    return state.add(kind, body, project.id, user_id), {}


def add_project(
    state: State, slug: str, name: str, workflows: Mapping[str, Tasks], retire_after: int
) -> tuple[int, dict[str, int]]:
    """Add a project with its workflows, or bring the one of that slug up to date.

    Returns
    -------
    int
        The project's id.
    dict
        Name of a workflow -> its id.
    """
    with state.transaction():
        owner = state.user_id(slug.partition("/")[0])
        body = {**_DEFAULTS["projects"], "display_name": name}
        found = state.find("projects", slug=slug)
        project_id = found[0] if found else state.add("projects", body, None, owner, slug).id
        retirement = {"criteria": "classification_count", "options": {"count": retire_after}}
        ids = {}
        for label, tasks in workflows.items():
            wanted = {"display_name": label, **tasks._asdict(), "retirement": retirement}
            present = state.find("workflows", project_id=project_id, display_name=label)
            if present:
                change(state, need(state, "workflows", present[0]), {"workflows": wanted})
                ids[label] = present[0]
            else:
                ids[label] = _create_workflow(state, {**_DEFAULTS["workflows"], **wanted}, project_id, owner).id
        return project_id, ids


def change(state: State, resource: Resource, message: Mapping[str, Any]) -> None:
    """Change a resource; a workflow whose tasks or texts change gets a new version."""
    kind: Any = resource.kind
    given = _read(kind, message)
    given.pop("links", None)
    body = {**resource.body, **given}
    if kind == "subjects" and "locations" in given:
        body["locations"] = resource.body["locations"]
    if kind == "workflows":
        _number_version(body, resource.body)
    if body == resource.body:
        return
    state.change(resource, body)
    if kind == "workflows":
        state.keep_version(resource.id, body)


def link(state: State, resource: Resource, rel: str, ids: list[int]) -> None:
    """Link subjects to a set, or sets to a workflow.

    Raises
    ------
    Refused
        With status 422 if one of them does not exist or is named twice.
    """
    known: dict[tuple[str, str], Kind] = {
        ("subject_sets", "subjects"): "subjects",
        ("workflows", "subject_sets"): "subject_sets",
    }
    kind = known.get((resource.kind, rel))
    if kind is None:
        raise Refused(422, f"Links from {resource.kind} to {rel} cannot be set here")
    if len(set(ids)) < len(ids) or any(state.get(kind, i) is None for i in ids):
        raise Refused(422, f"Error: check the {_NAMES[resource.kind]} and all the {rel} exist.")
    if kind == "subjects":
        state.link_subjects(resource.id, ids)
    else:
        state.link_sets(resource.id, ids)


def unlink(state: State, resource: Resource, rel: str, ids: list[int]) -> None:
    """Take subjects out of a set, or sets from a workflow."""
    if (resource.kind, rel) == ("subject_sets", "subjects"):
        state.unlink_subjects(resource.id, ids)
    elif (resource.kind, rel) == ("workflows", "subject_sets"):
        state.unlink_sets(resource.id, ids)
    else:
        raise Refused(422, f"Links from {resource.kind} to {rel} cannot be removed here")


def _read(kind: str, message: Mapping[str, Any]) -> dict[str, Any]:
    given = message.get(kind)
    if not isinstance(given, dict):
        raise Refused(422, f"The body must be an object with one object under '{kind}'")
    unknown = sorted(set(given) - _EDITABLE[kind] - {"links"})
    if unknown:
        raise Refused(422, f"Validation failed: {kind} have no attribute '{unknown[0]}'")
    for name in _OBJECTS & given.keys():
        if not isinstance(given[name], dict):
            raise Refused(422, f"Validation failed: {name} must be an object")
    for name in _TEXTS & given.keys():
        if not isinstance(given[name], str):
            raise Refused(422, f"Validation failed: {name} must be a text")
    options = mapping(given.get("retirement", {}).get("options"), "Validation failed: retirement options")
    number(options.get("count", 0))
    return dict(given)


def _create_project(state: State, given: dict[str, Any], user_id: int) -> Resource:
    name = given.get("display_name")
    if not name:
        raise Refused(422, "Validation failed: Display name can't be blank")
    owner = state.rows("SELECT login FROM users WHERE id = ?", (user_id,))[0]["login"]
    slug = f"{owner}/{safe_name(str(name)).replace('_', '-').lower()}"
    if state.find("projects", slug=slug):
        raise Refused(422, "Validation failed: Display name Must be unique for owner")
    body = {**_DEFAULTS["projects"], **given}
    body.pop("links", None)
    return state.add("projects", body, None, user_id, slug)


def _create_workflow(state: State, body: dict[str, Any], project_id: int, user_id: int) -> Resource:
    body = {"configuration": {}, "retirement": {}, "pairwise": False, "grouped": False, "prioritized": False, **body}
    _number_version(body, {})
    new = state.add("workflows", body, project_id, user_id)
    state.keep_version(new.id, body)
    return new


def _number_version(body: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Put the texts of `body` apart, and count its version up from that of `before`."""
    body["tasks"], body["strings"] = extract_strings(inject_strings(body.get("tasks") or {}, body.get("strings") or {}))
    if not body.get("first_task"):
        body["first_task"] = next(iter(body["tasks"]), "")
    fixed = ("tasks", "first_task", "pairwise", "grouped", "prioritized")
    tasks_changed = any(body.get(name) != before.get(name) for name in fixed)
    texts_changed = body["strings"] != before.get("strings")
    body["major"] = before.get("major", 0) + tasks_changed
    body["minor"] = before.get("minor", 0) + texts_changed
    if not before:
        body["major"] = body["minor"] = 1


def create_subject(
    state: State, body: dict[str, Any], project_id: int, uploads: Uploads
) -> tuple[Resource, dict[str, str]]:
    """Make a subject: `body` has `metadata` and `locations`.

    Returns
    -------
    Resource
        The new one.
    dict
        Key of a new medium -> the signature with which the client may write it.

    Raises
    ------
    Refused
        422 if its media are not valid, 403 beyond the quota.
    """
    user = state.rows(_LIMITED, (uploads.subject_limit, uploads.user_id))[0]
    if user["uploaded"] >= user["most"] and not user["whitelisted"]:
        raise Refused(403, f"User has uploaded {user['uploaded']} subjects of {user['most']} maximum")
    given = body.get("locations")
    if not isinstance(given, list) or not given:
        raise Refused(422, "Validation failed: Locations must be a list of media types or links, not empty")
    locations, signatures = [], {}
    for mime, url in (_location(item) for item in given):
        place = url
        if place is None:
            place, signature = state.add_blob(mime, lifetime_s=uploads.link_s)
            signatures[place] = signature
        locations.append({mime: place})
    state.run("UPDATE users SET uploaded = uploaded + 1 WHERE id = ?", (uploads.user_id,))
    return state.add("subjects", {**body, "locations": locations}, project_id, uploads.user_id), signatures


def _location(item: Any) -> tuple[str, str | None]:
    """Return the media type of a location, and its link where the medium is elsewhere."""
    mime, url = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, None)
    mime = _SAME.get(str(mime), str(mime))
    if mime not in MIME_TYPES:
        raise Refused(422, f"Validation failed: Locations content type is not allowed: {mime}")
    if isinstance(item, dict) and not _is_link(url):
        raise Refused(422, f"Validation failed: Locations must link to http or https: {url}")
    return mime, url


def _is_link(url: object) -> bool:
    return isinstance(url, str) and urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).netloc)
