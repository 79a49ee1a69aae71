"""Whether a subject set on Zooniverse holds what was sent to it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, ZooniverseError
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.delivery.items import ARRIVED
from kso_utils.zooniverse.delivery.links import is_address, location_of
from kso_utils.zooniverse.delivery.manifests import as_text
from kso_utils.zooniverse.listings import (
    count_classifications,
    count_subjects,
    find_one,
    find_set,
    find_subjects,
    list_subjects,
)
from kso_utils.zooniverse.session import ApiError
from kso_utils.zooniverse.subjects import KEY, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import pandas as pd

    from kso_utils.core.report import Severity
    from kso_utils.store.engine import Store
    from kso_utils.zooniverse.session import Session

FORMER_KEY = "#kso_former_key"
"""Replaces the hidden key of a subject that another one stands for: it is not known by that key any more."""

BROKEN = ("absent", "wrong")
"""What a medium may be that has to be sent again."""

WORKERS = 8

WHOLE_PROJECT = 20_000
"""How many subjects a project may have for all of them to be listed, 100 a request, in search of duplicates."""

_GONE = (404, 410)
_COLUMNS = (
    *("key", "subject_id", "state", "path", "in_set", "sets", "journalled", "metadata", "sent", "sha256", "location"),
    *("missing", "duplicated", "differs", "extra", "medium", "reason", "classifications"),
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What `audit` found.

    Attributes
    ----------
    project_id, set_id, subject_set
        The project, and the set with its name; `set_id` is None where there is no such set.
    report
        The findings; all is well where none of them is an error.
    rows
        One row a subject, and one a journal entry without a subject: `key, subject_id` (missing where there is none),
        `state` and `path` of the journal (missing where it does not know the subject), `in_set`, `sets` (ids of all its
        sets), `journalled` (the journal names this subject, in this set), `metadata` on Zooniverse and as `sent`,
        `sha256` as sent, `location`, `missing`, `duplicated`, `differs`, `extra`, `medium` (`whole`, `absent`, `wrong`,
        `unread`; missing where nobody looked), `reason` (why it is unread), and `classifications` (where it matters
        whether there are some).
    """

    project_id: str
    set_id: int | None
    subject_set: str
    report: Report
    rows: pd.DataFrame


def audit(session: Session, store: Store, subject_set: int | str, project_id: int | str, media: bool = False) -> Audit:
    """Compare a subject set on Zooniverse with the upload journal.

    Reported are subjects that arrived and are missing now, those that nobody sent from here, those that are there
    twice (two subjects with one key, in the set or not), metadata that differ from what was sent, and subjects without
    media. Keys of metadata that were added on Zooniverse are no difference. Duplicates are looked for in the whole
    project where it has at most 20,000 subjects, else in the set; the report says which.

    Parameters
    ----------
    session
        The login.
    store
        Holds the journal.
    subject_set
        The name of the set, or its id.
    project_id
        The project on Zooniverse.
    media
        Read back the bytes of every medium too and compare their sha256 with the one of the file that was sent. Without
        it, a medium counts as there where Zooniverse lists a place for it.

    Returns
    -------
    Audit
        Report and rows; a set that does not exist is a finding.

    Raises
    ------
    ZooniverseError
        If Zooniverse refuses, or cannot be reached.
    """
    project = str(project_id)
    found = find_set(session, project, subject_set)
    report = Report(f"Subject set {found['display_name'] if found else subject_set}")
    if found is None:
        message = f"Project {project} has no subject set {subject_set!r}."
        fix = "Correct the name; a set that is gone is made anew and filled by the next upload."
        report.add(_finding("SET_MISSING", "error", subject_set, message, fix))
        return Audit(project, None, str(subject_set), report, compare([], [], (), 0))
    set_id, name = int(found["id"]), str(found["display_name"])
    entries = _find_entries(session, store, project, set_id, name)
    members = list_subjects(session, f"Listing {name}", subject_set_id=set_id)
    others = _find_others(session, project, members, entries, report)
    rows = compare(entries, [*members, *others], {int(s["id"]) for s in members}, set_id)
    if media:
        _read_media(session, rows)
    _count(session, store, rows)
    report.extend(judge(rows))
    report.extend(_unfinished(entries))
    return Audit(project, set_id, name, report, rows)


