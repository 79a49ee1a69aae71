"""Exports of a Zooniverse project, fetched into a folder and kept there unchanged."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import ExportTimeout, MetadataError
from kso_utils.core.paths import write_atomic
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.client import ZOONIVERSE
from kso_utils.zooniverse.retrieval.files import examine
from kso_utils.zooniverse.session import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.zooniverse.retrieval.files import ExportFile
    from kso_utils.zooniverse.session import Session

Ask = Literal["due", "always", "never"]
KINDS = ("subjects", "workflows", "classifications")
GAP_S = 12 * 3600
"""Zooniverse makes an export of one kind at most every 12 hours; what is asked for earlier is never made.

Other servers, as a sandbox, make one whenever they are asked.
"""
_LEFT_S = 24 * 3600
_READY = ("ready", "finished")
_STAMP = re.compile(r"_(\d{4}-\d\d-\d\dT\d{6}Z)_[0-9a-f]{12}\.csv$")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One export: its kind, and the project or workflow that it is of."""

    kind: str
    owner: str
    owner_id: str

    @property
    def stem(self) -> str:
        return self.kind if self.owner == "projects" else f"{self.kind}_workflow_{self.owner_id}"

    @property
    def name(self) -> str:
        return f"{self.kind} export" + ("" if self.owner == "projects" else f" of workflow {self.owner_id}")


def fetch_exports(
    session: Session,
    project_id: int | str,
    folder: str | Path,
    report: Report,
    timeout_s: float = 3600.0,
    ask: Ask = "due",
    workflow_ids: Iterable[int] = (),
) -> dict[ExportFile, str | None]:
    """Ask for the exports that are due, so that the server makes them side by side, then fetch each.

    A new export that is refused, or not ready in time, is replaced by the last one that the server has, and that by the
    last one in the folder; a warning tells its age. Exports of talk are made by another server, which is not asked.

    Parameters
    ----------
    session
        The login.
    project_id
        The project on Zooniverse.
    folder
        Gets the files; what is there with the same content is not kept twice.
    report
        Gets what was fetched, and what was not.
    timeout_s
        How long to wait for each.
    ask
        As in `pull`.
    workflow_ids
        Workflows whose classifications are fetched in place of those of the whole project.

    Returns
    -------
    dict
        The files, and when the server made each (None where that is not known).

    Raises
    ------
    ExportTimeout
        If an export is late and there is no earlier one.
    ZooniverseError
        If the server refuses, or cannot be reached.
    """
    _sweep(Path(folder))
    wanted = [_Wanted(kind, "projects", str(project_id)) for kind in KINDS]
    if chosen := list(workflow_ids):
        wanted[2:] = [_Wanted("classifications", "workflows", str(number)) for number in chosen]
    before = [_ask(session, one, ask, report) for one in wanted]
    pairs = track(list(zip(wanted, before, strict=True)), "Fetching exports")
    patience_s = 0.0 if ask == "never" else timeout_s
    return dict(_fetch(session, one, medium, Path(folder), patience_s, report) for one, medium in pairs)


def keep_exports(files: Iterable[ExportFile], folder: str | Path) -> None:
    """Copy files that somebody downloaded into a folder, unless one with the same content is there.

    Their names say that they were downloaded: how old they are is not known, so that no late export is replaced by one.
    """
    for file in track(list(files), "Keeping exports"):
        ending = f"_{file.sha256[:12]}.csv{'.gz' if file.packed else ''}"
        if not any(Path(folder).glob(f"{file.kind}*{ending}")):
            with write_atomic(Path(folder) / f"{file.kind}_downloaded{ending}") as temporary:
                shutil.copyfile(file.path, temporary)


def _sweep(folder: Path) -> None:
    """Remove what downloads that were killed left; what is younger than a day may be of one that is under way."""
    for left in folder.glob("*.part*"):
        if time.time() - left.stat().st_mtime > _LEFT_S:
            left.unlink(missing_ok=True)


def _ask(session: Session, wanted: _Wanted, ask: Ask, report: Report) -> dict[str, Any] | None:
    """Ask for a new export where it is due; return the medium of the last one as it was before."""
    place = (wanted.kind, wanted.owner, wanted.owner_id)
    medium = again(lambda: session.describe_export(*place))
    age_s = _age_s(medium)
    gap_s = GAP_S if session.url == ZOONIVERSE else 0
    if ask == "never" or (ask == "due" and medium is not None and age_s < gap_s):
        if ask == "due" and medium is not None and _is_ready(medium):
            message = f"The {wanted.name} is {_spell(age_s)} old. Zooniverse makes no other within 12 hours."
            fix = "To ask for a new one all the same: kso pull --new"
            report.add(Finding(wanted.stem, None, None, "EXPORT_RECENT", "info", medium["updated_at"], message, fix))
        return medium
    try:
        again(lambda: session.request_export(*place))
    except ApiError as error:
        if error.status is None or medium is None:
            raise
        message = f"A new {wanted.name} was refused; the one that is {_spell(age_s)} old is used. {error}"
        report.add(Finding(wanted.stem, None, None, "EXPORT_REFUSED", "warning", "", message, "Pull again tomorrow."))
    return medium


