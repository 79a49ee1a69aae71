"""A subject set on Zooniverse is brought back to what was sent to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import KsoError, ZooniverseError
from kso_utils.core.progress import track
from kso_utils.core.retries import again
from kso_utils.zooniverse.audits import BROKEN, FORMER_KEY, WORKERS
from kso_utils.zooniverse.client import may_pass
from kso_utils.zooniverse.delivery.items import ARRIVED, name_upload
from kso_utils.zooniverse.delivery.links import is_address, unsigned
from kso_utils.zooniverse.listings import count_classifications
from kso_utils.zooniverse.session import ApiError, batches_of
from kso_utils.zooniverse.subjects import KEY, ORIGIN_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.audits import Audit
    from kso_utils.zooniverse.session import Session

_COPIED = (*ORIGIN_COLUMNS, "subject_set_id", "metadata", "sha256", "upload_state")
_BROKEN = "Its medium is not what was sent."

Deed = Literal["adopt", "link", "rewrite", "remove", "set_aside", "send_again"]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a repair does.

    Attributes
    ----------
    act
        `adopt`: the journal names this subject from now on. `link`: put it into the set `set_id`. `rewrite`: write the
        metadata that were sent. `remove`: delete it. `set_aside`: it has classifications, so it is not deleted, but
        taken out of its sets and known by its key no more. `send_again`: the next upload makes the subject anew.
    key, path
        The entry in the journal.
    subject_id
        The subject, where there is one.
    why
        The reason, in one sentence.
    set_id
        The set to link it to.
    standing_in
        The subject that stands for one that is removed or set aside.
    state, reason
        `planned`, `done` or `failed`, and why it failed.
    """

    act: Deed
    key: str
    path: str
    subject_id: int | None
    why: str
    set_id: int | None = None
    standing_in: int | None = None
    state: Literal["planned", "done", "failed"] = "planned"
    reason: str | None = None


def repair(session: Session | None, store: Store, audit: Audit, dry_run: bool = False) -> pd.DataFrame:
    """Mend what an audit found.

    Missing subjects are linked again; metadata that differ are written anew (keys that were added on Zooniverse stay);
    subjects without their medium, or that are gone, are planned anew in the journal, so that the next upload sends
    them. Of several subjects with one key one stays: one whose medium is whole, among those the one with most
    classifications, else one that is in the set, else the oldest. The others are removed, in other sets the one that
    stays takes their place. Subjects with classifications are never deleted: they are taken out of their sets, and
    their hidden key is renamed. Subjects that were not sent from this store are left alone.

    Killed at any moment, it goes on after a new audit; a second repair after a new audit has nothing to do.

    Parameters
    ----------
    session
        The login; None is enough for a dry run.
    store
        Holds the journal.
    audit
        What is wrong. Media are mended only where it looked at them.
    dry_run
        Return what would be done, and do nothing.

    Returns
    -------
    DataFrame
        `act, key, path, subject_id, why, set_id, standing_in, state, reason`, one row an act; see `Act`.

    Raises
    ------
    StoreBusy
        If an upload to the set, or another repair of it, is under way.
    ZooniverseError
        If Zooniverse cannot be reached any more, or fails for longer than a few attempts.
    """
    import pandas as pd

    acts = plan(audit)
    if not dry_run:
        if session is None:
            raise ZooniverseError("A repair needs a session. Make one with connect(), or ask for a dry run.")
        with store.exclusively(name_upload(audit.project_id, audit.subject_set)):
            acts = list(_Repair(session, store, audit).run(acts))
    columns = [field.name for field in fields(Act)]
    table = pd.DataFrame([asdict(act) for act in acts], columns=columns, dtype=object)
    return table.astype(dict.fromkeys(("subject_id", "set_id", "standing_in"), "Int64"))


