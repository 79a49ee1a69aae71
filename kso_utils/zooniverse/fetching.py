"""Exports of a Zooniverse project, fetched into a folder and kept there unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import ExportTimeout
from kso_utils.core.paths import sha256_file
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.core.retries import again
from kso_utils.zooniverse.session import ApiError

if TYPE_CHECKING:
    from pathlib import Path

    from kso_utils.zooniverse.session import Session

KINDS = ("subjects", "workflows", "classifications")


def fetch_exports(session: Session, project_id: str, folder: Path, timeout_s: float, report: Report) -> list[Path]:
    """Ask for all exports, so that the server makes them side by side, then fetch each.

    Raises
    ------
    ExportTimeout
        If an export is late and there is no earlier one here.
    ZooniverseError
        If the server refuses, or cannot be reached.
    """
    for kind in KINDS:
        try:
            again(lambda kind=kind: session.request_export(kind, "projects", project_id))  # type: ignore[misc]
        except ApiError as error:
            if error.status is None or session.describe_export(kind, "projects", project_id) is None:
                raise
            message = f"A new {kind} export was refused; the latest is used. {error}"
            report.add(Finding(kind, None, None, "EXPORT_REFUSED", "warning", "", message, "Pull again tomorrow."))
    return [_fetch_one(session, kind, project_id, folder, timeout_s, report) for kind in track(KINDS, "Fetching")]


def _fetch_one(session: Session, kind: str, project_id: str, folder: Path, timeout_s: float, report: Report) -> Path:
    try:
        medium = again(lambda: session.await_export(kind, "projects", project_id, timeout_s))
    except ExportTimeout as error:
        earlier = sorted(folder.glob(f"{kind}_*.csv"))
        if not earlier:
            raise
        message = f"{error} The file {earlier[-1].name}, fetched earlier, is used instead."
        report.add(Finding(kind, None, None, "EXPORT_LATE", "warning", earlier[-1].name, message, "Pull again later."))
        return earlier[-1]
    arriving = folder / f"{kind}.part"
    again(lambda: session.download(str(medium["src"]), arriving))
    digest = sha256_file(arriving)
    known = next(iter(sorted(folder.glob(f"{kind}_*_{digest[:12]}.csv"))), None)
    path = known or folder / f"{kind}_{utc_now().replace(':', '')}_{digest[:12]}.csv"
    arriving.replace(path)
    message = f"The {kind} export of {medium['updated_at']} was fetched."
    report.add(Finding(path.name, None, None, "EXPORT_FETCHED", "info", digest, message))
    return path
