"""One login to Zooniverse (or to a sandbox), through the official client; nobody else talks to it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from kso_utils.core.credentials import find_login
from kso_utils.core.errors import ExportTimeout, ZooniverseError
from kso_utils.core.paths import write_atomic
from kso_utils.zooniverse.client import (
    ZOONIVERSE,
    Unauthorised,
    open_client,
    open_media_connection,
    refuse_media,
    said_plainly,
)
from kso_utils.zooniverse.client import ApiError as ApiError
from kso_utils.zooniverse.retrieval.downloads import save_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import requests

MEDIUM_TIMEOUT_S = 600.0
BATCH = 100
T = TypeVar("T")


class Session:
    """A login that any number of threads may share.

    Made by `connect`. Each verb is one request, or one a batch or page, and is tried once: whether to try again is the
    caller's choice, which `ApiError.temporary` informs. Every request has a time limit (5 s to connect, 60 s without
    an answer).

    Attributes
    ----------
    url
        The address of the server, `https://www.zooniverse.org`.
    user
        The user name.
    """

    def __init__(self, client: Any, user: str, media: requests.Session) -> None:
        self.url: str = client.endpoint
        self.user = user
        self._client = client
        self._media = media

    def __repr__(self) -> str:
        """Return the server and the user, and no secret."""
        return f"Session({self.user!r} at {self.url})"

    def __enter__(self) -> Self:
        """Return the session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.session.close()
        self._media.close()

    # Requests

    def fetch(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET a path below `/api` (`/projects/12`) and return its JSON.

        Raises
        ------
        ApiError
            If the server refuses or cannot be reached.
        Denied
            If this user may not see it.
        """
        return self._ask("GET", path, params=dict(params or {}))

    def push(self, path: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """POST JSON to a path below `/api` and return the JSON of the answer ({} where it is empty).

        Raises
        ------
        ApiError
            If the server refuses or cannot be reached.
        QuotaExceeded
            If the account may not upload more subjects.
        Denied
            If this user may not do it.
        """
        return self._ask("POST", path, json=dict(message))

    def put_media(self, url: str, data: bytes, mime: str) -> None:
        """PUT a file's content to the signed link that `create_subject` gave.

        Raises
        ------
        ApiError
            If it was not accepted.
        """
        # The server compares the sum with what arrives (status 400 where it differs).
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        headers = {
            "Content-Type": mime,
            "Content-MD5": base64.b64encode(digest).decode(),
            "x-ms-blob-type": "BlockBlob",
        }
        with said_plainly(self.url):
            # The link carries its own right to write: the login is not sent along. As a stream, the data go out in
            # small blocks, each with a time limit of its own; at once, a slow line would overstep the limit for all.
            answer = self._media.put(url, data=io.BytesIO(data), headers=headers)
            refuse_media(answer)

    def hash_media(self, url: str) -> str:
        """Return the sha256 of a subject's medium, read from its public address without the login.

        Raises
        ------
        ApiError
            If it is not there (status 404 or 410), the connection breaks, or it takes longer than 10 minutes.
        ConfigError
            If `url` is no web address.
        """
        digest, deadline = hashlib.sha256(), time.monotonic() + MEDIUM_TIMEOUT_S
        place = url.partition("?")[0]
        with (
            said_plainly(place),
            self._media.get(url, stream=True, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            refuse_media(answer)
            for chunk in answer.iter_content(1 << 14):
                digest.update(chunk)
                if time.monotonic() > deadline:
                    raise ApiError(f"{place} did not arrive within {MEDIUM_TIMEOUT_S:g} s. Try again later.")
        return digest.hexdigest()

    # Verbs

    def me(self) -> dict[str, Any]:
        """Return the user's account, with `uploaded_subjects_count`, `subject_limit` and `upload_whitelist`."""
        return dict(self.fetch("/me")["users"][0])

    def server_time(self) -> datetime | None:
        """Return the time of the server's clock; None where it does not tell."""
        with said_plainly(self.url):
            told = self._answer("GET", "/me", {}).headers.get("Date")
        try:
            return parsedate_to_datetime(told) if told else None
        except ValueError:
            return None

    def find_project(self, project: int | str) -> dict[str, Any]:
        """Return a project by its id or its slug (`owner/name`).

        Raises
        ------
        ZooniverseError
            If there is no such project.
        """
        if str(project).isdigit():
            found = self.fetch(f"/projects/{project}")["projects"]
        else:
            found = self.fetch("/projects", {"slug": project})["projects"]
        if not found:
            raise ZooniverseError(
                f"There is no project '{project}' at {self.url}, or {self.user} may not see it. "
                "Give its number, or its name as in its address: owner/name."
            )
        return dict(found[0])

    def find_subject_set(self, project_id: int | str, name: str) -> int | None:
        """Return the id of the oldest subject set of that name in a project; None if there is none."""
        params = {"project_id": project_id, "display_name": name, "page_size": BATCH}
        found = [int(s["id"]) for s in self._pages("subject_sets", params) if s["display_name"] == name]
        return min(found, default=None)

    def create_subject_set(self, project_id: int | str, name: str) -> int:
        """Make an empty subject set and return its id."""
        message = {"display_name": name, "links": {"project": str(project_id)}}
        return int(self.push("/subject_sets", {"subject_sets": message})["subject_sets"][0]["id"])

    def create_subject(
        self, project_id: int | str, mime: str, metadata: Mapping[str, Any], url: str | None = None
    ) -> tuple[int, str]:
        """Make a subject with one medium, which is still to be sent, or lies elsewhere.

        Parameters
        ----------
        project_id
            Its project.
        mime
            The type of the medium, `video/mp4`.
        metadata
            Plain JSON values.
        url
            Where the medium lies for everybody to fetch; by default it is to be sent.

        Returns
        -------
        int
            The subject's id.
        str
            The link for `put_media`, which expires within minutes; `url` as the server has it, where it was given.
        """
        place = mime if url is None else {mime: url}
        message = {"locations": [place], "metadata": dict(metadata), "links": {"project": str(project_id)}}
        new = self.push("/subjects", {"subjects": message})["subjects"][0]
        return int(new["id"]), str(next(iter(new["locations"][0].values())))

    def link_subjects(self, set_id: int | str, subject_ids: Iterable[int]) -> None:
        """Put subjects into a set, 100 a request; those that are in it already are left alone."""
        for batch in batches_of(map(str, subject_ids)):
            self.push(f"/subject_sets/{set_id}/links/subjects", {"subjects": batch})

    def remove_subject(self, subject_id: int) -> None:
        """Delete a subject for good; one that is gone already is left alone."""
        path = f"/subjects/{subject_id}"
        try:
            self._revise("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def change_metadata(self, subject_id: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Replace the metadata of a subject by what `change` makes of them as they are now.

        Raises
        ------
        ApiError
            With status 412 if somebody else changed the subject in this moment; nothing is overwritten.
        """

        def replace(current: dict[str, Any]) -> dict[str, Any]:
            metadata = change(dict(current["subjects"][0]["metadata"]))
            return {"json": {"subjects": {"metadata": metadata}}}

        self._revise("PUT", f"/subjects/{subject_id}", replace)

    def unlink_subjects(self, set_id: int | str, subject_ids: Iterable[int]) -> None:
        """Take subjects out of a set, 100 a request; they themselves stay."""
        for batch in batches_of(map(str, subject_ids)):
            self._ask("DELETE", f"/subject_sets/{set_id}/links/subjects/{','.join(batch)}")

    def link_set(self, workflow_id: int | str, set_id: int | str) -> None:
        """Show a subject set in a workflow."""
        self.push(f"/workflows/{workflow_id}/links/subject_sets", {"subject_sets": [str(set_id)]})

    def unlink_set(self, workflow_id: int | str, set_id: int | str) -> None:
        """Show a subject set no more in a workflow."""
        self._ask("DELETE", f"/workflows/{workflow_id}/links/subject_sets/{set_id}")

    def retire_subjects(self, workflow_id: int | str, subject_ids: Iterable[int], reason: str = "other") -> None:
        """Show subjects to nobody any more in a workflow, 100 a request.

        `reason` is one that Panoptes knows: `classification_count`, `flagged`, `nothing_here`, `consensus`, `other`.
        """
        for batch in batches_of(map(str, subject_ids)):
            message = {"subject_ids": batch, "retirement_reason": reason}
            self.push(f"/workflows/{workflow_id}/retired_subjects", message)

    def unretire_subjects(self, workflow_id: int | str, subject_ids: Iterable[int]) -> None:
        """Show retired subjects again in a workflow, 100 a request."""
        for batch in batches_of(map(str, subject_ids)):
            self.push(f"/workflows/{workflow_id}/unretire_subjects", {"subject_ids": batch})

    def list_subjects(self, set_id: int | str) -> Iterator[dict[str, Any]]:
        """Yield the subjects of a set (`id, metadata, locations, links`), 100 a request."""
        return self._pages("subjects", {"subject_set_id": set_id, "page_size": BATCH})

    # Imports

    def request_import(self, set_id: int | str, source_url: str) -> int:
        """Let the server make subjects of a manifest that it fetches from an address, and return the import's id.

        The manifest is a CSV file with the columns `external_id`, `location:1` and `metadata:<name>`, of 10,000 rows at
        most (Zooniverse API, `subject_set_imports`).
        """
        message = {"source_url": source_url, "links": {"subject_set": str(set_id)}}
        return int(self.push("/subject_set_imports", {"subject_set_imports": message})["subject_set_imports"][0]["id"])

    def describe_import(self, import_id: int) -> dict[str, Any]:
        """Return how far an import is: `manifest_count, imported_count, failed_count, failed_uuids`."""
        return dict(self.fetch(f"/subject_set_imports/{import_id}")["subject_set_imports"][0])

    def list_imports(self, set_id: int | str) -> list[dict[str, Any]]:
        """Return the imports into a set, as `describe_import` does."""
        params = {"subject_set_id": set_id, "page_size": BATCH}
        found = self._pages("subject_set_imports", params)
        return [one for one in found if str(one["links"].get("subject_set")) == str(set_id)]

    # Exports

    def request_export(self, kind: str, owner: str, owner_id: int | str) -> dict[str, Any]:
        """Ask for a new export and return its medium.

        Parameters
        ----------
        kind
            `classifications`, `subjects` or `workflows`; of a workflow or subject set `classifications` only.
        owner
            `projects`, `workflows` or `subject_sets`.
        owner_id
            Its id.
        """
        return dict(
            self.push(f"/{owner}/{owner_id}/{kind}_export", {"media": {"content_type": "text/csv"}})["media"][0]
        )

    def describe_export(self, kind: str, owner: str, owner_id: int | str) -> dict[str, Any] | None:
        """Return the medium of the latest export (`src, updated_at, metadata.state`); None if there never was one."""
        try:
            return dict(self.fetch(f"/{owner}/{owner_id}/{kind}_export")["media"][0])
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def await_export(
        self, kind: str, owner: str, owner_id: int | str, timeout_s: float = 3600.0, poll_s: float = 2.0
    ) -> dict[str, Any]:
        """Wait until the export that was asked for is ready, and return its medium.

        Raises
        ------
        ExportTimeout
            If it is not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            medium = self.describe_export(kind, owner, owner_id)
            if medium and medium["metadata"].get("state") in ("ready", "finished"):
                return medium
            if time.monotonic() >= deadline:
                raise ExportTimeout(
                    f"The {kind} export of {owner[:-1].replace('_', ' ')} {owner_id} was not ready after "
                    f"{timeout_s:g} s. Zooniverse makes one a day at most: try again later."
                )
            time.sleep(poll_s)

    def download(self, src: str, path: str | Path) -> None:
        """Save the file behind an export's link to `path`, unpacked, whole or not at all.

        Raises
        ------
        ApiError
            If it is not there any more, is damaged or cut off, or the connection breaks.
        """
        with (
            said_plainly(self.url),
            write_atomic(path) as temporary,
            self._media.get(src, stream=True) as answer,
            temporary.open("wb") as handle,
        ):
            refuse_media(answer)
            save_body(answer, handle)

    # Behind them

    def _pages(self, kind: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        page = self.fetch(f"/{kind}", params)
        while True:
            yield from page[kind]
            following = page["meta"][kind].get("next_href")
            if not following:
                return
            page = self.fetch(following)

    def _revise(
        self, verb: str, path: str, content: Callable[[dict[str, Any]], dict[str, Any]] = lambda _current: {}
    ) -> None:
        """Change or delete a resource as it is now."""
        with said_plainly(self.url):
            current = self._answer("GET", path, {})
            self._answer(verb, path, {**content(current.json()), "etag": current.headers["ETag"]})

    def _ask(self, verb: str, path: str, **content: Any) -> dict[str, Any]:
        with said_plainly(self.url):
            answer = self._answer(verb, path, content)
            return dict(answer.json()) if answer.content else {}

    def _answer(self, verb: str, path: str, content: dict[str, Any]) -> requests.Response:
        used = self._client.bearer_token
        try:
            return self._send(verb, path, content)
        except Unauthorised:
            self._client.forget(used)
            return self._send(verb, path, content)

    def _send(self, verb: str, path: str, content: dict[str, Any]) -> requests.Response:
        answer: requests.Response = self._client.http_request(verb, path, **content)
        return answer


def batches_of(ids: Iterable[T]) -> list[list[T]]:
    """Return the ids, each once, in batches of as many as one request may name.

    One that occurs twice in a request makes the server refuse it whole.
    """
    distinct = list(dict.fromkeys(ids))
    return [distinct[start : start + BATCH] for start in range(0, len(distinct), BATCH)]


def connect(
    user: str | None = None,
    password: str | None = None,
    endpoint: str | None = None,
    *,
    client_id: str | None = None,
    client_secret: str | None = None,
    ask: bool = True,
) -> Session:
    """Log in to Zooniverse, or to a sandbox.

    A login is looked for in the arguments, in the environment, in the system's keyring (where the package `keyring` is
    installed), and asked for at the terminal, in this order. It is kept in memory only.

    Parameters
    ----------
    user, password
        A person's account; in the environment `PANOPTES_USERNAME` and `PANOPTES_PASSWORD`.
    endpoint
        The address of the server; by default `PANOPTES_ENDPOINT`, else Zooniverse itself.
    client_id, client_secret
        An application's credentials in place of a person's; in the environment `PANOPTES_CLIENT_ID` and
        `PANOPTES_CLIENT_SECRET`.
    ask
        Whether to ask at the terminal at all.

    Raises
    ------
    Denied
        If the login is wrong.
    ApiError
        If the server cannot be reached, or is not a Zooniverse.
    ConfigError
        If the address is not one, there is no login, or both kinds were given.
    MissingExtra
        If the official client is not installed.
    """
    url = (endpoint or os.environ.get("PANOPTES_ENDPOINT") or ZOONIVERSE).rstrip("/")
    media = open_media_connection()
    given = {"client_id": client_id, "client_secret": client_secret}
    login = find_login("Zooniverse", user, password, "PANOPTES", **given, address=url, ask=ask)
    return Session(open_client(url, login), login.user, media)
