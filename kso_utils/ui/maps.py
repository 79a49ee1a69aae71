"""A map of the sites as a drawing: graticule, scale bar and names, without anything from the network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kso_utils.ui.svg import drawing, escape, format_number, label, noun, shorten, tag, text_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from numpy.typing import NDArray

KM_PER_DEGREE = 6371.0088 * math.pi / 180
"""A degree of latitude on a sphere with the Earth's mean radius (IUGG)."""

WIDTH = 460.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 70.0, 12.0, 12.0, 56.0
_LEAST_SPAN = 0.02
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 90)
_NAME_SIZE = 12.0
_NAME_WIDTH = 150.0


@dataclass(frozen=True, slots=True)
class View:
    """An equirectangular view, true to scale at its middle latitude.

    Attributes
    ----------
    longitude, latitude
        The middle, in degrees.
    scale
        Units of the drawing for a degree of latitude.
    height
        The drawing's height.
    """

    longitude: float
    latitude: float
    scale: float
    height: float

    @property
    def shrink(self) -> float:
        """How much shorter a degree of longitude is than one of latitude."""
        return math.cos(math.radians(min(abs(self.latitude), 89.0)))

    def x(self, longitude: float) -> float:
        """Return the place of a longitude; the same meridian a turn away counts as the nearer one."""
        turned = (longitude - self.longitude + 180.0) % 360.0 - 180.0
        return (WIDTH + _LEFT - _RIGHT) / 2 + turned * self.shrink * self.scale

    def y(self, latitude: float) -> float:
        """Return the place of a latitude."""
        return (self.height + _TOP - _BOTTOM) / 2 - (latitude - self.latitude) * self.scale


def has_position(sites: pd.DataFrame) -> NDArray[np.bool_]:
    """Return for each site whether its latitude and longitude are known and on the globe."""
    place = sites[["decimalLatitude", "decimalLongitude"]].to_numpy(dtype=np.float64, na_value=np.nan)
    known: NDArray[np.bool_] = (np.abs(place) <= [90.0, 180.0]).all(axis=1)
    return known


def draw_map(sites: pd.DataFrame) -> str:
    """Return the map as SVG.

    Parameters
    ----------
    sites
        `locality`, `decimalLatitude`, `decimalLongitude` (degrees; every one known, see `has_position`) and
        `movies` (how many; larger dots have more). At least one row.

    Returns
    -------
    str
        An `svg` element. Longitudes that cross the antimeridian are kept together. Names that would cover another
        name or dot are left out; the dot still carries the name as its title.
    """
    latitudes = sites["decimalLatitude"].to_numpy(dtype=np.float64)
    longitudes = sites["decimalLongitude"].to_numpy(dtype=np.float64)
    view = frame_view(longitudes, latitudes)
    movies = sites["movies"].to_numpy(dtype=np.float64, na_value=0.0)
    radii = 4.5 + 4.5 * np.sqrt(np.clip(movies, 0, None) / max(float(movies.max()), 1.0))
    dots = [
        (view.x(lon), view.y(lat), float(radius)) for lon, lat, radius in zip(longitudes, latitudes, radii, strict=True)
    ]
    names = [str(name) for name in sites["locality"]]
    described = f"Map of {len(names)} {noun(len(names), 'site')}: {', '.join(names[:20])}"
    sea = tag("rect", x=_LEFT, y=_TOP, width=WIDTH - _LEFT - _RIGHT, height=view.height - _TOP - _BOTTOM, class_="sea")
    return drawing(
        WIDTH,
        view.height,
        described,
        sea,
        *_graticule(view),
        *(_dot(dot, name, count) for dot, name, count in zip(dots, names, movies, strict=True)),
        *_names(dots, names, view.height),
        _scale_bar(view),
    )


def frame_view(longitudes: NDArray[np.float64], latitudes: NDArray[np.float64]) -> View:
    """Return the view that holds all positions with a margin.

    Parameters
    ----------
    longitudes, latitudes
        (n,) degrees, n >= 1.
    """
    west, span_x = _shortest_arc(longitudes)
    south, north = float(latitudes.min()), float(latitudes.max())
    middle = (south + north) / 2
    shrink = math.cos(math.radians(min(abs(middle), 89.0)))
    wide = max(span_x * shrink, _LEAST_SPAN) * 1.35
    high = max(north - south, _LEAST_SPAN) * 1.3
    room = WIDTH - _LEFT - _RIGHT
    inner = min(max(room * high / wide, 0.55 * room), 0.95 * room)
    return View(west + span_x / 2, middle, min(room / wide, inner / high), inner + _TOP + _BOTTOM)