def compare(
    entries: Iterable[Mapping[Any, Any]],
    subjects: Iterable[Mapping[str, Any]],
    members: Collection[int],
    set_id: int,
) -> pd.DataFrame:
    """Return the rows of an `Audit`, without what reading media and counting classifications add.

    Parameters
    ----------
    entries
        Rows of the upload journal that belong to the set.
    subjects
        Subjects as Zooniverse lists them: those of the set and any others.
    members
        The ids of those in the set.
    set_id
        The set.
    """
    import pandas as pd

    known = {str(entry["key"]): entry for entry in entries}
    named = {number: key for key, entry in known.items() if (number := _named(entry)) is not None}
    copies = [(_owner(subject, named), subject) for subject in {s["id"]: s for s in subjects}.values()]
    concerned = known.keys() | {key for key, subject in copies if int(subject["id"]) in members}
    rows = [
        _row(key, known.get(key or ""), subject, members, set_id)
        for key, subject in copies
        if int(subject["id"]) in members or (key is not None and key in concerned)
    ]
    found = {row["key"] for row in rows}
    rows += [_row(key, entry, None, members, set_id) for key, entry in known.items() if key not in found]
    table = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    table = table.astype({"subject_id": "Int64", "classifications": "Int64", "in_set": bool, "journalled": bool})
    arrived, foreign, there = (
        table["state"].isin(ARRIVED),
        table["state"].isna(),
        table["subject_id"].notna(),
    )
    absent = table["location"].isna()
    lies = table["path"].map(lambda path: path is not None and is_address(path)).astype(bool)
    elsewhere = lies & (table["location"] != table["path"])
    held = set(table.loc[table["in_set"], "key"])
    copied = table["key"].map(Counter(table.loc[there, "key"].dropna())).astype("int64")
    return table.assign(
        missing=arrived & ~table["key"].isin(held),
        duplicated=(arrived | foreign) & (copied > 1),
        differs=arrived & pd.Series([bool(_differences(row)) for row in rows], index=table.index, dtype=bool),
        extra=foreign & table["in_set"],
        medium=table["medium"].mask(arrived & there & elsewhere, "wrong").mask(arrived & there & absent, "absent"),
    )


def judge(rows: pd.DataFrame) -> Iterator[Finding]:
    """Yield what the rows of an `Audit` say is wrong."""
    for key, group in rows[rows["duplicated"]].groupby("key", sort=False):
        ids = ", ".join(map(str, group["subject_id"]))
        if group["state"].isna().all():
            message = f"Subjects {ids} have one key ({str(key)[:12]}…), which this store does not know."
            yield _finding("DUPLICATED", "warning", ids, message, "They were sent from elsewhere: repair them there.")
        else:
            message = f"{PurePath(str(group['path'].iloc[0])).name} is there {len(group)} times: subjects {ids}."
            yield _finding("DUPLICATED", "error", ids, message, "A repair keeps one.")
    for row in rows[rows["missing"]].drop_duplicates("key").to_dict("records"):
        yield _judge_missing(row)
    for row in rows[rows["extra"]].to_dict("records"):
        message = f"Subject {row['subject_id']} is in the set, but was not sent to it from this store."
        fix = "A repair leaves it alone; take it out of the set if it does not belong there."
        yield _finding("EXTRA", "warning", row["subject_id"], message, fix)
    for row in rows[rows["differs"]].to_dict("records"):
        told = "; ".join(f"{key} is {there!r}, sent was {sent!r}" for key, there, sent in _differences(row))
        message = f"Subject {row['subject_id']}: {told}."
        yield _finding("DIFFERENT_METADATA", "error", row["subject_id"], message, "A repair writes what was sent.")
    for row in rows[rows["medium"].isin((*BROKEN, "unread"))].to_dict("records"):
        yield _judge_medium(row)


