"""The report's plots, drawn as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kso_utils.ui.svg import drawing, escape, format_number, label, shorten, tag, text_width, ticks

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 380.0
_COLOURS = 8
_DASHES = (None, "6 3", "2 3")
_MOST_DATES = 3


@dataclass(frozen=True, slots=True)
class Axes:
    """A rectangle of the drawing and the values at its borders."""

    left: float
    top: float
    right: float
    bottom: float
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        """Return the place of a value across."""
        return self.left + (value - self.x0) / ((self.x1 - self.x0) or 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Return the place of a value upwards."""
        return self.bottom - (value - self.y0) / ((self.y1 - self.y0) or 1.0) * (self.bottom - self.top)

    def grid_y(self, values: Iterable[float]) -> str:
        """Return horizontal lines with their values at the left."""
        return "".join(
            tag("line", x1=self.left, y1=self.y(v), x2=self.right, y2=self.y(v), class_="grid")
            + label(self.left - 7, self.y(v) + 4.5, format_number(v), class_="tick end")
            for v in values
        )

    def ticks_x(self, values: Iterable[float]) -> str:
        """Return values below the lower border."""
        return "".join(label(self.x(v), self.bottom + 18, format_number(v), class_="tick mid") for v in values)

    def titles(self, below: str, above: str) -> str:
        """Return what is counted across (below the axis) and upwards (above the axis)."""
        middle = (self.left + self.right) / 2
        return label(middle, self.bottom + 37, below, class_="axis mid") + label(0.0, 13.0, above, class_="axis")


def draw_agreement(agreement: pd.DataFrame) -> str:
    """Return a histogram of how many of the people agreed.

    Parameters
    ----------
    agreement
        `support` (0 to 1) and `agreed`, one row a subject and label; at least one row.
    """
    support = agreement["support"].to_numpy(dtype=np.float64)
    # A share of 0.7 is 7.000000000000001 tenths; it belongs to the seventh.
    tenth = np.clip(np.ceil(np.round(support * 10, 9)).astype(int), 1, 10)
    agreed = agreement["agreed"].to_numpy(dtype=bool)
    yes = np.bincount(tenth[agreed], minlength=11)[1:]
    no = np.bincount(tenth[~agreed], minlength=11)[1:]
    most = max(int((yes + no).max()), 1)
    axes = Axes(44.0, 30.0, WIDTH - 22, 196.0, 0.0, 1.0, 0.0, float(most))
    bars = []
    for place, (a, b) in enumerate(zip(yes.tolist(), no.tolist(), strict=True)):
        x, width = axes.x(place / 10) + 2, axes.x(0.1) - axes.x(0) - 4
        title = tag("title", escape(f"{place * 10} to {place * 10 + 10} %: {a} agreed, {b} not agreed"))
        for low, high, name in ((0, a, "c0"), (a, a + b, "pale")):
            bar = {"y": axes.y(high), "height": axes.y(low) - axes.y(high)}
            bars.append(tag("rect", title, x=x, width=width, class_=name, **bar) if high > low else "")
    keys = _key(WIDTH - 190, "c0", "agreed") + _key(WIDTH - 100, "pale", "not agreed")
    return drawing(
        WIDTH,
        236,
        f"Histogram of agreement: {int(agreed.sum())} of {len(agreed)} answers agreed",
        axes.grid_y(ticks(0, most, 4, least_step=1)),
        *bars,
        tag("text", *_percent_labels(axes), class_="tick mid"),
        axes.titles("share of people who gave the same answer", "answers"),
        keys,
    )


def _percent_labels(axes: Axes) -> Iterable[str]:
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        yield tag("tspan", f"{share * 100:.0f} %", x=axes.x(share), y=axes.bottom + 18)


def _key(x: float, colour: str, text: str) -> str:
    box = tag("rect", x=x, y=4.0, width=11.0, height=11.0, class_=colour)
    return box + label(x + 16, 14.0, text, class_="tick")


def draw_bars(rows: list[tuple[str, str, int, int]], description: str) -> str:
    """Return a bar a row: its name and a remark above, the part in full colour of the whole in pale.

    Parameters
    ----------
    rows
        (name, remark, part, whole), 0 <= part <= whole.
    description
        What the drawing shows, for those who cannot see it.
    """
    most = max([whole for *_, whole in rows] + [1])
    parts = []
    for place, (name, remark, part, whole) in enumerate(rows):
        y = 44.0 * place
        title = tag("title", escape(f"{name}: {remark}"))
        for value, colour in ((whole, "pale"), (part, "c0")):
            width = WIDTH * value / most
            parts.append(tag("rect", title, x=0.0, y=y + 21, width=width, height=12.0, rx=2.0, class_=colour))
        parts.append(label(0.0, y + 14, shorten(name, 0.45 * WIDTH), class_="strong"))
        parts.append(label(WIDTH, y + 14, remark, class_="tick end"))
    return drawing(WIDTH, 44 * len(rows) - 8, description, *parts)


