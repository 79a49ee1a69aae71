"""The marks on which people agree: boxes, points, circles, outlines, on pictures and at moments of movies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from kso_utils.consensus.counting.groups import run_starts
from kso_utils.consensus.counting.intervals import credible_interval
from kso_utils.consensus.counting.parts import Inline
from kso_utils.consensus.geometry.clustering import Linkage, choose_one_each, join_marks
from kso_utils.consensus.geometry.families import BOX, FORM, Family, alike_pairs, likeness_to_middle
from kso_utils.consensus.geometry.known import FAMILIES
from kso_utils.consensus.kso_rule import Compat, count_boxes, published_votes
from kso_utils.consensus.votes import NEEDED, VoteRule, check_rule, count_people, counting_rows, need_columns, numbers
from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.counting.parts import Client

BOX_COLUMNS = {
    "subject_id": "int64",
    "frame": "int64",
    "label": "object",
    "x": "float64",
    "y": "float64",
    "width": "float64",
    "height": "float64",
    "people": "int64",
    "looked": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "iou_spread": "float64",
    "agreed": "bool",
}
MARK_COLUMNS = {
    "subject_id": "int64",
    "frame": "int64",
    "label": "object",
    "shape": "object",
    "x": "float64",
    "y": "float64",
    "width": "float64",
    "height": "float64",
    "angle": "float64",
    "geometry": "object",
    "people": "int64",
    "looked": "int64",
    "support": "float64",
    "support_low": "float64",
    "support_high": "float64",
    "iou_spread": "float64",
    "distance_px": "float64",
    "agreed": "bool",
}
_PART_ROWS = 20_000
_GROUP = ["shape", "subject_id", "frame", "label"]


@dataclass(frozen=True, slots=True)
class MarkRule:
    """When marks are of one animal, and when a mark is agreed.

    The defaults are those of the sliders that KSO's users know (object threshold 0.5, IoU epsilon 0.7 as a distance,
    inter-annotator agreement 0.4, at least 3 people), with people counted where there were once boxes.

    Attributes
    ----------
    agreement
        The least share of the people who looked that must have made the mark, 0 to 1.
    label_agreement
        The least share of the people who looked that must have made any mark of the label and shape in the frame, 0
        to 1.
    min_people
        The least number of people who must have looked.
    iou
        Marks with an area are alike from this intersection over union, above 0 to 1.
    distance_px
        Points are alike up to this distance in pixels, above 0; something like half the size of an animal.
    time
        Marks at moments of a movie are apart, wherever they are, if more than this share of the movie lies between
        them, 0 to 1.
    linkage
        How marks that are alike in pairs make a cluster (`clustering.join_marks`). `complete`: all are alike in pairs,
        so that two animals that overlap stay two. `components`: chains of marks that are alike. `matching`: each
        person's marks are given to the animals at hand as well as can be.
    votes
        Which classifications count.
    compat
        `kso`: what KSO's published rule gives, for rectangles (`kso_rule.count_boxes`), with its chains (`components`);
        None: the rule told here.

    Raises
    ------
    ConfigError
        If a value is out of range, or one has no meaning under `compat`.
    """

    agreement: float = 0.4
    label_agreement: float = 0.5
    min_people: int = 3
    iou: float = 0.3
    distance_px: float = 30.0
    time: float = 0.05
    linkage: Linkage = "complete"
    votes: VoteRule = field(default_factory=VoteRule)
    compat: Compat | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        shares = {"agreement": self.agreement, "label_agreement": self.label_agreement, "time": self.time}
        check_rule(shares, self.min_people)
        if not 0 < self.iou <= 1:
            raise ConfigError(f"iou is {self.iou}; give a number above 0, up to 1.")
        if not 0 < self.distance_px < np.inf:
            raise ConfigError(f"distance_px is {self.distance_px}; give a number of pixels above 0.")
        if self.linkage not in get_args(Linkage):
            raise ConfigError(f"linkage is {self.linkage!r}; give one of {', '.join(get_args(Linkage))}.")
        if self.compat:
            self._publish(self.compat)

    def _publish(self, compat: Compat) -> None:
        """Put in what the published rule does, where nothing else was asked for."""
        object.__setattr__(self, "votes", published_votes(self.votes, compat))
        known = {"linkage": ("components",), "distance_px": (), "time": ()}
        for each in fields(self):
            if each.name in known and getattr(self, each.name) not in (each.default, *known[each.name]):
                raise ConfigError(f"compat={compat!r} gathers boxes in chains; leave {each.name} out, or compat.")
        object.__setattr__(self, "linkage", "components")


def marks(
    rows: pd.DataFrame | Iterable[Any], rule: MarkRule | None = None, client: Client | None = None
) -> pd.DataFrame:
    """Return the marks that people made, gathered into one mark an animal.

    Marks of one subject, frame, label and shape are joined that are alike: by intersection over union where the shape
    has an area, by distance in pixels where it is a point, and at moments near each other where it has one. Nobody
    has two marks in one cluster; with `components`, where chains may bring them together, the one most like the
    marks of the others stays. Nothing depends on the order of the rows.

    A mark that is no such shape (no area, a number that is missing or not finite, fewer points than an outline needs)
    or of a shape that cannot be gathered (lines, columns) is no mark, but its maker looked. Marks outside the picture
    are kept as drawn. The same mark by the same person counts once, so that an export may come twice. A row without a
    frame is of frame 0, one without a shape a rectangle.

    Parameters
    ----------
    rows
        One row a mark, as `zooniverse.flatten` gives them, or parts of such a table in any order: `classification_id`,
        `subject_id`, `user`, `label`, `x`, `y`, `width`, `height` (natural-image pixels), and where known `angle`,
        `geometry` (a mapping, or its JSON text), `shape`, `frame`, `workflow_id`, `live`, `seen_before` ....
    rule
        When marks belong together and when they are agreed; the default where None.
    client
        A `dask.distributed.Client` on whose workers marks are compared, some subjects on each; then parts of the table
        may also be futures of tables that lie there. Who counts is decided here, so that all rows come by.

    Returns
    -------
    DataFrame
        One row a cluster, also those that are not agreed, by subject, frame, label and shape, most people first.
        `x, y, width, height, angle, geometry`: the middle of the cluster (`Family.middle`), each NaN or None where the
        shape has none. `people`: distinct people in the cluster. `looked`: distinct people who classified the subject,
        whether or not they drew. `support`: people / looked, with `support_low` and `support_high`, its 95 % interval
        (`intervals.credible_interval`). `iou_spread`: mean IoU of the cluster's marks with the middle (1: all the
        same), NaN for points; `distance_px`: their mean distance to the middle, NaN for shapes with an area. `agreed`:
        looked >= min_people, support >= agreement, and people who drew the label and shape in the frame / looked >=
        label_agreement. With `compat` see `kso_rule.count_boxes`; such counts have no interval (NaN).

    Raises
    ------
    ConfigError
        If a column is missing.
    MissingExtra
        If shapes other than boxes, circles and points are to be compared, and shapely is not installed.
    """
    return _agree(rows, rule or MarkRule(), tuple(FAMILIES), client)


def boxes(
    rows: pd.DataFrame | Iterable[Any], rule: MarkRule | None = None, client: Client | None = None
) -> pd.DataFrame:
    """Return the rectangles among `marks`.

    Parameters
    ----------
    rows, rule, client
        As for `marks`.

    Returns
    -------
    DataFrame
        `subject_id, frame, label, x, y, width, height, people, looked, support, support_low, support_high, iou_spread,
        agreed`, as in `marks`.

    Raises
    ------
    ConfigError
        If a column is missing.
    """
    return _agree(rows, rule or MarkRule(), ("rectangle",), client)[list(BOX_COLUMNS)]


def _agree(
    rows: pd.DataFrame | Iterable[Any], rule: MarkRule, shapes: Sequence[str], client: Client | None
) -> pd.DataFrame:
    """Return the marks of the shapes, gathered."""
    table = _whole_table(rows, client)
    if rule.compat:
        if client:
            raise ConfigError("compat='kso' counts in this process alone. Leave out client, or compat.")
        published = count_boxes(
            table, rule.agreement, rule.label_agreement, rule.min_people, rule.iou, rule.votes.tasks
        )
        return _in_order(published.assign(shape="rectangle").reindex(columns=list(MARK_COLUMNS)))
    need_columns(table, BOX)
    cast = counting_rows(table, rule.votes)
    if client is None:
        return _gather(cast, rule, shapes)
    parts = [client.scatter([part], hash=False)[0] for part in _by_subject(cast)]
    tables = client.gather([client.submit(_gather, part, rule, shapes, pure=False) for part in parts])
    found: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return found


def _whole_table(rows: pd.DataFrame | Iterable[Any], client: Client | None) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    parts: list[pd.DataFrame] = (client or Inline()).gather(list(rows))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*NEEDED, *BOX])


def _by_subject(cast: pd.DataFrame) -> list[pd.DataFrame]:
    """Return parts of whole subjects, in their order; at least one."""
    order = np.argsort(cast["subject_id"].to_numpy(), kind="stable")
    starts = run_starts(cast["subject_id"].to_numpy()[order])
    wanted = np.arange(_PART_ROWS, len(order), _PART_ROWS)
    cuts = starts[np.unique(np.searchsorted(starts, wanted, side="right") - 1)]
    return [cast.iloc[some] for some in np.split(order, cuts[cuts > 0])]


def _gather(cast: pd.DataFrame, rule: MarkRule, shapes: Sequence[str]) -> pd.DataFrame:
    """Return what `marks` returns, from rows that count."""
    families = {shape: FAMILIES[shape] for shape in shapes}
    drawn = _drawn(cast, families)
    tables = [
        _join(drawn[drawn["shape"] == shape].reset_index(drop=True), families[shape], rule)
        for shape in drawn["shape"].unique().tolist()
    ]
    if not tables:
        return pd.DataFrame(columns=list(MARK_COLUMNS)).astype(MARK_COLUMNS)
    table = pd.concat(tables, ignore_index=True)
    looked = count_people(cast).reindex(table["subject_id"]).to_numpy(dtype=np.int64)
    support = table["people"] / looked
    low, high = credible_interval(table["people"], looked)
    enough = (looked >= rule.min_people) & (table["drew"] / looked >= rule.label_agreement)
    table = table.assign(
        looked=looked,
        support=support,
        support_low=low,
        support_high=high,
        agreed=enough & (support >= rule.agreement),
    )
    return _in_order(table)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    order = ["subject_id", "frame", "label", "shape", "people", *BOX]
    ordered = table.sort_values(order, ascending=[column != "people" for column in order], kind="stable")
    return ordered[list(MARK_COLUMNS)].astype(MARK_COLUMNS).reset_index(drop=True)


def _drawn(cast: pd.DataFrame, families: Mapping[str, Family]) -> pd.DataFrame:
    """Return the marks of the families, each once, in an order that depends on their values alone.

    Columns `shape, subject_id, frame, label`, `FORM`, and `person`: numbers by name.
    """
    named = cast[cast["label"].notna()]
    table = pd.DataFrame(
        {
            "shape": named["shape"].astype(object).fillna("rectangle") if "shape" in named else "rectangle",
            "subject_id": named["subject_id"],
            "frame": np.nan_to_num(numbers(named["frame"])).astype(np.int64) if "frame" in named else 0,
            "label": named["label"].astype(object),
            **{name: numbers(named[name]) if name in named else np.nan for name in FORM[:-1]},
            "geometry": named["geometry"].map(_parse) if "geometry" in named else None,
            "person": pd.factorize(named["user"], sort=True)[0],
        },
        index=named.index,
    )
    real = np.zeros(len(table), dtype=bool)
    for shape, family in families.items():
        own = (table["shape"] == shape).to_numpy()
        # Some shapes need a library that is not there where nobody drew one.
        if own.any():
            real[own] = family.valid(table[own])
    table = table[real]
    keys = [*_GROUP, *FORM, "person"]
    text = table["geometry"].map(partial(json.dumps, sort_keys=True, default=str), na_action="ignore")
    plain = table.assign(geometry=text)[keys].sort_values(keys, kind="stable")
    return table.loc[plain.drop_duplicates().index]


def _parse(geometry: object) -> object:
    """Return a geometry that is JSON text, as tables in files have it, as what it says."""
    if not isinstance(geometry, str):
        return geometry
    try:
        return json.loads(geometry)
    except (ValueError, RecursionError):
        return None


def _join(drawn: pd.DataFrame, family: Family, rule: MarkRule) -> pd.DataFrame:
    """Return a row a cluster of marks of one shape: its group, middle, people, spread, and who drew in its group."""
    person = drawn["person"].to_numpy()
    group = drawn.groupby(_GROUP, sort=False).ngroup().to_numpy()
    least = rule.iou if family.measure == "iou" else -rule.distance_px
    chains = rule.linkage == "components"
    sizes = np.bincount(group)
    first, second, likeness = alike_pairs(family, drawn, sizes, least, rule.time, None if chains else person)
    cluster = join_marks(first, second, likeness, person, rule.linkage, least)
    stays = _one_each(family, drawn, cluster) if chains else np.ones(len(drawn), dtype=bool)
    names, number = np.unique(cluster[stays], return_inverse=True)
    kept = drawn[stays]
    middle = family.middle(kept, number)
    spread = likeness_to_middle(family, kept, number, middle)
    drew = np.bincount(np.unique(group * (int(person.max()) + 1) + person) // (int(person.max()) + 1))
    return (
        drawn.loc[names, _GROUP]
        .reset_index(drop=True)
        .assign(
            **{name: middle[name].to_numpy() for name in FORM},
            people=np.bincount(number),
            drew=drew[group[names]],
            iou_spread=spread if family.measure == "iou" else np.nan,
            distance_px=np.nan if family.measure == "iou" else np.abs(spread),
        )
    )


def _one_each(family: Family, drawn: pd.DataFrame, cluster: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which marks stay so that nobody has two in a cluster."""
    person = drawn["person"].to_numpy()
    marks = np.bincount(cluster, minlength=len(drawn))
    makers = np.bincount(np.unique(np.column_stack([cluster, person]), axis=0)[:, 0], minlength=len(drawn))
    # Only where one of several people made several marks are they to be compared.
    doubtful = np.flatnonzero(((makers > 1) & (makers < marks))[cluster])
    order = doubtful[np.argsort(cluster[doubtful], kind="stable")]
    sizes = np.diff(np.append(run_starts(cluster[order]), len(order)))
    first, second, likeness = alike_pairs(family, drawn.iloc[order], sizes, -np.inf, person=person[order])
    return choose_one_each(cluster, person, order[first], order[second], likeness)
