"""The sandbox's rules: what each request of the Panoptes API does and how it is answered."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox import resources
from kso_utils.zooniverse.sandbox.accounts import Accounts
from kso_utils.zooniverse.sandbox.classifications import record
from kso_utils.zooniverse.sandbox.exports import Exporter
from kso_utils.zooniverse.sandbox.messages import (
    API_TYPE,
    Answer,
    Refused,
    Request,
    etag,
    json_answer,
    number,
    numbers,
    page_of,
)
from kso_utils.zooniverse.sandbox.pages.routes import Pages
from kso_utils.zooniverse.sandbox.shapes import shape, status_shape, user_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kso_utils.zooniverse.sandbox.state import Kind, State

_KINDS = "projects|workflows|subject_sets|subjects"
_GZIP = b"\x1f\x8b"
_STATUSES = (
    "SELECT * FROM statuses WHERE (:workflow IS NULL OR workflow_id = :workflow) "
    "AND (:subject IS NULL OR subject_id = :subject) ORDER BY id"
)


class Api:
    """Answers requests.

    Parameters
    ----------
    state
        What is known.
    users
        User name -> password.
    subject_limit
        How many subjects each user may upload.
    exporter
        Makes the exports.

    Attributes
    ----------
    hits
        How often each route was asked for, `POST /api/<kind>` style.
    """

    def __init__(self, state: State, users: Mapping[str, str], subject_limit: int, exporter: Exporter) -> None:
        self.hits: Counter[str] = Counter()
        self._count_lock = threading.Lock()
        self._state = state
        self._accounts = Accounts(state, users)
        self._pages = Pages(state, self._accounts)
        self._limit = subject_limit
        self._exporter = exporter
        self._routes = [(verb, _pattern(route), route, handler) for verb, route, handler in self._table()]

    def _table(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            *self._pages.routes(),
            ("GET", "/blob/<key>", self._show_blob),
            ("PUT", "/blob/<key>", self._put_blob),
            ("GET", "/users/sign_in", self._accounts.show_sign_in),
            ("POST", "/users/sign_in", self._accounts.sign_in),
            ("DELETE", "/users/sign_out", self._accounts.sign_out),
            ("POST", "/oauth/token", self._accounts.grant_token),
            ("GET", "/api/me", self._show_me),
            ("GET", "/api/users", self._list_users),
            ("GET", "/api/users/<id>", self._show_user),
            ("GET", "/api/set_member_subjects", self._list_members),
            ("GET", "/api/subject_workflow_statuses", self._list_statuses),
            ("POST", "/api/classifications", self._classify),
            ("GET", "/api/<kind>", self._list),
            ("POST", "/api/<kind>", self._create),
            ("GET", "/api/<kind>/<id>", self._show),
            ("PUT", "/api/<kind>/<id>", self._change),
            ("DELETE", "/api/<kind>/<id>", self._delete),
            ("POST", "/api/<kind>/<id>/links/<rel>", self._link),
            ("DELETE", "/api/<kind>/<id>/links/<rel>/<ids>", self._unlink),
            ("POST", "/api/workflows/<id>/retired_subjects", self._retire),
            ("POST", "/api/workflows/<id>/unretire_subjects", self._unretire),
            ("POST", "/api/<kind>/<id>/<export>_export", self._start_export),
            ("GET", "/api/<kind>/<id>/<export>_export", self._show_export),
        ]

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request; what it changed is committed by then."""
        try:
            handler, named = self._find(request)
            if request.path.startswith("/api/"):
                _check_headers(request)
            with self._state.transaction():
                return handler(request, **named)
        except Refused as refusal:
            return refusal.answer()

    def _find(self, request: Request) -> tuple[Callable[..., Answer], dict[str, str]]:
        verb = "GET" if request.verb == "HEAD" else request.verb
        for route_verb, pattern, route, handler in self._routes:
            if route_verb == verb and (found := pattern.fullmatch(request.path)):
                with self._count_lock:
                    self.hits[f"{verb} {route}"] += 1
                return handler, found.groupdict()
        raise Refused(404, f"No route matches {request.verb} {request.path}")

    # Media

    def _show_blob(self, request: Request, key: str) -> Answer:
        blob = self._state.blob(key)
        if blob is None or blob["data"] is None:
            raise Refused(404, "There is no such file")
        if blob["mime"] == "text/csv" and blob["data"].startswith(_GZIP):  # an export, not a subject
            return Answer(200, blob["data"], "text/csv", {"Content-Encoding": "gzip"})
        return _part(request, blob["data"], blob["mime"])

    def _put_blob(self, request: Request, key: str) -> Answer:
        blob = self._state.blob(key)
        if blob is None or blob["signature"] != request.params.get("sig"):
            raise Refused(403, "The signature does not fit this file")
        if request.headers.get("Content-Type") != blob["mime"]:
            raise Refused(403, f"This file was announced as {blob['mime']}")
        self._state.write_blob(key, request.body)
        return Answer(201)

    # Users

    def _show_me(self, request: Request) -> Answer:
        return self._show_user(request, str(self._user(request)))

    def _show_user(self, request: Request, id: str) -> Answer:  # noqa: A002
        return self._users(self._state.rows("SELECT * FROM users WHERE id = ?", (number(id),)), request, id)

    def _list_users(self, request: Request) -> Answer:
        logins = set(filter(None, request.params.get("login", "").split(",")))
        found = self._state.rows("SELECT * FROM users ORDER BY id")
        return self._users([r for r in found if not logins or r["login"] in logins], request)

    def _users(self, rows: list[Any], request: Request, wanted: str | None = None) -> Answer:
        self._user(request)
        if wanted is not None and not rows:
            raise Refused(404, f"Could not find user with id='{wanted}'")
        return _listed("users", [user_shape(r, self._limit) for r in rows], request)

    def _user(self, request: Request) -> int:
        user_id = self._accounts.find_user(request)
        if user_id is None:
            raise Refused(401, "You must be logged in to access this resource.")
        return user_id

    # Resources

    def _list(self, request: Request, kind: Kind) -> Answer:
        if "id" in request.params:
            found = [i for i in numbers(request.params["id"]) if self._state.get(kind, i)]
        else:
            found = resources.find(self._state, kind, request.params)
        ids, meta = page_of(kind, found, request)
        rows = [r for i in ids if (r := self._state.get(kind, i))]
        objects = [shape(self._state, r, request.base_url) for r in rows]
        tag = etag((r.id, r.revision) for r in rows)
        return json_answer({kind: objects, "links": {}, "meta": meta}, 200, {"ETag": tag})

    def _show(self, request: Request, kind: Kind, id: str, status: int = 200) -> Answer:  # noqa: A002
        resource = resources.need(self._state, kind, number(id))
        _, meta = page_of(kind, [resource], request)
        objects = [shape(self._state, resource, request.base_url)]
        tag = etag([(resource.id, resource.revision)])
        return json_answer({kind: objects, "links": {}, "meta": meta}, status, {"ETag": tag})

    def _create(self, request: Request, kind: Kind) -> Answer:
        user_id = self._user(request)
        new, signatures = resources.create(self._state, kind, request.json(), user_id, self._limit)
        objects = [shape(self._state, new, request.base_url, signatures)]
        headers = {"ETag": etag([(new.id, new.revision)]), "Location": f"{request.base_url}/api/{kind}/{new.id}"}
        return json_answer({kind: objects, "links": {}, "meta": {}}, 201, headers)

    def _change(self, request: Request, kind: Kind, id: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, kind, number(id))
        _check_match(request, etag([(resource.id, resource.revision)]))
        resources.change(self._state, resource, request.json())
        return self._show(request, kind, id)

    def _delete(self, request: Request, kind: Kind, id: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, kind, number(id))
        _check_match(request, etag([(resource.id, resource.revision)]))
        self._state.remove(resource)
        return Answer(204)

    def _link(self, request: Request, kind: Kind, id: str, rel: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, kind, number(id))
        resources.link(self._state, resource, rel, numbers(request.json().get(rel, [])))
        return self._show(request, kind, id)

    def _unlink(self, request: Request, kind: Kind, id: str, rel: str, ids: str) -> Answer:  # noqa: A002
        self._user(request)
        resources.unlink(self._state, resources.need(self._state, kind, number(id)), rel, numbers(ids))
        return Answer(204)

    def _list_members(self, request: Request) -> Answer:
        params = request.params
        wanted = params.get("subject_ids", params.get("subject_id"))
        set_id = number(params["subject_set_id"]) if "subject_set_id" in params else None
        found = self._state.members(set_id, None if wanted is None else numbers(wanted))
        objects = [
            {"id": str(r["id"]), "links": {"subject": str(r["subject_id"]), "subject_set": str(r["set_id"])}}
            for r in found
        ]
        return _listed("set_member_subjects", objects, request)

    # What people did

    def _list_statuses(self, request: Request) -> Answer:
        workflow = request.params.get("workflow_id")
        wanted = request.params.get("subject_ids", request.params.get("subject_id"))
        subjects = [None] if wanted is None else numbers(wanted)
        values = {"workflow": None if workflow is None else number(workflow)}
        found = [r for s in subjects for r in self._state.rows(_STATUSES, {**values, "subject": s})]
        return _listed("subject_workflow_statuses", [status_shape(r) for r in found], request)

    def _classify(self, request: Request) -> Answer:
        user_id = self._accounts.find_user(request)
        new = record(self._state, request.json().get("classifications"), user_id)
        return json_answer({"classifications": [{"id": str(new), "href": f"/classifications/{new}"}]}, 201)

    def _retire(self, request: Request, id: str) -> Answer:  # noqa: A002
        self._user(request)
        body = request.json()
        resource = resources.need(self._state, "workflows", number(id))
        reason = str(body.get("retirement_reason", "other"))
        self._state.retire(resource.id, numbers(body.get("subject_ids", [])), reason)
        return Answer(204)

    def _unretire(self, request: Request, id: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, "workflows", number(id))
        self._state.unretire(resource.id, numbers(request.json().get("subject_ids", [])))
        return Answer(204)

    def _start_export(self, request: Request, kind: Kind, id: str, export: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, kind, number(id))
        media = self._exporter.start(resource, export, request.base_url)
        return json_answer({"media": [media]}, 201)

    def _show_export(self, request: Request, kind: Kind, id: str, export: str) -> Answer:  # noqa: A002
        self._user(request)
        resource = resources.need(self._state, kind, number(id))
        return json_answer({"media": [self._exporter.describe(resource, export, request.base_url)]})


