"""Subjects on their way to Zooniverse: many at once, each exactly once, whatever breaks in between."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import Denied, KsoError, QuotaExceeded, ZooniverseError
from kso_utils.core.log import logger
from kso_utils.core.retries import ATTEMPTS, again, wait
from kso_utils.zooniverse.session import BATCH, ApiError
from kso_utils.zooniverse.subjects import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from kso_utils.core.progress import Bar
    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

_log = logger(__name__)

AHEAD = 64
"""How many subjects are promised to the journal in one commit before their requests start."""


@dataclass(slots=True)
class Item:
    """One subject to upload: what it is, and how far it has come (`state` of the store's `upload_journal`)."""

    key: str
    path: Path
    mime: str
    sha256: str
    metadata: dict[str, Any]
    origin: dict[str, Any] = field(default_factory=dict)
    state: str = "planned"
    subject_id: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _News:
    """What a worker says about an item; `last` where it is done with it, `fatal` where nobody can go on."""

    item: Item
    state: str
    subject_id: int | None = None
    reason: str | None = None
    last: bool = True
    fatal: KsoError | None = None


class Sender:
    """Uploads items; the calling thread alone writes to the store and links, workers alone send.

    The order of each item's steps makes it safe to be killed at any moment: the journal says `sending` before the
    request that makes the subject, `media_ok` after its medium has arrived, `linked` after it is in its set. A subject
    that the journal does not know to be whole is removed again before its item is sent anew, and no subject is linked
    before it is whole.

    Parameters
    ----------
    session, store, project_id, set_id
        Where from and where to.
    items
        What to upload, in the states in which the journal has them.
    workers
        How many send at once.
    progress
        Advanced by one for each item that is linked or has failed.
    """

    def __init__(
        self,
        session: Session,
        store: Store,
        project_id: str,
        set_id: int,
        items: list[Item],
        workers: int,
        progress: Bar,
    ) -> None:
        self._session, self._store = session, store
        self._project_id, self._set_id = project_id, set_id
        self._items, self._workers, self._progress = items, workers, progress
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._stop = threading.Event()
        self._ready: deque[Item] = deque(i for i in items if i.state == "media_ok")
        self._lost_in_a_row = 0

    def run(self, adopt: bool) -> None:
        """Upload until every item is `linked` or `failed`.

        Parameters
        ----------
        adopt
            Look first for what the set holds already: for a set that is older than the journal.

        Raises
        ------
        ZooniverseError
            If the server cannot be reached any more; the journal knows how far each item is.
        QuotaExceeded, Denied
            If the account may not go on.
        """
        try:
            self._run(adopt)
        except ApiError as error:
            linked = sum(item.state == "linked" for item in self._items)
            raise ZooniverseError(
                f"{error} {linked} of {len(self._items)} subjects arrived. Run the upload again: it goes on from there."
            ) from error

    def _run(self, adopt: bool) -> None:
        self._write(self._items)
        if adopt:
            self._settle([i for i in self._items if i.state == "planned"], {"subject_set_id": self._set_id})
        # A medium that was refused may be accepted today.
        refused = [i for i in self._items if i.state == "failed"]
        for attempt in range(ATTEMPTS):
            self._settle(refused + self._uncertain(), {"project_id": self._project_id})
            self._send_all([i for i in self._items if i.state == "planned"])
            self._link(everything=True)
            if not self._uncertain():
                return
            refused = []
            wait(attempt)
        raise ZooniverseError(
            f"{self._session.url} lost its answers about {len(self._uncertain())} subjects again and again. "
            "What arrived is kept: run the upload again later, it goes on from there."
        )

    def _uncertain(self) -> list[Item]:
        """Return the items of which the server may hold a subject that is not whole."""
        return [i for i in self._items if i.state in ("sending", "created")]

    def _settle(self, items: list[Item], among: dict[str, Any]) -> None:
        """Find out what became of items: what is in the set is done, what is half done is removed and planned anew."""
        wanted = {item.key: item for item in items}
        found = [s for s in self._list(among) if s["metadata"].get(KEY) in wanted] if wanted else []
        linked = {}
        for subject in found:
            item = wanted[subject["metadata"][KEY]]
            if str(self._set_id) in subject["links"].get("subject_sets", []):
                linked[item.key] = item
                item.subject_id = int(subject["id"])
            else:
                self._remove(int(subject["id"]))
        for item in items:
            if item.key not in linked:
                item.state, item.subject_id, item.reason = "planned", None, None
        self._finish(list(linked.values()))

    def _list(self, among: dict[str, Any]) -> list[dict[str, Any]]:
        """Return subjects, listed to the end before the first is removed, which would shift the pages."""
        subjects: list[dict[str, Any]] = []
        for page in itertools.count(1):
            query = {**among, "page_size": BATCH, "page": page}
            answer = again(lambda query=query: self._session.fetch("/subjects", query))  # type: ignore[misc]
            subjects += answer["subjects"]
            if page >= int(answer["meta"]["subjects"]["page_count"]):
                break
        return subjects

    def _remove(self, subject_id: int) -> None:
        try:
            again(lambda: self._session.remove_subject(subject_id))
        except (ApiError, Denied) as error:
            # It is in no set, so no volunteer will ever see it.
            _log.warning("subject %s, which is not whole, could not be removed: %s", subject_id, error)

    def _send_all(self, items: list[Item]) -> None:
        """Send items through the workers, and keep the journal and the set up with them."""
        waiting, active, fatal = deque(items), 0, None
        self._stop.clear()
        self._lost_in_a_row = 0
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="upload")
        try:
            while active or (waiting and not self._stop.is_set()):
                if waiting and active <= 2 * self._workers and not self._stop.is_set():
                    batch = [waiting.popleft() for _ in range(min(AHEAD, len(waiting)))]
                    self._promise(batch)
                    for item in batch:
                        pool.submit(self._send, item)
                    active += len(batch)
                finished, error = self._hear(block=True)
                active -= finished
                fatal = fatal or error
                self._link(everything=False)
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._hear(block=False)
        if fatal is not None:
            self._link(everything=True)
            raise fatal

    def _promise(self, items: list[Item]) -> None:
        for item in items:
            item.state = "sending"
        self._write(items)

    def _hear(self, block: bool) -> tuple[int, KsoError | None]:
        """Take in what the workers said, in one commit; return how many items they are done with, and a fatal error."""
        heard: list[_News] = [self._news.get()] if block else []
        try:
            while True:
                heard.append(self._news.get_nowait())
        except Empty:
            pass
        for news in heard:
            item = news.item
            item.state, item.reason = news.state, news.reason
            item.subject_id = news.subject_id if news.subject_id is not None else item.subject_id
            if news.state == "media_ok":
                self._ready.append(item)
            elif news.state == "failed":
                self._progress.advance()
            if news.last:
                self._lost_in_a_row = self._lost_in_a_row + 1 if news.state in ("sending", "created") else 0
        if self._lost_in_a_row > 2 * self._workers:
            self._stop.set()
        self._write({news.item.key: news.item for news in heard}.values())
        fatal = next((news.fatal for news in heard if news.fatal), None)
        if fatal is not None:
            self._stop.set()
        return sum(news.last for news in heard), fatal

    def _send(self, item: Item) -> None:
        """Make one subject and send its medium (in a worker)."""
        try:
            self._news.put(self._try(item))
        except KsoError as error:
            # Who may not make subjects made none; after any other error there may be one.
            state = "planned" if isinstance(error, Denied | QuotaExceeded) else "sending"
            self._news.put(_News(item, state, fatal=error))
        except OSError as error:
            self._news.put(_News(item, "failed", reason=f"{item.path} cannot be read: {error.strerror}"))
        except Exception as error:
            # A worker that says nothing would be waited for without end.
            fatal = ZooniverseError(
                f"{self._session.url} answered something unexpected about {item.path} ({error!r}). "
                "What arrived is kept: run the upload again, it goes on from there."
            )
            fatal.__cause__ = error
            self._news.put(_News(item, "sending", fatal=fatal))

    def _try(self, item: Item) -> _News:
        if self._stop.is_set():
            return _News(item, "planned")
        data = item.path.read_bytes()
        if hashlib.sha256(data).hexdigest() != item.sha256:
            return _News(item, "failed", reason=f"{item.path} is not the file that was planned. Plan it again.")
        try:
            # Whoever is told to wait was not served; any other failure may hide a subject that was made.
            subject_id, link = again(
                lambda: self._session.create_subject(self._project_id, item.mime, item.metadata),
                when=lambda error: error.status == 429,
            )
        except ApiError as error:
            if error.temporary and error.status != 429:
                return _News(item, "sending", reason=str(error))
            return _News(item, "failed", reason=str(error))
        self._news.put(_News(item, "created", subject_id, last=False))
        try:
            again(lambda: self._session.put_media(link, data, item.mime))
        except ApiError as error:
            state = "created" if error.status is None else "failed"
            return _News(item, state, subject_id, f"The medium did not arrive: {error}")
        return _News(item, "media_ok", subject_id)

    def _link(self, everything: bool) -> None:
        """Put whole subjects into the set, 100 a request."""
        while len(self._ready) >= BATCH or (everything and self._ready):
            self._link_batch([self._ready.popleft() for _ in range(min(BATCH, len(self._ready)))])

    def _link_batch(self, batch: list[Item]) -> None:
        ids = [item.subject_id for item in batch if item.subject_id is not None]
        try:
            again(lambda: self._session.link_subjects(self._set_id, ids))
        except ApiError as error:
            if error.status != 422:
                raise
            if len(batch) > 1:
                # One subject that is gone makes the server refuse them all: look for it by halves.
                self._link_batch(batch[: len(batch) // 2])
                self._link_batch(batch[len(batch) // 2 :])
                return
            batch[0].state, batch[0].reason = "failed", f"It could not be put into the subject set: {error}"
            self._write(batch)
            self._progress.advance()
        else:
            self._finish(batch)

    def _finish(self, items: list[Item]) -> None:
        """Note that items are in the set, together with their rows in `subjects`."""
        if not items:
            return
        import pandas as pd

        rows = [
            {
                "id": item.subject_id,
                "subject_set_id": str(self._set_id),
                **item.origin,
                "metadata": item.metadata,
                "sha256": item.sha256,
                "upload_state": "linked",
            }
            for item in items
        ]
        for item in items:
            item.state, item.reason = "linked", None
        with self._store.atomic():
            self._write(items)
            self._store.upsert("subjects", pd.DataFrame(rows, dtype=object), "id")
        self._progress.advance(len(items))

    def _write(self, items: Iterable[Item]) -> None:
        """Write the state of items to the journal, in one transaction."""
        import pandas as pd

        now = utc_now()
        rows = [
            {
                "key": item.key,
                "project_id": self._project_id,
                "subject_set_id": str(self._set_id),
                "path": str(item.path),
                "sha256": item.sha256,
                "metadata": item.metadata,
                "state": item.state,
                "subject_id": item.subject_id,
                "reason": item.reason,
                "updated_at": now,
            }
            for item in items
        ]
        if rows:
            self._store.upsert("upload_journal", pd.DataFrame(rows, dtype=object), "key")