def _shortest_arc(longitudes: NDArray[np.float64]) -> tuple[float, float]:
    """Return the western end and the width of the shortest arc that holds all longitudes."""
    around = np.sort(longitudes % 360.0)
    gaps = np.diff(around, append=around[0] + 360.0)
    widest = int(gaps.argmax())
    return float(around[(widest + 1) % len(around)]), float(360.0 - gaps[widest])


def _graticule(view: View) -> Iterable[str]:
    right, bottom = WIDTH - _RIGHT, view.height - _BOTTOM
    half_x = min((right - _LEFT) / 2 / (view.scale * view.shrink), 179.999)
    half_y = (bottom - _TOP) / 2 / view.scale
    step = next((s for s in _STEPS if 2 * half_x / s <= 4.5), 90)
    for longitude in _multiples(view.longitude - half_x, view.longitude + half_x, step):
        x = view.x(longitude)
        yield tag("line", x1=x, y1=_TOP, x2=x, y2=bottom, class_="grid")
        yield label(
            min(x, WIDTH - 24), bottom + 18, _degrees((longitude + 180) % 360 - 180, "EW", step), class_="tick mid"
        )
    step = next((s for s in _STEPS if 2 * half_y / s <= 5.5), 90)
    for latitude in _multiples(max(view.latitude - half_y, -90), min(view.latitude + half_y, 90), step):
        y = view.y(latitude)
        yield tag("line", x1=_LEFT, y1=y, x2=right, y2=y, class_="grid")
        yield label(_LEFT - 6, y + 4, _degrees(latitude, "NS", step), class_="tick end")


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _degrees(value: float, sides: str, step: float) -> str:
    decimals = max(0, math.ceil(-math.log10(step) - 1e-9))
    shown = f"{abs(value):.{decimals}f}°"
    if float(shown[:-1]) in (0.0, 180.0):
        return shown
    return f"{shown} {sides[0] if value > 0 else sides[1]}"


def _dot(dot: tuple[float, float, float], name: str, movies: float) -> str:
    title = tag("title", escape(f"{name}: {format_number(float(movies))} {noun(movies, 'movie')}"))
    return tag("circle", title, cx=dot[0], cy=dot[1], r=dot[2], class_="site")


def _names(dots: list[tuple[float, float, float]], names: list[str], height: float) -> Iterable[str]:
    """Yield the names, each at the first place around its dot where it covers nothing."""
    taken = [(x - r, y - r, x + r, y + r) for x, y, r in dots]
    for (x, y, r), full in zip(dots, names, strict=True):
        name = shorten(full, _NAME_WIDTH, _NAME_SIZE)
        width = text_width(name, _NAME_SIZE) + 2
        gap = r + 4
        for left, base in (
            (x + gap, y + 4),
            (x - gap - width, y + 4),
            (x - width / 2, y - gap - 1),
            (x - width / 2, y + gap + 10),
            (x + gap * 0.7, y - gap * 0.7),
            (x + gap * 0.7, y + gap * 0.7 + 9),
            (x - gap * 0.7 - width, y - gap * 0.7),
            (x - gap * 0.7 - width, y + gap * 0.7 + 9),
        ):
            place = (left, base - 10, left + width, base + 3)
            inside = place[0] >= _LEFT and place[2] <= WIDTH - _RIGHT and place[1] >= _TOP
            if inside and place[3] <= height - _BOTTOM and not any(_meets(place, other) for other in taken):
                taken.append(place)
                yield label(left, base, name, class_="site-name")
                break


def _meets(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _scale_bar(view: View) -> str:
    room_km = 0.3 * (WIDTH - _LEFT - _RIGHT) / view.scale * KM_PER_DEGREE
    power = 10.0 ** math.floor(math.log10(room_km))
    length_km = max(power * factor for factor in (1, 2, 5) if power * factor <= room_km)
    width = length_km / KM_PER_DEGREE * view.scale
    x, y = _LEFT, view.height - 8
    shown = f"{length_km:g} km" if length_km >= 1 else f"{length_km * 1000:g} m"
    bar = tag("path", d=f"M{x:.2f} {y - 5:.2f}V{y:.2f}H{x + width:.2f}V{y - 5:.2f}", class_="scale")
    return bar + label(x + width + 8, y, shown, class_="tick")
