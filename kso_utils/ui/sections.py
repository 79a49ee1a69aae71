"""The sections of the report, each from the values that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kso_utils.ui import page, pictures, plots
from kso_utils.ui.maps import draw_map, has_position
from kso_utils.ui.svg import DASH, escape, format_number, noun, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from kso_utils.core.report import Report
    from kso_utils.ui.report import Figure, Picture

_MOST_SPECIES = 15
_MOST_MOVIES = 24
_MOST_FINDINGS = 25
_MOST_CURVES = 12


def show_figures(figures: Sequence[Figure]) -> str:
    """Return the numbers against their limits."""
    rows = [_figure_row(figure) for figure in figures]
    table = page.table(("Number", "Value", "Limit", "Kept?"), rows, "Numbers against their limits")
    return page.section(
        "numbers",
        "Does it work? Numbers against limits",
        "Each number was measured in this run and is held against the limit that was set before.",
        table if rows else page.nothing("No numbers were measured."),
    )


def _figure_row(figure: Figure) -> list[str]:
    value = f"{format_number(figure.value)} {figure.unit}".strip()
    kept = {True: ("yes", "✓ yes"), False: ("no", "✗ no"), None: ("number", DASH)}[figure.ok]
    why = tag("span", escape(figure.meaning), class_="why") if figure.meaning else ""
    return [
        tag("b", escape(figure.name)) + why,
        tag("span", escape(value), class_="number"),
        escape(figure.limit or DASH),
        tag("span", kept[1], class_=kept[0]),
    ]


def show_sites(sites: pd.DataFrame | None) -> str:
    """Return the map of the sites beside their table."""
    lead = "The places that were filmed."
    if sites is None or sites.empty:
        return page.section("sites", "Where was it filmed?", lead, page.nothing("There are no sites."))
    placed = has_position(sites)
    drawn = page.nothing("No site has a position.")
    if placed.any():
        drawn = page.card(
            "Map of the sites",
            draw_map(sites[placed]),
            "A larger dot has more movies; the bar holds at the map's middle latitude. A name that would cover "
            "another is left out, the table has them all.",
        )
    if not placed.all():
        missing = ", ".join(map(str, sites.loc[~placed, "locality"]))
        drawn += page.nothing(f"Not on the map, for want of a position: {missing}.")
    rows = [
        [escape(name), _degrees(latitude), _degrees(longitude), escape(format_number(movies))]
        for name, latitude, longitude, movies in zip(
            *(sites[c] for c in ("locality", "decimalLatitude", "decimalLongitude", "movies")), strict=True
        )
    ]
    table = page.table(("Site", "Latitude", "Longitude", "Movies"), rows, "Sites, in decimal degrees")
    body = tag("div", tag("div", drawn), table, class_="beside")
    return page.section("sites", "Where was it filmed?", lead, body)


def _degrees(value: float) -> str:
    return tag("span", f"{value:.4f}" if np.isfinite(value) else DASH, class_="number")


def show_checks(report: Report | None) -> str:
    """Return what the check of the tables found."""
    if report is None:
        body = page.nothing("The tables were not checked.")
    else:
        found = page.scroll(report.to_html(), report.title) if len(report) else report.to_html()
        summary = f"{report.title}: {report.summary()}"
        told = tag("p", escape(summary)) + found if len(report) else found
        body = page.fold(summary, found) if len(report) > _MOST_FINDINGS else told
    return page.section(
        "tables",
        "Are the tables sound?",
        "Sites, movies and species were checked before anything else; an error stops the work, a warning does not.",
        body,
    )


def show_clips(count: int, thumbnails: Sequence[tuple[str, bytes]]) -> str:
    """Return how many clips were cut, with some of them."""
    figures = "".join(
        tag("figure", tag("img", src=pictures.data_url(jpeg), alt=caption), tag("figcaption", escape(caption)))
        for caption, jpeg in thumbnails
    )
    body = tag("div", figures, class_="thumbs") if figures else ""
    lead = f"{format_number(count)} {noun(count, 'clip')} cut from the movies for people to look at."
    if not count:
        lead, body = "Clips are short pieces of the movies for people to look at.", page.nothing("No clips were cut.")
    return page.section("clips", "What did people look at?", lead, body)


def show_agreement(agreement: pd.DataFrame | None) -> str:
    """Return how far the volunteers agree, over all and by species."""
    lead = "Several people looked at every clip; an answer counts once enough of them gave it."
    if agreement is None or agreement.empty:
        empty = page.nothing("No answers of volunteers have come in.")
        return page.section("agreement", "Do the volunteers agree?", lead, empty)
    species = agreement.groupby("label").agg(
        agreed=("agreed", "sum"), named=("agreed", "size"), support=("support", "mean")
    )
    species = species.sort_values("named", ascending=False, kind="stable")
    rows = [
        (str(label), f"{agreed} of {named} agreed · {support * 100:.0f} % support", int(agreed), int(named))
        for label, agreed, named, support in species.head(_MOST_SPECIES).itertuples(name=None)
    ]
    shown = "" if len(species) <= _MOST_SPECIES else f" The {_MOST_SPECIES} named most of {len(species)} are shown."
    clips = agreement["subject_id"].nunique()
    return page.section(
        "agreement",
        "Do the volunteers agree?",
        f"{lead} Somebody named something in {clips} {noun(clips, 'clip')}.",
        page.grid(
            (
                page.card(
                    "How many gave the same answer",
                    plots.draw_agreement(agreement),
                    "Bars at the right are answers that nearly everybody gave; low bars in the middle mean that "
                    "people seldom doubt.",
                ),
                page.card(
                    "By species",
                    plots.draw_bars(rows, "Clips in which each species was named, and agreed"),
                    "The whole bar is the clips in which anybody named the species, the strong part those in which "
                    f"enough people did.{shown}",
                ),
            )
        ),
    )


def show_training(curves: pd.DataFrame | None, split: str) -> str:
    """Return how frames were split and the curves of the training: losses and scores apart, for scales differ."""
    lead = "A model was trained on the boxes that people agreed on, to find the animals by itself."
    curves = None if curves is None else curves.astype({"epoch": "float64", "value": "float64"}).dropna()
    if curves is None or not np.isfinite(curves["value"]).any():
        return page.section("training", "Did the model learn?", lead, page.nothing("No model was trained."))
    is_loss = curves["name"].astype(str).str.contains("loss", case=False)
    cards = []
    for part, heading, reading in (
        (~is_loss, "Scores", "Higher is better, 1 is perfect; a line that has levelled off has little left to learn."),
        (is_loss, "Losses", "Lower is better; validation rising while training falls means learning by heart."),
    ):
        names = list(dict.fromkeys(curves.loc[part, "name"]))[:_MOST_CURVES]
        own = curves[part & curves["name"].isin(names)]
        if np.isfinite(own["value"]).any():
            cards.append(page.card(heading, plots.draw_curves(own, heading.lower()), reading))
    told = tag("p", escape(split)) if split else ""
    return page.section("training", "Did the model learn?", lead, told, page.grid(cards))


def show_pictures(shown: Sequence[Picture]) -> str:
    """Return frames with boxes and the legend of the boxes."""
    heading = "What does the model find?"
    lead = "Frames from the movies with the boxes drawn on them; the number is the model's confidence, up to 1."
    if not shown:
        return page.section("detections", heading, lead, page.nothing("There are no pictures of detections."))
    kinds = {str(kind) for picture in shown for kind in picture.boxes["kind"]}
    cards = (
        tag(
            "figure",
            pictures.draw_boxes(picture.jpeg, picture.boxes, picture.caption),
            tag("figcaption", escape(picture.caption)),
            class_="card picture",
        )
        for picture in shown
    )
    return page.section("detections", heading, lead, tag("p", pictures.legend(kinds)), page.grid(cards, "beside"))


def show_counts(counts: pd.DataFrame | None) -> str:
    """Return MaxN of each species and movie beside the truth, as drawings and as a table."""
    heading = "How many animals?"
    lead = (
        "MaxN is the largest number of animals of one species seen in any single frame of a movie: a careful count, "
        "for it never counts an animal twice."
    )
    if counts is None or counts.empty:
        return page.section("counts", heading, lead, page.nothing("Nothing was counted."))
    table = counts.assign(truth=counts.get("truth", np.nan)).astype({"max_n": "float64", "truth": "float64"})
    known = bool(np.isfinite(table["truth"]).any())
    labels = sorted(table["label"].astype(str).unique())
    cards = [_count_card(label, table[table["label"] == label], known) for label in labels[:_MOST_SPECIES]]
    return page.section(
        "counts",
        heading,
        lead,
        page.grid(cards),
        page.fold("All counts as a table", _count_table(table, labels, known)),
    )


def _count_card(label: str, counts: pd.DataFrame, known: bool) -> str:
    largest = counts.nlargest(_MOST_MOVIES, "max_n").sort_values("filename")
    rows = [
        (str(name), float(found), float(true))
        for name, found, true in zip(largest["filename"], largest["max_n"], largest["truth"], strict=True)
    ]
    reading = "The dot is the number found"
    if known:
        reading += ", the ring the true number: a dot inside its ring is exactly right"
    left_out = len(counts) - len(largest)
    more = f" The {_MOST_MOVIES} movies with the most are shown, the table has {left_out} more." if left_out else ""
    return page.card(label, plots.draw_counts(rows, f"MaxN of {label} by movie"), f"{reading}.{more}")


def _count_table(counts: pd.DataFrame, labels: list[str], known: bool) -> str:
    cells = {
        (str(name), str(label)): _count_cell(found, true, known)
        for name, label, found, true in zip(*(counts[c] for c in ("filename", "label", "max_n", "truth")), strict=True)
    }
    movies = sorted({name for name, _ in cells})
    rows = [[escape(name), *(cells.get((name, label), DASH) for label in labels)] for name in movies]
    caption = "MaxN found / true, by movie and species" if known else "MaxN by movie and species"
    return page.table(("Movie", *labels), rows, caption)


def _count_cell(found: float, true: float, known: bool) -> str:
    text = f"{format_number(found)} / {format_number(true)}" if known else format_number(found)
    differs = known and np.isfinite(found) and np.isfinite(true) and found != true
    return tag("span", f"{text} ≠" if differs else text, class_="off" if differs else "same")


def show_moving(moving: pd.DataFrame | None) -> str:
    """Return the share of moving regions that a detection met, by movie; nothing at all where it was not asked."""
    if moving is None or moving.empty:
        return ""
    ordered = moving.sort_values("filename")
    rows = [
        (str(name), f"{found} of {regions}", int(found), int(regions))
        for name, regions, found in zip(ordered["filename"], ordered["regions"], ordered["found"], strict=True)
    ]
    regions, found = int(moving["regions"].sum()), int(moving["found"].sum())
    share = f"{100 * found / regions:.0f} %" if regions else "none"
    return page.section(
        "moving",
        "Does it find what moves?",
        f"In real movies the truth is unknown, so detections are held against regions that move: {share} were found.",
        page.grid(
            [
                page.card(
                    "Moving regions by movie",
                    plots.draw_bars(rows, "Moving regions and those that a detection met, by movie"),
                    "The whole bar is the regions that move, the strong part those that a detection met.",
                )
            ]
        ),
    )


def show_runs(runs: pd.DataFrame | None) -> str:
    """Return where the numbers come from."""
    if runs is None or runs.empty:
        body = page.nothing("No runs are recorded.")
    else:
        body = page.fold(f"{len(runs)} recorded {noun(len(runs), 'run')}", page.frame_table(runs, "Runs"))
    return page.section(
        "runs",
        "How was it made?",
        "Every number comes from a recorded run; with the same inputs, settings and version it can be made again.",
        body,
    )
