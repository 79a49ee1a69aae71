"""The sandbox's rules: what each request of the Panoptes API does and how it is answered."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kso_utils.zooniverse.sandbox import listings, media, resources
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
)
from kso_utils.zooniverse.sandbox.pages.routes import Pages
from kso_utils.zooniverse.sandbox.shapes import (
    classification_shape,
    import_shape,
    member_shape,
    role_shape,
    shape,
    status_shape,
    user_shape,
)
from kso_utils.zooniverse.sandbox.state import resource_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kso_utils.zooniverse.sandbox.imports import Importer
    from kso_utils.zooniverse.sandbox.state import Kind, State

_KINDS = "projects|workflows|subject_sets|subjects"
_SHAPES: dict[str, Callable[[sqlite3.Row], dict[str, Any]]] = {
    "set_member_subjects": member_shape,
    "subject_workflow_statuses": status_shape,
    "classifications": classification_shape,
    "project_roles": role_shape,
    "subject_set_imports": import_shape,
}


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
    importer
        Takes in manifests of media elsewhere.
    upload_link_s
        How long the link to which a client sends a medium is good for.

    Attributes
    ----------
    hits
        How often each route was asked for, `POST /api/<kind>` style.
    """

    def __init__(
        self,
        state: State,
        users: Mapping[str, str],
        subject_limit: int,
        exporter: Exporter,
        importer: Importer,
        upload_link_s: float,
    ) -> None:
        self.hits: Counter[str] = Counter()
        self._count_lock = threading.Lock()
        self._state = state
        self._accounts = Accounts(state, users)
        self._pages = Pages(state, self._accounts)
        self._limit = subject_limit
        self._exporter, self._importer = exporter, importer
        self._upload_link_s = upload_link_s
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
            ("GET", "/api/<table>", self._list_others),
            ("GET", "/api/<table>/<id>", self._show_other),
            ("GET", "/api/classifications/project", self._list_said),
            ("POST", "/api/classifications", self._classify),
            ("POST", "/api/subject_set_imports", self._start_import),
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
            if handler == self._start_import:  # it asks another server, which may be slow, or this one
                return handler(request, **named)
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
        return media.read_medium(self._state, request, key)

    def _put_blob(self, request: Request, key: str) -> Answer:
        return media.write_medium(self._state, request, key)

    # Users

    def _show_me(self, request: Request) -> Answer:
        return self._show_user(request, str(self._user(request)))

    def _show_user(self, request: Request, id: str) -> Answer:  # noqa: A002
        self._user(request)
        found = self._state.rows("SELECT * FROM users WHERE id = ?", (number(id),))
        if not found:
            raise Refused(404, f"Could not find user with id='{id}'")
        return _listed("users", [user_shape(r, self._limit) for r in found], listings.meta("users", 1, request))

    def _list_users(self, request: Request) -> Answer:
        self._user(request)
        rows, meta = listings.list_rows(self._state, "users", request)
        return _listed("users", [user_shape(r, self._limit) for r in rows], meta)

    def _user(self, request: Request) -> int:
        user_id = self._accounts.find_user(request)
        if user_id is None:
            raise Refused(401, "You must be logged in to access this resource.")
        return user_id

    # Resources

    def _list(self, request: Request, kind: Kind) -> Answer:
        rows, meta = listings.list_rows(self._state, kind, request)
        found = [resource_of(row) for row in rows]
        objects = [shape(self._state, r, request.base_url) for r in found]
        tag = etag((r.id, r.revision) for r in found)
        return json_answer({kind: objects, "links": {}, "meta": meta}, 200, {"ETag": tag})

    def _show(self, request: Request, kind: Kind, id: str, status: int = 200) -> Answer:  # noqa: A002
        resource = resources.need(self._state, kind, number(id))
        objects = [shape(self._state, resource, request.base_url)]
        tag = etag([(resource.id, resource.revision)])
        meta = listings.meta(kind, 1, request)
        return json_answer({kind: objects, "links": {}, "meta": meta}, status, {"ETag": tag})

    def _create(self, request: Request, kind: Kind) -> Answer:
        user_id = self._user(request)
        uploads = resources.Uploads(user_id, self._limit, self._upload_link_s)
        new, signatures = resources.create(self._state, kind, request.json(), uploads)
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
        resources.unlink(self._state, resources.need(self._state, kind, number(id)), rel, numbers(unquote(ids)))
        return Answer(204)

    # What else is listed: memberships, statuses, classifications, roles, imports

    def _list_others(self, request: Request, table: str) -> Answer:
        if table == "classifications":
            own = {"user_id": str(self._user(request))}
            request = replace(request, params={**request.params, **own})
        rows, meta = listings.list_rows(self._state, table, request)
        return _listed(table, [_SHAPES[table](row) for row in rows], meta)

    def _list_said(self, request: Request) -> Answer:
        self._user(request)
        resources.need(self._state, "projects", number(request.params.get("project_id", "")))
        rows, meta = listings.list_rows(self._state, "classifications", request)
        return _listed("classifications", [classification_shape(row) for row in rows], meta)

    def _show_other(self, request: Request, table: str, id: str) -> Answer:  # noqa: A002
        answer = self._list_others(replace(request, params={"id": id}), table)
        if not json.loads(answer.body)[table]:
            raise Refused(404, f"Could not find {table} with id='{id}'")
        return answer

    # What people did

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
        body = request.json()
        resource = resources.need(self._state, "workflows", number(id))
        in_sets = [s for i in numbers(body.get("subject_set_ids", [])) for s in self._state.subjects_of(i)]
        self._state.unretire(resource.id, numbers(body.get("subject_ids", [])) + in_sets)
        return Answer(204)

    def _start_import(self, request: Request) -> Answer:
        with self._state.transaction():
            user_id = self._user(request)
        row = self._importer.start(request.json(), user_id)
        return json_answer({"subject_set_imports": [import_shape(row)], "links": {}, "meta": {}}, 201)

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
        "table": "|".join(_SHAPES),
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


def _listed(kind: str, objects: list[Any], meta: dict[str, Any]) -> Answer:
    tag = etag((int(o["id"]), 1) for o in objects)
    return json_answer({kind: objects, "links": {}, "meta": meta}, 200, {"ETag": tag})
