"""What was marked and does not count in any sample, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.annotations.sightings import clips_across, locate
from kso_utils.core.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.annotations.sightings import Evidence
    from kso_utils.core.report import Report, Severity


def add_new(report: Report, findings: list[Finding]) -> None:
    """Add the findings that the report does not have yet: people and models are often asked for the same labels."""
    known = {(finding.code, finding.value) for finding in report}
    report.extend(finding for finding in findings if (finding.code, finding.value) not in known)


def find_losses(samples: pd.DataFrame, evidence: Evidence) -> Iterator[Finding]:
    """Yield what one observer marked that is not counted: across borders, outside windows, without a time, in doubt.

    Parameters
    ----------
    samples
        As `events.plan_events` gives them.
    evidence
        What was marked.
    """
    across = len(clips_across(samples, evidence))
    if across:
        message = f"{across} clips reach across the border of a sample; they count in none."
        yield _finding("subjects", "CLIP_ACROSS_EVENTS", "warning", across, message, "Choose longer periods.")
    boxes = evidence.boxes
    untimed = int(boxes["pts_s"].isna().sum())
    if untimed:
        message = f"{untimed} boxes have no time, because the rate of their movie is not known; they do not count."
        yield _finding("movies", "BOX_WITHOUT_TIME", "warning", untimed, message, "Fill in the movie's fps.")
    timed = boxes[boxes["movie_id"].isin(samples["movie_id"]) & boxes["pts_s"].notna()]
    outside = int((locate(samples, timed["movie_id"], timed["pts_s"]) < 0).sum())
    if outside:
        message = f"{outside} boxes lie outside the sampling windows of their movies; they do not count."
        fix = "Nothing, if sampling_start and sampling_end are right."
        yield _finding("movies", "BOX_OUTSIDE_WINDOW", "info", outside, message, fix)
    doubts = len(evidence.doubts)
    if doubts:
        message = f"{doubts} labels were seen by some and not agreed; they are neither present nor absent there."
        yield _finding("annotations", "LABEL_IN_DOUBT", "info", doubts, message, "")


def _finding(table: str, code: str, severity: Severity, value: int, message: str, fix: str) -> Finding:
    return Finding(table, None, None, code, severity, str(value), message, fix)
