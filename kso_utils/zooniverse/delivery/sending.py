"""Subjects on their way to Zooniverse: many at once, each exactly once, whatever breaks in between."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal, TypeVar

from kso_utils.core.errors import Denied, KsoError, QuotaExceeded, ZooniverseError
from kso_utils.core.log import logger
from kso_utils.core.progress import bar
from kso_utils.core.retries import ATTEMPTS, again, wait
from kso_utils.zooniverse.client import may_pass
from kso_utils.zooniverse.delivery.items import ARRIVED, Item, UploadJournal
from kso_utils.zooniverse.delivery.links import unsigned
from kso_utils.zooniverse.delivery.pacing import Pace
from kso_utils.zooniverse.delivery.preflight import require_quota
from kso_utils.zooniverse.delivery.settling import Target, adopt, settle, verify
from kso_utils.zooniverse.session import BATCH, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kso_utils.core.errors import RequestFailed
    from kso_utils.core.progress import Bar
    from kso_utils.store.engine import Store

T = TypeVar("T")

AHEAD = 64
"""How many subjects are promised to the journal in one commit before their requests start."""

GATHER_S = 0.05
"""How long news of workers are gathered for one commit."""

PATIENCE_S = 3600.0
"""How long an upload waits for a server that is down before it gives up."""

_LONGEST_PAUSE = 6
_EXPIRED = (401, 403, 404, 410)
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _News:
    """What a thread says about items.

    Attributes
    ----------
    ends
        Which thread is done with them: a worker (`send`) or the one that links (`link`).
    hopeless
        Whether another try would end the same way.
    error
        What ends this round, or the upload.
    """

    items: list[Item]
    state: str
    subject_id: int | None = None
    location: str | None = None
    reason: str | None = None
    ends: Literal["send", "link"] | None = None
    hopeless: bool = False
    error: KsoError | None = None


class Sender:
    """Uploads items; the calling thread alone writes to the store, workers send, one more thread links.

    The order of each item's steps makes it safe to be killed at any moment: the journal says `sending` before the
    request that makes the subject, `media_ok` after its medium has arrived, `linked` after it is in its set, `verified`
    after the set has shown it with its medium. What became of a subject of which the journal is not sure is looked up
    before its item is sent anew, and no subject is linked before it is whole.

    Parameters
    ----------
    target
        Where to.
    store
        Keeps the journal.
    items
        What to upload, in the states in which the journal has them.
    workers
        How many send at once, at most.
    progress
        Advanced by one for each item that is in its set or has failed.
    """

    def __init__(self, target: Target, store: Store, items: list[Item], workers: int, progress: Bar) -> None:
        self._target, self._session = target, target.session
        self._items, self._workers, self._progress = items, workers, progress
        self._journal = UploadJournal(store, target.project_id, target.set_id)
        self._pace = Pace(workers)
        self._news: SimpleQueue[_News] = SimpleQueue()
        self._stop = threading.Event()
        self._ready: deque[Item] = deque()
        self._doubted: dict[str, Item] = {}
        self._reached: set[tuple[str, str]] = set()
        self._lost: list[Item] = []
        self._served = False
        self._lost_in_a_row = 0
        self._begun_at: str | None = None

    def run(self, look_first: bool) -> None:
        """Upload until every item is `verified` or `failed`.

        Parameters
        ----------
        look_first
            Look first for what the set holds already, of which the journal may not know: for a set that is not new.

        Raises
        ------
        ZooniverseError
            If the server refuses, or nothing goes on for an hour; the journal knows how far each item is.
        QuotaExceeded, Denied
            If the account may not go on; the journal knows how far each item is.
        """
        try:
            self._prepare(look_first)
            self._go_round()
        except ApiError as error:
            raise ZooniverseError(f"{error} {self._say_how_far()}") from error
        except QuotaExceeded as error:
            raise QuotaExceeded(f"{error} {self._say_how_far()}") from error

    def _say_how_far(self) -> str:
        done = sum(item.state in ARRIVED for item in self._items)
        return f"{done} of {len(self._items)} subjects arrived. Run the upload again: it goes on from there."

    def _prepare(self, look_first: bool) -> None:
        for item in self._items:
            if item.state == "failed":
                # What was refused may be accepted today; a subject of it may be left over.
                item.state = "planned" if item.subject_id is None else "created"
            if item.state in ("sending", "created"):
                self._doubted[item.key] = item
        self._journal.write(self._items)
        if look_first:
            planned = self._in_state("planned")
            adopt(self._target, planned)
            self._note(planned)
            require_quota(self._session, len(self._in_state("planned")))

    def _go_round(self) -> None:
        """Do round after round until all is done; where nothing goes on any more, wait longer between them."""
        idle_since, attempt, reached = time.monotonic(), 0, -1
        while True:
            failure = None
            try:
                self._settle()
                if not self._is_done():
                    self._send_and_verify()
            except ApiError as error:
                if not error.temporary:
                    raise
                failure = error
            else:
                # Doubted subjects are looked up once more at the end: a late one may have come into being meanwhile.
                if self._is_done() and (not self._doubted or reached == len(self._reached)):
                    return
            if len(self._reached) > reached:
                idle_since, attempt, reached = time.monotonic(), 0, len(self._reached)
            elif time.monotonic() - idle_since > PATIENCE_S:
                raise failure or ZooniverseError(
                    f"{self._session.url} takes no more subjects, or loses its answers. {self._say_how_far()}"
                )
            if failure is not None:
                _log.warning("%s Trying again, for up to %.0f minutes.", failure, PATIENCE_S / 60)
            wait(attempt, None if failure is None else failure.retry_after_s)
            attempt = min(attempt + 1, _LONGEST_PAUSE)

    def _in_state(self, *states: str) -> list[Item]:
        return [item for item in self._items if item.state in states]

    def _is_done(self) -> bool:
        return all(item.state in ("verified", "failed") for item in self._items)

    def _settle(self) -> None:
        doubted = list(self._doubted.values())
        try:
            settle(self._target, doubted)
        finally:
            self._note(doubted)

    def _send_and_verify(self) -> None:
        fatal = self._send_all(self._in_state("planned"))
        try:
            linked = self._in_state("linked")
            with bar("Checking subjects", len(linked)) as progress:
                verify(self._target, linked, progress)
            self._doubted |= {item.key: item for item in linked if item.state == "created"}
            self._note(linked)
        finally:
            if fatal is not None:
                raise fatal

    def _note(self, items: Iterable[Item]) -> None:
        """Write items to the journal, and count those that got further."""
        listed = list(items)
        self._journal.write(item for item in listed if item.state != "verified")
        self._journal.write_verified([item for item in listed if item.state == "verified"])
        for item in listed:
            ended = item.state in (*ARRIVED, "failed")
            if ended and not any((item.key, state) in self._reached for state in (*ARRIVED, "failed")):
                self._progress.advance()
            if ended or item.state == "media_ok":
                self._reached.add((item.key, item.state))

    # The calling thread

    def _send_all(self, items: list[Item]) -> KsoError | None:
        """Send items through the workers, link what has arrived, and keep the journal up with them.

        Returns
        -------
        KsoError or None
            What ended it before its end.
        """
        waiting, busy, error = deque(items), {"send": 0, "link": 0}, None
        self._ready = deque(self._in_state("media_ok"))
        self._stop.clear()
        self._lost, self._served, self._lost_in_a_row = [], False, 0
        senders = ThreadPoolExecutor(self._workers, thread_name_prefix="upload")
        linker = ThreadPoolExecutor(1, thread_name_prefix="link")
        try:
            while True:
                if waiting and busy["send"] <= 2 * self._workers and not self._stop.is_set():
                    batch = [waiting.popleft() for _ in range(min(AHEAD, len(waiting)))]
                    self._promise(batch)
                    for item in batch:
                        senders.submit(self._send, item)
                    busy["send"] += len(batch)
                last = not busy["send"]
                if not busy["link"] and not isinstance(error, ApiError) and (batch := self._take_ready(last)):
                    linker.submit(self._link, batch)
                    busy["link"] = 1
                if not any(busy.values()):
                    return error
                for news in self._hear(block=True):
                    error = error or news.error
                    if news.ends:
                        busy[news.ends] -= 1
        finally:
            self._stop.set()
            senders.shutdown()
            linker.shutdown()
            self._hear(block=False)
            # Where nobody was served, nothing is said against those that were lost.
            for item in self._lost if self._served else ():
                item.tries += 1

    def _promise(self, items: list[Item]) -> None:
        if self._begun_at is None and (now := again(self._session.server_time)) is not None:
            self._begun_at = now.isoformat()
        for item in items:
            item.state, item.begun_at = "sending", item.begun_at or self._begun_at
        self._journal.write(items)

    def _take_ready(self, last: bool) -> list[Item]:
        """Return the next batch to link: a full one, or at the end what is left."""
        if len(self._ready) < BATCH and not last:
            return []
        return [self._ready.popleft() for _ in range(min(BATCH, len(self._ready)))]

    def _hear(self, block: bool) -> list[_News]:
        """Return what the threads said, taken into the journal in one commit."""
        heard: list[_News] = []
        if block:
            heard.append(self._news.get())
            time.sleep(GATHER_S)
        try:
            while True:
                heard.append(self._news.get_nowait())
        except Empty:
            pass
        for news in heard:
            for item in news.items:
                self._take_in(news, item)
            if news.error is not None or self._lost_in_a_row > 2 * self._workers:
                self._stop.set()
        self._note({item.key: item for news in heard for item in news.items}.values())
        return heard

    def _take_in(self, news: _News, item: Item) -> None:
        item.state, item.reason = news.state, news.reason
        if news.subject_id is not None:
            item.subject_id, item.location = news.subject_id, news.location
        if news.state == "media_ok" and news.ends == "send":
            self._ready.append(item)
        lost = news.state in ("sending", "created") and (news.ends is not None or news.reason is not None)
        if lost:
            self._doubted[item.key] = item
        if news.hopeless:
            item.tries = ATTEMPTS
        elif lost and news.ends is None:
            item.tries += 1
        elif news.ends == "send":
            self._lost_in_a_row = self._lost_in_a_row + 1 if lost else 0
            self._served |= news.state == "media_ok"
            self._lost += [item] if lost else []

    # The workers

    def _send(self, item: Item) -> None:
        """Make one subject and send its medium."""
        try:
            if self._stop.is_set():
                news = _News([item], "planned", ends="send")
            else:
                with self._pace:
                    news = self._try(item)
        except KsoError as error:
            # Who may not make subjects made none; after any other error there may be one.
            state = "planned" if isinstance(error, Denied | QuotaExceeded) else "sending"
            news = _News([item], state, ends="send", error=error)
        except OSError as error:
            news = _News([item], "failed", reason=f"{item.place} cannot be read: {error.strerror}", ends="send")
        except Exception as error:
            # A worker that says nothing would be waited for without end.
            news = _News([item], "sending", ends="send", error=self._unexpected(error, item.place))
        self._news.put(news)

    def _try(self, item: Item) -> _News:
        if self._stop.is_set():
            return _News([item], "planned", ends="send")
        data = b"" if item.path is None else item.path.read_bytes()
        if item.path is not None and hashlib.sha256(data).hexdigest() != item.sha256:
            reason = f"{item.path} is not the file that was planned. Plan it again."
            return _News([item], "failed", reason=reason, ends="send")
        try:
            # Whoever is told to wait was not served; any other failure may hide a subject that was made.
            subject_id, link = self._ask(
                lambda: self._session.create_subject(self._target.project_id, item.mime, item.metadata, item.url),
                when=lambda error: error.status == 429,
            )
        except ApiError as error:
            if error.status == 429:
                return _News([item], "planned", ends="send", error=error)
            state = "sending" if error.temporary else "failed"
            return _News([item], state, reason=str(error), ends="send")
        if item.url is not None:
            return _News([item], "media_ok", subject_id, link, ends="send")
        location = unsigned(link)
        self._news.put(_News([item], "created", subject_id, location))
        try:
            # A sum that does not fit (400) is the line's fault: the file was compared with its own.
            self._ask(lambda: self._session.put_media(link, data, item.mime), lambda e: e.temporary or e.status == 400)
        except ApiError as error:
            hopeless = not error.temporary and error.status not in _EXPIRED
            reason = f"The medium did not arrive: {error}"
            return _News([item], "created", subject_id, location, reason, "send", hopeless)
        return _News([item], "media_ok", subject_id, location, ends="send")

    def _ask(self, call: Callable[[], T], when: Callable[[RequestFailed], bool]) -> T:
        return again(lambda: self._pace.attempt(call), lambda error: not self._stop.is_set() and when(error))

    def _unexpected(self, error: Exception, about: str) -> ZooniverseError:
        said = ZooniverseError(
            f"{self._session.url} answered something unexpected about {about} ({error!r}). "
            "What arrived is kept: run the upload again, it goes on from there."
        )
        said.__cause__ = error
        return said

    # The thread that links

    def _link(self, batch: list[Item]) -> None:
        """Put whole subjects into the set, in one request where none is refused."""
        refused: list[tuple[Item, str]] = []
        try:
            self._link_some(batch, refused)
        except KsoError as error:
            self._news.put(_News([], "media_ok", ends="link", error=error))
            return
        except Exception as error:
            self._news.put(_News([], "media_ok", ends="link", error=self._unexpected(error, "a subject set")))
            return
        for item, reason in refused:
            self._news.put(_News([item], "created", reason=f"It could not be put into the subject set: {reason}"))
        away = {id(item) for item, _ in refused}
        self._news.put(_News([item for item in batch if id(item) not in away], "linked", ends="link"))

    def _link_some(self, batch: list[Item], refused: list[tuple[Item, str]]) -> None:
        ids = [item.subject_id for item in batch if item.subject_id is not None]
        try:
            again(
                lambda: self._pace.attempt(lambda: self._session.link_subjects(self._target.set_id, ids)),
                may_pass,
            )
        except ApiError as error:
            if error.status != 422:
                raise
            if len(batch) == 1:
                refused.append((batch[0], str(error)))
                return
            # One subject that is gone makes the server refuse them all: look for it by halves.
            half = len(batch) // 2
            self._link_some(batch[:half], refused)
            self._link_some(batch[half:], refused)