def _judge_missing(row: Mapping[Any, Any]) -> Finding:
    import pandas as pd

    name = PurePath(row["path"]).name
    if pd.isna(row["subject_id"]):
        fix = "A repair plans it anew; then upload again."
        return _finding("MISSING", "error", name, f"The subject of {name} is not on Zooniverse any more.", fix)
    message = f"Subject {row['subject_id']} ({name}) is not in the set any more."
    return _finding("MISSING", "error", row["subject_id"], message, "A repair links it again.")


def _judge_medium(row: Mapping[Any, Any]) -> Finding:
    subject = f"Subject {row['subject_id']} ({PurePath(row['path']).name})"
    if row["medium"] == "unread":
        message = f"The medium of subject {row['subject_id']} could not be read back: {row['reason']}"
        return _finding("UNREAD_MEDIUM", "error", row["subject_id"], message, "Audit again later.")
    code, message = ("NO_MEDIUM", f"{subject} has no medium.")
    if row["medium"] == "wrong":
        code, message = ("WRONG_MEDIUM", f"{subject} has another medium than the file that was sent.")
    return _finding(code, "error", row["subject_id"], message, "A repair plans it anew; then upload again.")


def _find_entries(session: Session, store: Store, project: str, set_id: int, name: str) -> list[dict[Any, Any]]:
    """Return the journal's entries of a set: those of its id, and those of a set of its name that is gone."""
    entries, elsewhere = [], []
    for entry in store.read("upload_journal", where={"project_id": project}).to_dict("records"):
        if entry["subject_set_id"] == str(set_id):
            entries.append(entry)
        elif entry["key"] == key_of(project, name, _content(entry), _without_key(entry["metadata"])):
            elsewhere.append(entry)
    sets = {entry["subject_set_id"] for entry in elsewhere}
    gone = {number for number in sets if find_one(session, "subject_sets", number) is None}
    return entries + [entry for entry in elsewhere if entry["subject_set_id"] in gone]


def _content(entry: Mapping[Any, Any]) -> str:
    # The content of a medium that lies elsewhere may not be known: its address stands for it.
    return str(entry["sha256"] or entry["path"])


def _without_key(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name != KEY}


def _find_others(
    session: Session,
    project: str,
    members: list[dict[str, Any]],
    entries: list[dict[Any, Any]],
    report: Report,
) -> list[dict[str, Any]]:
    """Return the subjects outside the set among which duplicates are looked for, and those that the journal names."""
    size = count_subjects(session, project_id=project)
    if size <= WHOLE_PROJECT:
        others = list_subjects(session, "Listing the project", project_id=project)
        message = f"Duplicates were looked for among all {len(others):,} subjects of the project."
    else:
        others = []
        message = f"Duplicates were looked for in the set alone: the project has {size:,} subjects."
    report.add(_finding("DUPLICATES_SOUGHT", "info", size, message))
    listed = {int(subject["id"]) for subject in [*members, *others]}
    named = {number for entry in entries if (number := _named(entry)) is not None}
    return others + find_subjects(session, sorted(named - listed))


def _named(entry: Mapping[Any, Any]) -> int | None:
    """Return the subject that an entry of the journal names."""
    import pandas as pd

    return None if pd.isna(entry["subject_id"]) else int(entry["subject_id"])


def _owner(subject: Mapping[str, Any], named: Mapping[int, str]) -> str | None:
    """Return the key of a subject: of the journal's entry that names it, else the one that it bears."""
    metadata = subject["metadata"] or {}
    key = metadata.get(KEY)
    if FORMER_KEY not in metadata:
        key = named.get(int(subject["id"]), key)
    return key if isinstance(key, str) else None