def _fetch(
    session: Session, wanted: _Wanted, before: dict[str, Any] | None, folder: Path, timeout_s: float, report: Report
) -> tuple[ExportFile, str | None]:
    """Return the file of an export, and when the server made it."""
    place = (wanted.kind, wanted.owner, wanted.owner_id)
    try:
        medium = again(lambda: session.await_export(*place, timeout_s))
    except ExportTimeout as error:
        return _fall_back(session, wanted, before, folder, error, report)
    return _download(session, wanted, medium, folder, report), medium["updated_at"]


def _fall_back(
    session: Session, wanted: _Wanted, before: dict[str, Any] | None, folder: Path, late: ExportTimeout, report: Report
) -> tuple[ExportFile, str | None]:
    """Return the last export that there is: the one that the server had before, else the newest in the folder."""
    if before is not None:
        # While a new one is made, or is said to be made, the link of the one before still leads to it.
        made_at = str(before["updated_at"]) if _is_ready(before) else None
        try:
            file = _download(session, wanted, before, folder, report)
        except ApiError as error:
            late = ExportTimeout(f"{late} The last one is not there any more: {error}")
        else:
            age = f"{_spell(_age_s(before))} old" if made_at else "whose age is not known"
            message = f"{late} The last one, {age}, is used instead."
            report.add(_late(wanted, file.path, message))
            return file, made_at
    kept = {found[1]: path for path in folder.glob(f"{wanted.stem}_*.csv") if (found := _stamp_of(path, wanted))}
    if not kept:
        raise late
    stamp = max(kept)
    fetched = datetime.strptime(stamp, "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    age = _spell((datetime.now(UTC) - fetched).total_seconds())
    message = f"{late} The file {kept[stamp].name}, fetched {age} ago, is used instead."
    report.add(_late(wanted, kept[stamp], message))
    last = examine(kept[stamp], report)
    if last is None:
        raise late
    return last, None


def _download(session: Session, wanted: _Wanted, medium: dict[str, Any], folder: Path, report: Report) -> ExportFile:
    """Save an export under a name that tells its kind, when it was fetched, and its content."""
    arriving = folder / f"{wanted.stem}.part"
    arrived = Report("Download")
    try:
        again(lambda: session.download(str(medium["src"]), arriving))
        try:
            file = examine(arriving, arrived)
        except MetadataError as error:
            raise ApiError(f"The {wanted.name} that {session.url} gave is cut off. Pull again later.") from error
        if file is None or file.kind != wanted.kind:
            why = "; ".join(finding.message for finding in arrived) or "It holds another export."
            raise ApiError(f"What {session.url} gave as {wanted.name} is none. {why}")
        known = next(iter(sorted(folder.glob(f"{wanted.stem}_*_{file.sha256[:12]}.csv"))), None)
        path = known or folder / f"{wanted.stem}_{utc_now().replace(':', '')}_{file.sha256[:12]}.csv"
        arriving.replace(path)
    finally:
        arriving.unlink(missing_ok=True)
    message = f"The {wanted.name} of {medium['updated_at']} was fetched."
    report.add(Finding(path.name, None, None, "EXPORT_FETCHED", "info", file.sha256, message))
    return replace(file, path=path)


def _late(wanted: _Wanted, path: Path, message: str) -> Finding:
    return Finding(wanted.stem, None, None, "EXPORT_LATE", "warning", path.name, message, "Pull again later.")


def _stamp_of(path: Path, wanted: _Wanted) -> re.Match[str] | None:
    # The name of a project's export is the beginning of those of its workflows.
    found = _STAMP.search(path.name)
    return found if found and path.name[: found.start()] == wanted.stem else None


def _is_ready(medium: dict[str, Any]) -> bool:
    return medium["metadata"].get("state") in _READY


def _age_s(medium: dict[str, Any] | None) -> float:
    if medium is None:
        return 0.0
    return (datetime.now(UTC) - datetime.fromisoformat(medium["updated_at"])).total_seconds()


def _spell(seconds: float) -> str:
    """Return a length of time as people say it: `40 minutes`, `5 hours`, `3 days`."""
    for unit_s, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit_s:
            count = int(seconds // unit_s)
            return f"{count} {unit}{'s' * (count > 1)}"
    return "less than a minute"