def _pattern(route: str) -> re.Pattern[str]:
    groups = {
        "kind": _KINDS,
        "id": "[0-9]+",
        "ids": "[0-9,%C ]+",
        "key": "[0-9a-f]+(?:[.][a-z0-9]+)?",
        "rel": "[a-z_]+",
        "file": "[a-z]+[.](?:css|js|svg)",
    }
    return re.compile(re.sub("<([a-z]+)>", lambda m: f"(?P<{m[1]}>{groups.get(m[1], '[a-z_]+')})", route))


def _check_headers(request: Request) -> None:
    if API_TYPE.replace(" ", "") not in request.headers.get("Accept", "").replace(" ", ""):
        raise Refused(404, f"Not found: this API answers to 'Accept: {API_TYPE}' only")
    written = request.headers.get("Content-Type", "").partition(";")[0]
    if request.verb in ("POST", "PUT", "DELETE") and written != "application/json":
        raise Refused(415, f"Unsupported media type '{written}': send application/json")


def _check_match(request: Request, current: str) -> None:
    given = request.headers.get("If-Match")
    if not given:
        raise Refused(428, "Request requires If-Match header to be present")
    if given != current:
        raise Refused(412, "Attempted to update a stale object")


def _listed(kind: str, objects: list[Any], request: Request) -> Answer:
    shown, meta = page_of(kind, objects, request)
    tag = etag((int(o["id"]), 1) for o in shown)
    return json_answer({kind: shown, "links": {}, "meta": meta}, 200, {"ETag": tag})


def _part(request: Request, data: bytes, mime: str) -> Answer:
    """Return a medium, or the part of it that a video player asks for."""
    headers = {"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
    if mime == "image/svg+xml":
        headers["Content-Security-Policy"] = "sandbox"
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if wanted is None:
        return Answer(200, data, mime, headers)
    start = int(wanted[1])
    stop = min(len(data), int(wanted[2]) + 1 if wanted[2] else len(data))
    if start >= stop:
        return Answer(416, b"", mime, {"Content-Range": f"bytes */{len(data)}"})
    return Answer(206, data[start:stop], mime, {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})
