"""Regions with any outline: polygons and freehand lines, and whatever else is compared as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.consensus.geometry.columns import as_number, form, geometries
from kso_utils.consensus.geometry.plain import Untimed
from kso_utils.core.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    import pandas as pd
    from numpy.typing import NDArray

    from kso_utils.consensus.families import Measure

_STEPS = 16
"""Straight pieces of a curve: a quadratic one loses 1 / 16 squared of what it adds to its chord."""


class Regions(Untimed):
    """Regions inside an outline that people drew point by point.

    The outline is closed by a straight line where it is open. Where it crosses itself, all that it goes around is
    inside, also what it goes around twice (the non-zero rule, by which browsers fill it on the screen). In the middle
    is the region that at least half of the shapes cover: its largest part, without holes. Where no place is covered by
    half of them, it is the shape that is most like the others. The middle has the box around it as `x, y, width,
    height`, and the outline as its geometry.

    Parameters
    ----------
    shape
        `bezier`: each second of `points` is the control point of a quadratic curve; `freehandLine`: the middle is
        written as `pathX, pathY`; any other: `points` with straight lines between them.
    """

    measure: Measure = "iou"

    def __init__(self, shape: str) -> None:
        self._shape = shape

    def valid(self, marks: pd.DataFrame) -> NDArray[np.bool_]:
        """Return (n,) which marks have an outline of at least three points, all finite, that goes around an area.

        Raises
        ------
        MissingExtra
            If shapely is not installed.
        """
        size = load_shapely().area(self._read(marks))
        return np.asarray(np.isfinite(size) & (size > 0))

    def likeness(self, marks: pd.DataFrame, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (k,) the intersection over union of the marks at the places `first` and `second`.

        Raises
        ------
        MissingExtra
            If shapely is not installed.
        """
        return iou_of_regions(self._read(marks), first, second)

    def middle(self, marks: pd.DataFrame, cluster: NDArray[np.int64]) -> pd.DataFrame:
        """Return the region that at least half of the shapes of each cluster cover.

        Raises
        ------
        MissingExtra
            If shapely is not installed.
        """
        shapely = load_shapely()
        regions = self._read(marks)
        count = int(cluster.max(initial=-1)) + 1
        order = np.argsort(cluster, kind="stable")
        ends = np.cumsum(np.bincount(cluster, minlength=count))[:-1]
        middles = [middle_region(some) for some in np.split(regions[order], ends)] if count else []
        left, top, right, bottom = np.array([shapely.bounds(one) for one in middles]).reshape(-1, 4).T
        told = [self._write(shapely.get_coordinates(one)) for one in middles]
        return form({"x": left, "y": top, "width": right - left, "height": bottom - top}, told)

    def _read(self, marks: pd.DataFrame) -> NDArray[Any]:
        outlines = (_outline(told) for told in geometries(marks))
        return make_regions(_bend(one) if self._shape == "bezier" else one for one in outlines)

    def _write(self, ring: NDArray[np.float64]) -> dict[str, Any]:
        """Return the geometry of an outline whose last point is its first."""
        if self._shape == "freehandLine":
            return {"pathX": ring[:, 0].tolist(), "pathY": ring[:, 1].tolist()}
        points = ring[:-1]
        if self._shape == "bezier":
            points = np.stack([points, (points + ring[1:]) / 2], axis=1).reshape(-1, 2)
        return {"points": [{"x": x, "y": y} for x, y in points.tolist()], "closed": True}