def draw_curves(curves: pd.DataFrame, description: str) -> str:
    """Return lines over the epochs, each with its name and last value below.

    Parameters
    ----------
    curves
        `epoch`, `name`, `value`; at least one value that is a number.
    description
        What the lines are.
    """
    real = curves[np.isfinite(curves["value"].to_numpy(dtype=np.float64))]
    top = float(real["value"].max())
    low = min(float(real["value"].min()), 0.0)
    first, last = float(real["epoch"].min()), float(real["epoch"].max())
    axes = Axes(50.0, 30.0, WIDTH - 12, 200.0, first, last, low, 1.0 if 0 < top <= 1 else top)
    lines, keys = [], []
    names = list(dict.fromkeys(real["name"]))
    columns = 2 if all(text_width(str(name)) <= WIDTH / 2 - 84 for name in names) else 1
    for place, name in enumerate(names):
        own = real[real["name"] == name].sort_values("epoch")
        points = [(axes.x(float(e)), axes.y(float(v))) for e, v in zip(own["epoch"], own["value"], strict=True)]
        look = {"class_": f"line l{place % _COLOURS}", "stroke_dasharray": _DASHES[place // _COLOURS % len(_DASHES)]}
        lines.append(tag("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in points), **look))
        lines.append(tag("circle", cx=points[-1][0], cy=points[-1][1], r=3.5, class_=f"c{place % _COLOURS}"))
        x, y = (place % columns) * WIDTH / 2, 262.0 + 20 * (place // columns)
        keys.append(tag("line", x1=x, y1=y - 4, x2=x + 22, y2=y - 4, **look))
        text = f"{shorten(str(name), WIDTH / columns - 84)}  {format_number(float(own['value'].iloc[-1]))}"
        keys.append(label(x + 28, y, text, class_="tick"))
    return drawing(
        WIDTH,
        252 + 20 * -(-len(names) // columns),
        f"{description} over {format_number(last)} epochs: {', '.join(map(str, names))}",
        axes.grid_y(ticks(axes.y0, axes.y1, 5)),
        axes.ticks_x(ticks(first, last, 6, least_step=1)),
        *lines,
        axes.titles("epoch (one pass through the training pictures)", description),
        *keys,
    )


def draw_counts(rows: list[tuple[str, float, float]], description: str) -> str:
    """Return a line a movie: a ring at the true number, a dot at the number found.

    Parameters
    ----------
    rows
        (movie, found, true); not-a-number where one is unknown. At least one row.
    description
        What the drawing shows, for those who cannot see it.
    """
    values = np.array([[found, true] for _, found, true in rows])
    most = max(float(np.nanmax(values, initial=1.0, where=np.isfinite(values))), 1.0)
    bottom = 22.0 + 22 * len(rows)
    left = min(max(text_width(name) for name, *_ in rows), 0.4 * WIDTH) + 16
    axes = Axes(left, 22.0, WIDTH - 14, bottom, 0.0, most, 0.0, 1.0)
    marks = [axes.ticks_x(ticks(0, most, 6, least_step=1))]
    for tick in ticks(0, most, 6, least_step=1):
        marks.append(tag("line", x1=axes.x(tick), y1=14.0, x2=axes.x(tick), y2=bottom, class_="grid"))
    for place, (name, found, true) in enumerate(rows):
        y = 26.0 + 22 * place
        title = tag("title", escape(f"{name}: found {format_number(found)}, true {format_number(true)}"))
        marks.append(label(left - 14, y + 4.5, shorten(name, left - 16), class_="tick end"))
        if np.isfinite(found) and np.isfinite(true) and found != true:
            marks.append(tag("line", x1=axes.x(found), y1=y, x2=axes.x(true), y2=y, class_="gap"))
        if np.isfinite(true):
            marks.append(tag("circle", title, cx=axes.x(true), cy=y, r=7.0, class_="ring"))
        if np.isfinite(found):
            marks.append(tag("circle", title, cx=axes.x(found), cy=y, r=4.0, class_="c0"))
    marks.append(label(WIDTH / 2, bottom + 37, "most animals in any one frame (MaxN)", class_="axis mid"))
    return drawing(WIDTH, bottom + 44, description, *marks)


def draw_votes(days: pd.DataFrame) -> str:
    """Return how many classifications had come in by each day, with the number of people below.

    Parameters
    ----------
    days
        From `consensus.votes_over_time`; at least one row.
    """
    when = days["day"].to_numpy().astype("datetime64[D]").astype(np.int64)
    total = days["total"].to_numpy(dtype=np.float64)
    first, last, most = int(when[0]), int(when[-1]), float(total[-1])
    axes = Axes(58.0, 30.0, WIDTH - 22, 196.0, first - 0.5, last + 0.5, 0.0, most)
    points = [(axes.x(first - 0.5), axes.y(0.0))]
    for day, so_far in zip(when.tolist(), total.tolist(), strict=True):
        points += [(axes.x(day - 0.5), points[-1][1]), (axes.x(day + 0.5), axes.y(so_far))]
    people = int(days["new_people"].sum())
    took_part = "1 person" if people == 1 else f"{format_number(people)} people"
    step = _day_step(first, last)
    dates = [
        label(axes.x(day), axes.bottom + 18, str(np.datetime64(day, "D")), class_="tick mid")
        for day in range(first + (last - first) % step // 2, last + 1, step)
    ]
    return drawing(
        WIDTH,
        236,
        f"Classifications over time: {format_number(most)}; {took_part} took part",
        axes.grid_y(ticks(0, most, 4, least_step=1)),
        tag("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in points), class_="line l0"),
        *dates,
        axes.titles(f"day (UTC); {took_part} took part", "classifications so far"),
    )


def _day_step(first: int, last: int) -> int:
    """Return after how many days the next date stands, so that at most three do."""
    return max(-(-(last - first + 1) // _MOST_DATES), 1)


def draw_accumulation(curve: pd.DataFrame) -> str:
    """Return the expected number of species over the number of clips looked at, with its 95 % interval.

    Parameters
    ----------
    curve
        From `consensus.accumulate_species`; at least one row.
    """
    across, species, low, high = (curve[c].to_numpy(dtype=np.float64) for c in ("subjects", "species", "low", "high"))
    axes = Axes(50.0, 30.0, WIDTH - 22, 196.0, 0.0, float(across[-1]), 0.0, max(float(high.max()), 1.0))
    upper = [(axes.x(n), axes.y(v)) for n, v in zip(across, high, strict=True)]
    lower = [(axes.x(n), axes.y(v)) for n, v in zip(across, low, strict=True)]
    line = [(axes.x(n), axes.y(v)) for n, v in zip(across, species, strict=True)]
    return drawing(
        WIDTH,
        236,
        f"Accumulation of species: {format_number(round(float(species[-1]), 1))} in {format_number(across[-1])} clips",
        tag("polygon", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in [*upper, *reversed(lower)]), class_="pale"),
        axes.grid_y(ticks(0, axes.y1, 5, least_step=1)),
        axes.ticks_x(ticks(0, axes.x1, 5, least_step=1)),
        tag("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in line), class_="line l0"),
        tag("circle", cx=line[-1][0], cy=line[-1][1], r=3.5, class_="c0"),
        axes.titles("clips looked at", "species that people agreed on"),
    )


def draw_support(agreement: pd.DataFrame, most: int = 20) -> str:
    """Return a line a species: a dot at its median support where it was named, a bar over the middle half.

    Parameters
    ----------
    agreement
        `label`, `support` (0 to 1) and `agreed`, one row a subject and label; at least one row.
    most
        How many species are drawn, those that were agreed on most often first.
    """
    by_label = agreement.groupby("label")
    quartiles = {
        name: by_label["support"].quantile(share) for name, share in (("low", 0.25), ("middle", 0.5), ("high", 0.75))
    }
    species = pd.DataFrame({**quartiles, "agreed": by_label["agreed"].sum().astype(int), "named": by_label.size()})
    shown = species.sort_values(["agreed", "named"], ascending=False, kind="stable").head(most)
    bottom = 34.0 + 24 * len(shown)
    left = min(max(text_width(str(name)) for name in shown.index), 0.36 * WIDTH) + 14
    axes = Axes(left, 26.0, WIDTH - 92, bottom, 0.0, 1.0, 0.0, 1.0)
    marks = [
        tag("line", x1=axes.x(share), y1=axes.top, x2=axes.x(share), y2=bottom, class_="grid")
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    marks.append(label(WIDTH, 14.0, "agreed of named", class_="tick end"))
    columns = ("low", "middle", "high", "agreed", "named")
    for place, (name, values) in enumerate(zip(shown.index, shown[[*columns]].to_numpy().tolist(), strict=True)):
        low, middle, high, agreed, named = values
        y = 44.0 + 24 * place
        told = f"{name}: median {middle:.0%}, half of its clips between {low:.0%} and {high:.0%}"
        title = tag("title", escape(told))
        marks.append(label(left - 12, y + 4.5, shorten(str(name), left - 14), class_="tick end"))
        width = max(axes.x(high) - axes.x(low), 2.0)
        marks.append(tag("rect", title, x=axes.x(low), y=y - 5, width=width, height=10.0, rx=2.0, class_="pale"))
        marks.append(tag("circle", title, cx=axes.x(middle), cy=y, r=4.5, class_="c0"))
        marks.append(label(WIDTH, y + 4.5, f"{agreed:,.0f} of {named:,.0f}", class_="tick end"))
    percent = (tag("tspan", f"{100 * s:.0f} %", x=axes.x(s), y=bottom + 18) for s in (0.0, 0.5, 1.0))
    marks.append(tag("text", *percent, class_="tick mid"))
    marks.append(label((axes.left + axes.right) / 2, bottom + 37, "share of people who named it", class_="axis mid"))
    left_out = len(species) - len(shown)
    if left_out:
        marks.append(label(0.0, 14.0, f"and {left_out} more species", class_="tick"))
    return drawing(WIDTH, bottom + 44, f"Support of {len(shown)} species where they were named", *marks)