def _row(
    key: str | None,
    entry: Mapping[Any, Any] | None,
    subject: Mapping[str, Any] | None,
    members: Collection[int],
    set_id: int,
) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"key": key, "in_set": False, "journalled": False, "sets": []}
    if entry is not None:
        row |= {name: entry[name] for name in ("state", "path", "sha256")} | {"sent": entry["metadata"]}
    if subject is None:
        return row
    subject_id = int(subject["id"])
    sets = {int(number) for number in subject["links"].get("subject_sets", [])}
    sets = sets | {set_id} if subject_id in members else sets - {set_id}
    if entry is not None:
        row["journalled"] = _named(entry) == subject_id and entry["subject_set_id"] == str(set_id)
    return row | {
        "subject_id": subject_id,
        "in_set": subject_id in members,
        "sets": sorted(sets),
        "metadata": dict(subject["metadata"] or {}),
        "location": location_of(subject),
    }


def _differences(row: Mapping[Any, Any]) -> list[tuple[str, Any, Any]]:
    """Return the metadata that are not as they were sent: key, what is there, what was sent."""
    there, sent = row["metadata"], row["sent"]
    if there is None or sent is None:
        return []
    # What was made from a manifest has text for all values.
    return [
        (key, there.get(key), value) for key, value in sent.items() if there.get(key) not in (value, as_text(value))
    ]


def _read_media(session: Session, rows: pd.DataFrame) -> None:
    """Read the media of what arrived, and fill in `medium` and `reason`."""
    wanted = rows.index[rows["state"].isin(ARRIVED) & rows["location"].notna() & rows["medium"].isna()]
    read: list[tuple[str, str | None]] = []
    silent = 0
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="audit")
    try:
        places = (rows.loc[wanted, name] for name in ("location", "sha256"))
        answers = pool.map(lambda url, sha256: _read_medium(session, url, sha256), *places)
        for medium, reason, answered in track(answers, "Reading media back", len(wanted)):
            read.append((medium, reason))
            silent = 0 if answered else silent + 1
            if silent > 2 * WORKERS:
                raise ZooniverseError(f"{reason} The media of {silent} subjects in a row could not be read.")
    finally:
        pool.shutdown(cancel_futures=True)
    for place, name in enumerate(("medium", "reason")):
        rows.loc[wanted, name] = [one[place] for one in read]


def _read_medium(session: Session, url: str, sha256: str) -> tuple[str, str | None, bool]:
    """Return what a medium is, why it could not be read, and whether anybody answered."""
    try:
        found = again(lambda: session.hash_media(url))
    except ApiError as error:
        if error.status in _GONE:
            return "absent", None, True
        return "unread", str(error), error.status is not None
    except ConfigError as error:
        return "unread", str(error), True
    return ("whole" if found == sha256 or not sha256 else "wrong"), None, True


def _count(session: Session, store: Store, rows: pd.DataFrame) -> None:
    """Fill in how often those were classified that a repair may have to remove."""
    doubtful = rows["state"].isin(ARRIVED) & (rows["duplicated"] | rows["medium"].isin(BROKEN))
    ids = [int(number) for number in rows.loc[doubtful & rows["subject_id"].notna(), "subject_id"]]
    counts = count_classifications(session, ids)
    pulled = Counter(store.read("classifications", ["subject_id"], {"subject_id": ids})["subject_id"])
    rows["classifications"] = rows["subject_id"].map({n: max(counts[n], pulled[n]) for n in ids}).astype("Int64")


def _unfinished(entries: Iterable[Mapping[Any, Any]]) -> Iterator[Finding]:
    counts = Counter(str(entry["state"]) for entry in entries if entry["state"] not in ARRIVED)
    if counts:
        told = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
        message = f"Not all subjects have arrived yet: {told}."
        yield _finding("UNFINISHED", "warning", counts.total(), message, "Upload again: it goes on where it stopped.")


def _finding(code: str, severity: Severity, value: object, message: str, fix: str = "") -> Finding:
    return Finding("subjects", None, None, code, severity, str(value), message, fix)
