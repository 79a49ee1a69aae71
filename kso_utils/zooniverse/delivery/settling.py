"""What became of subjects whose upload was cut short, and whether those that are done are really there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import Denied
from kso_utils.core.log import logger
from kso_utils.core.progress import track
from kso_utils.core.retries import ATTEMPTS, again
from kso_utils.zooniverse.client import may_pass
from kso_utils.zooniverse.delivery.links import is_same_medium, location_of, unsigned
from kso_utils.zooniverse.listings import list_newest
from kso_utils.zooniverse.session import ApiError
from kso_utils.zooniverse.subjects import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from kso_utils.core.progress import Bar
    from kso_utils.zooniverse.delivery.items import Item
    from kso_utils.zooniverse.session import Session

MARGIN = timedelta(minutes=15)
"""How much older than the beginning of its upload a subject may look, for clocks that do not agree."""

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where subjects go."""

    session: Session
    project_id: str
    set_id: int


def adopt(target: Target, items: list[Item]) -> None:
    """Take items that the set holds already as `linked`, as after the loss of a journal."""
    wanted = {item.key: item for item in items}
    for subject in track(list_newest(target.session, subject_set_id=target.set_id), "Looking through the set"):
        if item := wanted.get(subject["metadata"].get(KEY)):
            # Of two, the older, which is listed later.
            _take(item, subject, "linked")


def settle(target: Target, items: list[Item]) -> None:
    """Find out what became of items (`sending`, `created`), and remove what nobody needs.

    Their subjects are looked for in the project by their keys. One that is in a set, or whose medium has arrived whole,
    is kept; a second one of the same key, and one that is not whole, is removed, unless it is in a set. Of what there
    is no subject, it becomes `planned`, or `failed` where it went wrong too often.

    Raises
    ------
    ApiError
        If the server fails for longer than a few attempts; what was not settled can be settled again.
    """
    found = _look_up(target, items) if items else {}
    for item in items:
        there = found[item.key]
        doubtful = item.state in ("sending", "created")
        kept, state = _choose(target, item, there) if doubtful else (item.subject_id, item.state)
        # Removed before the journal may say that there is none: whoever is killed in between looks again.
        for subject in there:
            if int(subject["id"]) != kept and not _sets(subject):
                _remove(target.session, int(subject["id"]))
        if not doubtful:
            continue
        if kept is not None:
            _take(item, next(subject for subject in there if int(subject["id"]) == kept), state)
        elif item.tries < ATTEMPTS:
            item.restart()
        else:
            item.state, item.subject_id, item.location = "failed", None, None


def verify(target: Target, items: list[Item], progress: Bar) -> None:
    """Look whether the set shows items (`linked`) with their keys and media; what it does becomes `verified`.

    Others go back: to `media_ok` what is not in the set, to `created` what is there without its medium, or went wrong
    too often.

    Raises
    ------
    ApiError
        If the server fails for longer than a few attempts.
    """
    waiting = {item.subject_id: item for item in items}
    for subject in list_newest(target.session, subject_set_id=target.set_id) if waiting else ():
        if item := waiting.pop(int(subject["id"]), None):
            _examine(target, item, subject)
            progress.advance()
        if not waiting:
            break
    for item in waiting.values():
        _send_back(item, "media_ok", "It is not in the subject set, although the server said so.")


def _examine(target: Target, item: Item, subject: dict[str, Any]) -> None:
    """Look at a subject that is in the set as an item."""
    location = location_of(subject)
    if location is None or not (item.location is None or _is_of(item, location)):
        reason = f"Zooniverse shows it with {location or 'no medium'}, not with {item.location or 'one'}."
        again(lambda: target.session.unlink_subjects(target.set_id, [int(subject["id"])]), may_pass)
        _send_back(item, "created", reason)
    elif subject["metadata"].get(KEY) != item.key:
        # Whoever changed its metadata took the key away, without which it would be uploaded again one day.
        again(lambda: target.session.change_metadata(int(subject["id"]), lambda m: {**m, KEY: item.key}), may_pass)
        _send_back(item, "linked", "Its metadata on Zooniverse lost their key.")
    else:
        item.state, item.reason = "verified", None
        item.location = item.location or _place(item, location)


def _send_back(item: Item, state: str, reason: str) -> None:
    item.tries += 1
    item.state, item.reason = "created" if item.tries >= ATTEMPTS else state, reason
    _log.warning("subject %s (%s) is mended: %s", item.subject_id, item.place, reason)


def _look_up(target: Target, items: list[Item]) -> dict[str, list[dict[str, Any]]]:
    """Return the project's subjects by key, down to the beginning of the oldest of the items' uploads."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    wanted = {item.key for item in items}
    begun = [item.begun_at for item in items]
    oldest = None if None in begun else min(map(datetime.fromisoformat, filter(None, begun))) - MARGIN
    # Listed to the end before the first is removed, which would shift the pages.
    for subject in list_newest(target.session, project_id=target.project_id):
        if oldest is not None and datetime.fromisoformat(subject["created_at"]) < oldest:
            break
        if (key := subject["metadata"].get(KEY)) in wanted:
            found[key].append(subject)
    return found


def _choose(target: Target, item: Item, there: list[dict[str, Any]]) -> tuple[int | None, str]:
    """Return which subject of an item is kept, None where none is worth it, and the state in which it is."""
    oldest_first = there[::-1]
    tests: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
        ("linked", lambda subject: str(target.set_id) in _sets(subject)),
        ("media_ok", lambda subject: bool(_sets(subject))),
    ]
    if item.tries < ATTEMPTS:
        tests.append(("media_ok", lambda subject: _is_whole(target.session, item, subject)))
    for state, test in tests:
        if (kept := next(filter(test, oldest_first), None)) is not None:
            return int(kept["id"]), state
    return None, "planned"


def _is_whole(session: Session, item: Item, subject: dict[str, Any]) -> bool:
    """Return whether a subject's medium has arrived as it was sent, by reading it back."""
    url = location_of(subject)
    if url is None or item.url is not None:
        return url is not None and _is_of(item, url)
    try:
        return again(lambda: session.hash_media(url)) == item.sha256
    except ApiError as error:
        if error.temporary:
            raise
        return False


def _take(item: Item, subject: dict[str, Any], state: str) -> None:
    location = location_of(subject)
    item.state, item.reason, item.subject_id = state, None, int(subject["id"])
    item.location = None if location is None else _place(item, location)


def _place(item: Item, location: str) -> str:
    # What follows the `?` of our own media is a right to read; of others' it may be what names the medium.
    return unsigned(location) if item.url is None else location


def _is_of(item: Item, location: str) -> bool:
    if item.url is not None:
        return location == item.url
    return is_same_medium(location, item.location or "")


def _sets(subject: dict[str, Any]) -> list[str]:
    return subject["links"].get("subject_sets") or []


def _remove(session: Session, subject_id: int) -> None:
    try:
        again(lambda: session.remove_subject(subject_id), may_pass)
    except (ApiError, Denied) as error:
        if isinstance(error, ApiError) and error.temporary:
            raise
        # It is in no set, so no volunteer will ever see it.
        _log.warning("subject %s, which is not whole, could not be removed: %s", subject_id, error)
