"""Regions with any outline: polygons and freehand lines, and whatever else is compared as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.consensus.geometry.columns import form, geometries
from kso_utils.consensus.geometry.plain import Untimed
from kso_utils.core.errors import MissingExtra
from kso_utils.core.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    import pandas as pd
    from numpy.typing import NDArray

    from kso_utils.consensus.geometry.families import Measure

_AREAS = (3, 6)
"""Shapely's numbers for a polygon and for several."""
_STEPS = 16
"""Straight pieces of a curve: a quadratic one loses 1 / 16 squared of what it adds to its chord."""


class Regions(Untimed):
    """Regions inside an outline that people drew point by point.

    The outline is closed by a straight line where it is open. Where it crosses itself, all that it goes around is
    inside, also what it goes around twice (the non-zero rule, by which browsers fill it on the screen). In the middle
    is the region that at least half of the shapes cover. Where that is in several parts, has holes, or is nowhere, it
    is the largest part without its holes or the shape that is most like all, whichever is more like all. The middle
    has the box around it as `x, y, width, height`, and the outline as its geometry.

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
        regions = self._read(marks)
        with np.errstate(over="ignore"):
            size = load_shapely().area(regions)
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
        drawn = geometries(marks)
        boxes: list[NDArray[np.float64]] = []
        told: list[dict[str, Any]] = []
        for places in track(np.split(order, ends) if count else [], "Finding the middle of outlines"):
            region, place = middle_region(regions[places])
            boxes.append(shapely.bounds(region))
            told.append(self._write(shapely.get_coordinates(region)) if place is None else {**drawn[places[place]]})
        left, top, right, bottom = np.reshape(boxes, (-1, 4)).T
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
    bounds = shapely.bounds(regions).reshape(-1, 4)
    a, b = bounds[low], bounds[high]
    meet = np.flatnonzero(((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:])).all(axis=1))
    shared = np.zeros(len(low))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        size = shapely.area(regions)
        shared[meet] = shapely.area(shapely.intersection(regions[low[meet]], regions[high[meet]]))
        ratio = shared / (size[low] + size[high] - shared)
    return np.where(np.isfinite(ratio), np.clip(ratio, 0.0, 1.0), 0.0)


def middle_region(regions: NDArray[Any]) -> tuple[Any, int | None]:
    """Return what lies in the middle of (n,) regions: what at least half of them cover, or one of them.

    Returns
    -------
    region
        Where what half of them cover is in one part without holes, that. Else the largest part without its holes, or
        the one of the regions that is most like all, whichever is more like all.
    place
        The place of that one; None where the region is none of them.
    """
    shapely = load_shapely()
    parts = shapely.get_parts(shapely.normalize(_covered_by_half(regions)))
    parts = parts[shapely.area(parts) > 0]
    largest = parts[[shapely.area(parts).argmax()]] if len(parts) else parts
    outline = shapely.polygons(shapely.get_exterior_ring(largest))
    if len(parts) != 1 or shapely.get_num_interior_rings(largest[0]):
        place = _most_alike(np.concatenate([outline, regions]), len(regions)) - len(outline)
        if place >= 0:
            return regions[place], place
    return shapely.normalize(shapely.simplify(outline[0], 0.0)), None


def _covered_by_half(regions: NDArray[Any]) -> Any:
    """Return what at least half of (n,) regions cover.

    Of the regions so far, what is covered by k is what was covered by k before, and what was by k - 1 and is by the new
    one. Only those k are followed from which half of all can still be reached.
    """
    shapely = load_shapely()
    count, need = len(regions), (len(regions) + 1) // 2
    covered = np.full(need + 1, shapely.Polygon(), dtype=object)
    for seen, region in enumerate(regions, 1):
        low, high = max(1, need - count + seen), min(seen, need)
        shared = _areas(shapely.intersection(covered[low - 1 : high], region))
        if low == 1:
            shared[0] = region
        covered[low : high + 1] = shapely.union(covered[low : high + 1], shared)
    return covered[need]


def _areas(shapes: NDArray[Any]) -> NDArray[Any]:
    """Return (n,) shapes without the lines and points at which regions only touch."""
    shapely = load_shapely()
    for place in np.flatnonzero(~np.isin(shapely.get_type_id(shapes), _AREAS)).tolist():
        parts = shapely.get_parts(shapes[place])
        shapes[place] = shapely.union_all(parts[np.isin(shapely.get_type_id(parts), _AREAS)])
    return shapes


def _most_alike(regions: NDArray[Any], count: int) -> int:
    """Return the place of the region that overlaps the last `count` of them most; the first of equals."""
    first, second = np.triu_indices(len(regions), 1)
    likeness = np.eye(len(regions))
    likeness[first, second] = likeness[second, first] = iou_of_regions(regions, first, second)
    total = likeness[:, -count:].sum(axis=1)
    return int(np.flatnonzero(total >= total.max() - 1e-9)[0])


def _outline(told: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the points of an outline; None where one of them is missing or no number."""
    try:
        points = told.get("points")
        pairs = zip(told["pathX"], told["pathY"], strict=True) if points is None else ((p["x"], p["y"]) for p in points)
        outline = np.array(list(pairs))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if outline.ndim != 2 or outline.dtype.kind not in "iuf" or not np.isfinite(outline).all():
        return None
    return outline.astype(np.float64)


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