def plan(audit: Audit) -> list[Act]:
    """Return what a repair of an audit does, in its order."""
    rows = audit.rows
    faulty = rows[["missing", "duplicated", "differs"]].any(axis=1) | rows["medium"].isin(BROKEN) | ~rows["journalled"]
    concerned = set(rows.loc[rows["state"].isin(ARRIVED) & faulty, "key"])
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in _records(rows[rows["key"].isin(concerned)]):
        groups.setdefault(row["key"], []).append(row)
    acts = [act for key, group in groups.items() for act in _plan_one(key, group, audit.set_id or 0)]
    order: tuple[Deed, ...] = ("adopt", "link", "rewrite", "remove", "set_aside", "send_again")
    return sorted(acts, key=lambda act: order.index(act.act))


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows with None where something is missing."""
    plain = rows.astype(object)
    return plain.where(plain.notna(), None).to_dict("records")  # type: ignore[return-value]  # names are text


def _plan_one(key: str, group: list[dict[str, Any]], set_id: int) -> Iterator[Act]:
    """Yield the acts for the rows of one key."""
    copies = [row for row in group if row["subject_id"] is not None]
    whole = [row for row in copies if row["medium"] not in BROKEN]
    stays = min(whole, key=_rank, default=None)
    keeper = None if stays is None else int(stays["subject_id"])
    sets: set[int] = set()
    act = partial(Act, key=key, path=group[0]["path"])
    for row in copies:
        if row is stays:
            continue
        sets.update(row["sets"])
        why = _BROKEN if row["medium"] in BROKEN else f"Subject {keeper} is the same."
        if row["classifications"]:
            why = f"{why} It has classifications, so it is not deleted."
            yield act("set_aside", subject_id=row["subject_id"], why=why, standing_in=keeper)
        else:
            yield act("remove", subject_id=row["subject_id"], why=why, standing_in=keeper)
    if stays is None:
        elsewhere = ", ".join(map(str, sorted(sets - {set_id})))
        also = f" It was in the sets {elsewhere} too: link it there again then." if elsewhere else ""
        why = f"{_BROKEN if copies else 'It is not on Zooniverse any more.'}{also}"
        yield act("send_again", subject_id=None, why=why)
        return
    if not stays["journalled"]:
        yield act("adopt", subject_id=keeper, why="The journal names another subject, or set.")
    for number in sorted((sets | {set_id}) - set(stays["sets"])):
        yield act("link", subject_id=keeper, why="It is not in the set.", set_id=number)
    if stays["differs"]:
        yield act("rewrite", subject_id=keeper, why="Its metadata are not what was sent.")


def _rank(row: dict[str, Any]) -> tuple[int, bool, int]:
    """Return by what the subject that stays is chosen: classifications, then the set, then age."""
    return -(row["classifications"] or 0), not row["in_set"], row["subject_id"]


class _Repair:
    """Does what was planned, in an order in which it may be killed at any moment.

    First the journal names the subject that stays, which is put where it belongs; then the others go; an entry is
    planned anew only after its broken subject is out of the way.
    """

    def __init__(self, session: Session, store: Store, audit: Audit) -> None:
        self._session, self._store, self._audit = session, store, audit
        self._sent = dict(zip(audit.rows["key"], audit.rows["sent"], strict=True))
        self._found = {row["subject_id"]: row for row in _records(audit.rows)}

    def run(self, acts: list[Act]) -> Iterator[Act]:
        """Yield the acts as they were done."""
        by_deed: dict[str, list[Act]] = {}
        for act in acts:
            by_deed.setdefault(act.act, []).append(act)
        yield from self._adopt(by_deed.get("adopt", []))
        linked = list(self._link(by_deed.get("link", [])))
        yield from linked
        yield from self._each(by_deed.get("rewrite", []), self._rewrite, "Writing metadata")
        dropped = by_deed.get("remove", []) + by_deed.get("set_aside", [])
        unlinked = {act.key for act in linked if act.state == "failed"}
        yield from (_done(act, "What stands for it could not be linked.") for act in dropped if act.key in unlinked)
        dropped = [act for act in dropped if act.key not in unlinked]
        self._note_duplicates(dropped)
        done = list(self._each(dropped, self._drop, "Removing subjects"))
        self._note_duplicates([act for act in done if act.act == "set_aside"])
        yield from done
        stuck = {act.key for act in done if act.state == "failed"}
        yield from self._send_again(by_deed.get("send_again", []), stuck)

    def _adopt(self, acts: list[Act]) -> list[Act]:
        """Let the journal, and the rows of `subjects`, name the subject that stays."""
        import pandas as pd

        if not acts:
            return []
        set_id, now = str(self._audit.set_id), utc_now()
        fresh = {act.key: act.subject_id for act in acts}
        with self._store.atomic():
            journal = self._store.read("upload_journal", ["key", "subject_id"], {"key": list(fresh)})
            before = {int(number): fresh[key] for key, number in journal.dropna().itertuples(index=False)}
            rows = self._store.read("subjects", where={"id": list(before)})
            named = rows.assign(id=rows["id"].map(before), subject_set_id=set_id)
            entries = pd.DataFrame({"key": list(fresh), "subject_id": list(fresh.values())}, dtype=object)
            places = [self._place(number) for number in entries["subject_id"]]
            self._store.upsert("subjects", named[["id", *_COPIED]], "id")
            named_anew = entries.assign(subject_set_id=set_id, location=places, updated_at=now)
            self._store.upsert("upload_journal", named_anew, "key")
            self._forget([number for number in before if number not in self._found])
        return [replace(act, state="done") for act in acts]

    def _place(self, number: int) -> str:
        """Return where the medium of a subject is, for the journal: of one that was sent without its signature."""
        row = self._found[number]
        location = str(row["location"])
        return location if is_address(row["path"]) else unsigned(location)

    def _link(self, acts: list[Act]) -> Iterator[Act]:
        by_set: dict[int, dict[int, Act]] = {}
        for act in acts:
            by_set.setdefault(act.set_id or 0, {})[act.subject_id or 0] = act
        batches = [(number, batch) for number, linked in by_set.items() for batch in batches_of(linked)]
        for number, batch in track(batches, "Linking subjects"):
            told = self._try(lambda number=number, batch=batch: self._session.link_subjects(number, batch))  # type: ignore[misc]
            yield from (_done(by_set[number][subject_id], told) for subject_id in batch)

    def _each(self, acts: list[Act], do: Callable[[Act], Act], label: str) -> Iterator[Act]:
        """Do acts, some at a time."""
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="repair")
        try:
            yield from track(pool.map(do, acts), label, len(acts))
        finally:
            pool.shutdown(cancel_futures=True)

    def _rewrite(self, act: Act) -> Act:
        sent = self._sent[act.key]
        return _done(act, self._try(lambda: self._session.change_metadata(act.subject_id or 0, lambda now: now | sent)))

    def _drop(self, act: Act) -> Act:
        """Remove a subject, or set it aside if somebody has classified it by now."""
        number = act.subject_id or 0
        if act.act == "remove" and not count_classifications(self._session, [number])[number]:
            return _done(act, self._try(lambda: self._session.remove_subject(number)))
        return _done(replace(act, act="set_aside"), self._try(lambda: self._set_aside(number)))

    def _set_aside(self, number: int) -> None:
        # Out of its sets first: a subject in a set that has lost its key would be taken for a stranger.
        for set_id in self._found[number]["sets"]:
            self._session.unlink_subjects(set_id, [number])
        self._session.change_metadata(number, _rename_key)

    def _note_duplicates(self, acts: list[Act]) -> None:
        """Note which subject stands for those that are set aside, and forget those that are removed."""
        import pandas as pd

        acts = [act for act in acts if act.standing_in is not None]
        # Who was shown another medium said nothing about the subject that stays.
        alike = [act for act in acts if self._found[act.subject_id]["medium"] not in BROKEN]
        aside = {act.subject_id: act.standing_in for act in alike if act.act == "set_aside"}
        rows = pd.DataFrame({"dupl_subject_id": list(aside), "single_subject_id": list(aside.values())}, dtype=object)
        with self._store.atomic():
            self._store.upsert("subject_duplicates", rows, "dupl_subject_id")
            self._forget([act.subject_id or 0 for act in acts if act.act == "remove"])

    def _send_again(self, acts: list[Act], stuck: set[str]) -> Iterator[Act]:
        """Plan entries anew, but those whose broken subject is still there."""
        whys = {act.key: act.why for act in acts if act.key not in stuck}
        with self._store.atomic():
            entries = self._store.read("upload_journal", where={"key": list(whys), "state": ARRIVED})
            planned = entries[["key"]].assign(state="planned", subject_id=None, location=None, begun_at=None)
            planned["updated_at"] = utc_now()
            self._store.upsert("upload_journal", planned.assign(reason=planned["key"].map(whys)), "key")
            self._forget([int(number) for number in entries["subject_id"].dropna()])
        for act in acts:
            told = "Its broken subject could not be removed." if act.key in stuck else None
            yield _done(act, told)

    def _forget(self, subject_ids: list[int]) -> None:
        """Remove the rows of subjects that nobody classified."""
        classified = self._store.read("classifications", ["subject_id"], {"subject_id": subject_ids})["subject_id"]
        gone = sorted(set(subject_ids) - set(classified))
        self._store.remove("subject_workflows", {"subject_id": gone})
        self._store.remove("subjects", {"id": gone})

    def _try(self, call: Callable[[], Any]) -> str | None:
        """Make requests, again where that may help; return why they were refused, None if they were not."""
        try:
            again(call, may_pass)
        except ApiError as error:
            if error.temporary:
                raise ZooniverseError(f"{error} What was mended is kept: audit and repair again.") from error
            return str(error)
        except KsoError as error:
            return str(error)
        return None


def _done(act: Act, told: str | None) -> Act:
    return replace(act, state="failed" if told else "done", reason=told)


def _rename_key(metadata: dict[str, Any]) -> dict[str, Any]:
    return {FORMER_KEY if name == KEY else name: value for name, value in metadata.items()}
