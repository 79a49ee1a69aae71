"""The report of a project: one page that a biologist can open, keep and send on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kso_utils.core.paths import write_atomic
from kso_utils.ui import page, sections
from kso_utils.ui.svg import escape, format_number, noun, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from kso_utils.core.report import Report


@dataclass(frozen=True, slots=True)
class Figure:
    """A number beside the limit that it must keep.

    Attributes
    ----------
    name
        What was measured, in plain words.
    value
        The number.
    limit
        What it must be, as it is to be read (`at least 0.95`); empty where there is no limit.
    unit
        The number's unit, or empty.
    ok
        Whether it keeps the limit; None where there is none.
    meaning
        One sentence on what the number says.
    """

    name: str
    value: float
    limit: str = ""
    unit: str = ""
    ok: bool | None = None
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame with boxes.

    Attributes
    ----------
    caption
        Where and when it is from.
    jpeg
        The bytes of a JPEG file.
    boxes
        `x, y, width, height` (pixels of that file), `label`, `confidence` (NaN where there is none) and `kind`:
        `model`, `people` or `truth`.
    """

    caption: str
    jpeg: bytes
    boxes: pd.DataFrame


@dataclass(frozen=True, slots=True)
class ReportContent:
    """All that the report shows, as plain values; what is None or empty is said to be missing.

    Attributes
    ----------
    title, project
        The page's title and the project's name.
    created_at
        When the values were made (UTC, ISO 8601).
    version
        The version of this software.
    sources
        `generated` where footage or volunteers were simulated, else `real`.
    note
        What a reader must know about the sources, in a sentence or two; shown at the top.
    sites
        `locality, decimalLatitude, decimalLongitude` (degrees, NaN where unknown), `movies` (how many).
    checks
        What the check of the tables found.
    figures
        The numbers against their limits.
    clips
        How many clips were cut.
    thumbnails
        (caption, JPEG bytes) of some of them.
    agreement
        Volunteers' answers on clips: `subject_id, label, votes, people, support, agreed`.
    split
        How the frames were split to train and judge the model, in a sentence.
    curves
        Training: `epoch, name, value`; rows without an epoch are left out.
    pictures
        Frames with boxes.
    counts
        MaxN: `filename, label, max_n, truth` (NaN where unknown; the column may be missing).
    moving
        Regions that move, by movie: `filename, regions, found` (how many, and how many of them a detection met).
    runs
        Where the numbers come from: `kind, version, params` and what else is known, a row a run.
    """

    title: str
    project: str
    created_at: str
    version: str
    sources: Literal["generated", "real"]
    note: str = ""
    sites: pd.DataFrame | None = None
    checks: Report | None = None
    figures: Sequence[Figure] = ()
    clips: int = 0
    thumbnails: Sequence[tuple[str, bytes]] = ()
    agreement: pd.DataFrame | None = None
    split: str = ""
    curves: pd.DataFrame | None = None
    pictures: Sequence[Picture] = ()
    counts: pd.DataFrame | None = None
    moving: pd.DataFrame | None = None
    runs: pd.DataFrame | None = None


def write_report(path: str | Path, content: ReportContent) -> Path:
    """Write the report as one HTML file that needs nothing else: no other file, no network, no script.

    Parameters
    ----------
    path
        The file to write; it is replaced whole or not at all.
    content
        What it shows.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    MediaCorrupt
        If the bytes of a picture with boxes are no JPEG.
    """
    text = build_report(content)
    with write_atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def build_report(content: ReportContent) -> str:
    """Return the report as HTML; see `write_report`."""
    shown = {
        "numbers": ("Numbers", sections.show_figures(content.figures)),
        "sites": ("Sites", sections.show_sites(content.sites)),
        "tables": ("Tables", sections.show_checks(content.checks)),
        "clips": ("Clips", sections.show_clips(content.clips, content.thumbnails)),
        "agreement": ("Volunteers", sections.show_agreement(content.agreement)),
        "training": ("Training", sections.show_training(content.curves, content.split)),
        "detections": ("Detections", sections.show_pictures(content.pictures)),
        "counts": ("Counts", sections.show_counts(content.counts)),
        "moving": ("Movement", sections.show_moving(content.moving)),
        "runs": ("How it was made", sections.show_runs(content.runs)),
    }
    links = "".join(tag("a", escape(name), href=f"#{key}") for key, (name, text) in shown.items() if text)
    body = (
        _show_header(content)
        + tag("nav", links, aria_label="Contents")
        + tag("main", _show_summary(content), *(text for _, text in shown.values()))
        + tag(
            "footer",
            escape(
                f"Made by kso_utils {content.version} at {content.created_at}. This file is complete: "
                "it fetches nothing and can be kept or sent on as it is."
            ),
        )
    )
    return page.build_page(f"{content.title}: {content.project}", body)


def _show_header(content: ReportContent) -> str:
    said = {
        "generated": "Generated sources: footage or volunteers in this report are simulated.",
        "real": "Real sources.",
    }[content.sources]
    note = f"{said} {content.note}" if content.note else said
    return tag(
        "header",
        tag("h1", escape(content.title)),
        tag("p", escape(f"Project {content.project} · {content.created_at} · kso_utils {content.version}")),
        tag("p", escape(note), class_="banner"),
    )


def _show_summary(content: ReportContent) -> str:
    judged = [figure for figure in content.figures if figure.ok is not None]
    missed = [figure.name for figure in judged if not figure.ok]
    verdict = ""
    if judged:
        text = f"Numbers within their limits: all {len(judged)}."
        if missed:
            text = f"Numbers that miss their limits: {len(missed)} of {len(judged)} ({', '.join(missed)})."
        verdict = tag("p", escape(text), class_="verdict missed" if missed else "verdict")
    tiles = "".join(tag("li", tag("b", format_number(n)), escape(what)) for n, what in _sums(content))
    return verdict + (tag("ul", tiles, class_="tiles") if tiles else "")


def _sums(content: ReportContent) -> list[tuple[float, str]]:
    sums: list[tuple[float, str]] = []
    if content.sites is not None:
        sums += [
            (n, noun(n, name)) for n, name in ((len(content.sites), "site"), (content.sites["movies"].sum(), "movie"))
        ]
    if content.clips:
        sums.append((content.clips, noun(content.clips, "clip")))
    if content.agreement is not None:
        sums.append((int(content.agreement["agreed"].sum()), "agreed answers of volunteers"))
    if content.counts is not None:
        seen = content.counts[content.counts["max_n"] > 0]
        sums.append((seen["label"].nunique(), "species counted"))
        sums.append((float(seen["max_n"].max()) if len(seen) else 0, "most animals of a species in one frame"))
    return sums
