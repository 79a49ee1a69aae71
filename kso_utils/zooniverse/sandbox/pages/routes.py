"""The addresses of the pages, and of the queue of subjects that they ask for."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from kso_utils.zooniverse.sandbox import resources
from kso_utils.zooniverse.sandbox.messages import Answer, Request, json_answer, number
from kso_utils.zooniverse.sandbox.pages.classify import show_classifier
from kso_utils.zooniverse.sandbox.pages.layout import asset_answer, document, html_answer
from kso_utils.zooniverse.sandbox.pages.overview import show_project, show_projects
from kso_utils.zooniverse.sandbox.pages.sets import show_set
from kso_utils.zooniverse.sandbox.selection import Queue, select
from kso_utils.zooniverse.sandbox.shapes import shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from kso_utils.zooniverse.sandbox.accounts import Accounts
    from kso_utils.zooniverse.sandbox.state import State

_MOST_QUEUED = 20


class Pages:
    """Answers requests for pages.

    Parameters
    ----------
    state
        What is shown.
    accounts
        Who asks for subjects.
    """

    def __init__(self, state: State, accounts: Accounts) -> None:
        self._state = state
        self._accounts = accounts

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        """Return verb, route and handler of each request that is answered here."""
        return [
            ("GET", "/", self._show_projects),
            ("GET", "/projects/<id>", self._show_project),
            ("GET", "/classify/<id>", self._show_classifier),
            ("GET", "/sets/<id>", self._show_set),
            ("GET", "/assets/<file>", self._show_asset),
            ("GET", "/api/subjects/queued", self._list_queued),
        ]

    def _show_projects(self, request: Request) -> Answer:
        return html_answer(show_projects(self._state))

    def _show_project(self, request: Request, id: str) -> Answer:  # noqa: A002  (named by the route)
        return _found(show_project(self._state, number(id)), f"There is no project {id}")

    def _show_classifier(self, request: Request, id: str) -> Answer:  # noqa: A002
        generation, gold = request.params.get("classifier", ""), request.params.get("gold") == "1"
        return _found(show_classifier(self._state, number(id), generation, gold), f"There is no workflow {id}")

    def _show_set(self, request: Request, id: str) -> Answer:  # noqa: A002
        shown = show_set(self._state, number(id), number(request.params.get("page", "1")))
        return _found(shown, f"There is no subject set {id}")

    def _show_asset(self, request: Request, file: str) -> Answer:
        return asset_answer(file)

    def _list_queued(self, request: Request) -> Answer:
        """Answer with the next subjects of `workflow_id` for who asks, as Panoptes does.

        People who are not logged in are told apart by `session`, which Panoptes does not know. What else the page
        tells a person is under `meta`: `count` subjects are waiting, `seen` are done, of `subjects` in all.
        """
        user_id, session = self._accounts.find_user(request), request.params.get("session")
        workflow = resources.need(self._state, "workflows", number(request.params.get("workflow_id", "")))
        size = min(_MOST_QUEUED, max(1, number(request.params.get("page_size", "10"))))
        queue = select(self._state, workflow.id, user_id, session, size)
        found = [(q, s) for q in queue.next if (s := self._state.get("subjects", q.id))]
        state = _selection(queue)
        shown = [
            {**shape(self._state, s, request.base_url), **state, "already_seen": q.seen, "retired": q.retired}
            for q, s in found
        ]
        meta = {"page": 1, "page_size": size, "count": queue.waiting, "seen": queue.seen, "subjects": queue.subjects}
        return json_answer({"subjects": shown, "links": {}, "meta": {"subjects": meta}})


def _selection(queue: Queue) -> dict[str, Any]:
    return {
        "favorite": False,
        "finished_workflow": queue.open == 0,
        "user_has_finished_workflow": queue.waiting == 0,
        "selection_state": "normal" if queue.waiting else "failover_fallback",
    }


def _found(shown: str | None, message: str) -> Answer:
    if shown is not None:
        return html_answer(shown)
    body = f'<p>{escape(message)} here.</p><p><a href="/">All projects</a></p>'
    return html_answer(document("Not found", "Not found", body), 404)