def load_shapely() -> ModuleType:
    """Return shapely.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    try:
        import shapely
    except ImportError as error:
        raise MissingExtra("shapely", "zooniverse") from error
    module: ModuleType = shapely
    return module


def make_regions(outlines: Iterable[NDArray[np.float64] | None]) -> NDArray[Any]:
    """Return what outlines go around.

    Parameters
    ----------
    outlines
        (p, 2) finite points each, open or closed; None for no outline.

    Returns
    -------
    ndarray
        (n,) polygons, or several as one; empty where an outline has no inside, None where there is no outline.
    """
    shapely = load_shapely()
    known = [one if one is not None and len(one) >= 3 else None for one in outlines]
    found = np.full(len(known), None, dtype=object)
    places = [place for place, one in enumerate(known) if one is not None]
    if places:
        rings = [one for one in known if one is not None]
        numbers = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
        found[places] = shapely.polygons(shapely.linearrings(np.concatenate(rings), indices=numbers))
    crossed = ~shapely.is_valid(found) & (found != None)  # noqa: E711
    found[crossed] = shapely.make_valid(found[crossed], method="structure", keep_collapsed=False)
    return found


def iou_of_regions(regions: NDArray[Any], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the intersection over union of pairs of regions.

    Parameters
    ----------
    regions
        (n,) regions as `make_regions` gives them.
    first, second
        (k,) places of the regions of each pair.

    Returns
    -------
    ndarray
        (k,) float64 from 0 to 1, the same for (a, b) as for (b, a); 0 where one is no region.
    """
    shapely = load_shapely()
    low, high = np.minimum(first, second), np.maximum(first, second)
    size, bounds = shapely.area(regions), shapely.bounds(regions).reshape(-1, 4)
    a, b = bounds[low], bounds[high]
    meet = np.flatnonzero(((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:])).all(axis=1))
    shared = np.zeros(len(low))
    shared[meet] = shapely.area(shapely.intersection(regions[low[meet]], regions[high[meet]]))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = shared / (size[low] + size[high] - shared)
    return np.where(np.isfinite(ratio), np.clip(ratio, 0.0, 1.0), 0.0)


def middle_region(regions: NDArray[Any]) -> Any:
    """Return the largest part of what at least half of (n,) regions cover, without holes.

    The outlines of all cut the plane into faces, each of which a region covers wholly or not at all.
    """
    shapely = load_shapely()
    faces = shapely.get_parts(shapely.polygonize([shapely.union_all(shapely.boundary(regions))]))
    inside = shapely.point_on_surface(faces)
    shapely.prepare(regions)
    covered = shapely.contains(regions[:, None], inside[None, :]).sum(axis=0)
    agreed = shapely.coverage_union_all(faces[2 * covered >= len(regions)])
    if agreed.is_empty:
        agreed = regions[_most_alike(regions)]
    parts = shapely.get_parts(shapely.normalize(agreed))
    largest = parts[shapely.area(parts).argmax()]
    return shapely.normalize(shapely.simplify(shapely.polygons(shapely.get_exterior_ring(largest)), 0.0))


def _most_alike(regions: NDArray[Any]) -> int:
    """Return the place of the region that overlaps the others most."""
    first, second = np.triu_indices(len(regions), 1)
    likeness = iou_of_regions(regions, first, second)
    total = np.bincount(first, likeness, len(regions)) + np.bincount(second, likeness, len(regions))
    return int(total.argmax())


def _outline(told: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the points of an outline; None where one of them is missing or no number."""
    points = told.get("points")
    if isinstance(points, list):
        pairs = [(one.get("x"), one.get("y")) if isinstance(one, dict) else (None, None) for one in points]
    else:
        x, y = told.get("pathX"), told.get("pathY")
        if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
            return None
        pairs = list(zip(x, y, strict=True))
    outline = np.array([(as_number(x), as_number(y)) for x, y in pairs]).reshape(-1, 2)
    return outline if np.isfinite(outline).all() else None


def _bend(points: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the outline of quadratic curves, of whose points each second is a control point."""
    if points is None or len(points) < 3:
        return None
    start, control = points[::2], points[1::2]
    end = np.roll(start, -1, axis=0)
    # The last curve of a mark that was never closed has no control point: it is straight.
    control = np.concatenate([control, ((start + end) / 2)[len(control) :]])
    t = (np.arange(_STEPS) / _STEPS)[None, :, None]
    start, control, end = start[:, None], control[:, None], end[:, None]
    curve: NDArray[np.float64] = (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end
    return curve.reshape(-1, 2)
