"""What is in a project, and whether it and the installation are sound."""

from __future__ import annotations

import importlib.util
import shutil
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, MissingExtra
from kso_utils.core.report import Finding, Report, Severity
from kso_utils.media.safety import find_ffmpeg
from kso_utils.store import queries
from kso_utils.version import __version__

if TYPE_CHECKING:
    from kso_utils.project.opening import Project

_COUNTED = ("sites", "movies", "species", "subjects", "classifications", "agg_runs", "models", "model_runs")
_EXTRAS = {"av": "media", "cv2": "media", "panoptes_client": "zooniverse", "ultralytics": "ml", "pyarrow": "ml"}
_LOW_DISK_BYTES = 2 * 1024**3


def describe(project: Project) -> dict[str, Any]:
    """Return name, folder, software version and the number of rows of the main tables."""
    rows = {table: len(project.store.read(table, columns=["id"])) for table in _COUNTED}
    return {"project": project.settings.name, "folder": str(project.folder), "version": __version__, **rows}


def diagnose(project: Project) -> Report:
    """Examine the installation, the store, unfinished uploads and the disk."""
    report = Report(f"Project {project.settings.name}")
    report.extend(_missing_extras())
    try:
        find_ffmpeg()
    except (ConfigError, MissingExtra) as error:
        report.add(_finding("installation", "FFMPEG_MISSING", "error", "", str(error)))
    report.extend(project.store.check())
    unfinished = queries.unfinished_uploads(project.store)
    if len(unfinished):
        message = f"{len(unfinished)} uploads were begun and not finished."
        report.add(
            _finding("upload_journal", "UPLOAD_UNFINISHED", "warning", str(len(unfinished)), message, "Run: kso upload")
        )
    free = shutil.disk_usage(project.folder).free
    if free < _LOW_DISK_BYTES:
        message = f"Only {free / 1024**3:.1f} GiB are free on the disk of {project.folder}."
        report.add(
            _finding("disk", "DISK_NEARLY_FULL", "warning", str(free), message, "Make room before the next step.")
        )
    return report


def _missing_extras() -> list[Finding]:
    missing = {extra for package, extra in _EXTRAS.items() if importlib.util.find_spec(package) is None}
    return [
        _finding(
            "installation",
            "EXTRA_MISSING",
            "info",
            extra,
            f"The extra '{extra}' is not installed.",
            f"Where you need it: pip install 'kso_utils[{extra}]'",
        )
        for extra in sorted(missing)
    ]


def _finding(table: str, code: str, severity: Severity, value: str, message: str, fix: str = "") -> Finding:
    return Finding(table, None, None, code, severity, value, message, fix)
