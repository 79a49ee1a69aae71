"""Which marks are of one thing, from how alike they are in pairs; many groups of marks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from kso_utils.consensus.counting.groups import run_starts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Linkage = Literal["complete", "components", "matching"]
_PAIRS_AT_ONCE = 1 << 14
_NEVER = -np.inf


def pairs_within(sizes: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield all pairs of marks within groups, some ten thousands at a time, as places `first < second`.

    Parameters
    ----------
    sizes
        (g,) how many marks each group has; the marks of a group are neighbours.
    """
    stops = np.repeat(np.cumsum(sizes), sizes)
    later = stops - np.arange(len(stops)) - 1
    reached = np.cumsum(later)
    start = 0
    while start < len(later):
        done = reached[start] - later[start]
        stop = max(start + 1, int(np.searchsorted(reached, done + _PAIRS_AT_ONCE, side="right")))
        first = np.repeat(np.arange(start, stop), later[start:stop])
        within = np.arange(len(first)) - np.repeat(reached[start:stop] - later[start:stop] - done, later[start:stop])
        yield first, first + 1 + within
        start = stop


def join_marks(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    likeness: NDArray[np.float64],
    person: NDArray[np.int64],
    linkage: Linkage,
    least: float,
) -> NDArray[np.int64]:
    """Return for each mark the place of the first mark of its cluster.

    `components`: marks that are alike are of one cluster, and so are those that a chain of such pairs connects; this is
    DBSCAN with one mark to a core (Ester et al. 1996, KDD 96:226-231). `complete`: all marks of a cluster are alike
    in pairs; clusters are joined two by two, the most alike first, where the likeness of two clusters is that of their
    least alike marks (Sorensen 1948), and the first in place on ties. `matching`: in each component the marks of the
    person with most of them begin a cluster each; those of the next person are given to the clusters, at most one to
    each, so that the sum of likeness is highest (Kuhn 1955, Nav. Res. Logist. Q. 2:83-97), where the likeness of a mark
    to a cluster is that to its least alike mark; what finds no place begins a cluster, and so on. People with as many
    marks come by number.

    Parameters
    ----------
    first, second
        (k,) places of the pairs that are alike, `first < second`, each pair once. For `complete` and `matching` no pair
        of one person, which keeps a person's marks out of each other's clusters.
    likeness
        (k,) how alike each pair is: IoU, or minus a distance.
    person
        (n,) the number of who made each mark.
    linkage
        How clusters are made.
    least
        The likeness from which a pair is alike.

    Returns
    -------
    ndarray
        (n,) int64.
    """
    cluster = _components(first, second, len(person))
    if linkage != "components":
        for places, dense in _open_components(cluster.copy(), first, second, likeness):
            if linkage == "complete":
                found = _join_complete(dense)
            else:
                found = np.array([_match(*each, least) for each in zip(dense, person[places], strict=True)])
            cluster[places] = np.take_along_axis(places, found, axis=1)
    return cluster


def choose_one_each(
    cluster: NDArray[np.int64],
    person: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    likeness: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which marks stay so that nobody has two in a cluster: the one most like the marks of the others there.

    Parameters
    ----------
    cluster, person
        (n,) the cluster of each mark, and the number of who made it.
    first, second
        (k,) places of the pairs of marks that have one cluster and two makers.
    likeness
        (k,) how alike each pair is.

    Returns
    -------
    ndarray
        (n,) bool; of a person's marks that are as much like the others the first in place stays.
    """
    count = len(cluster)
    total = np.bincount(first, likeness, minlength=count) + np.bincount(second, likeness, minlength=count)
    order = np.lexsort((-total, person, cluster))
    stays = np.zeros(count, dtype=bool)
    stays[order[run_starts(cluster[order] * (int(person.max(initial=0)) + 1) + person[order])]] = True
    return stays


def _components(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    number = connected_components(joined, directed=False)[1]
    return np.asarray(np.unique(number, return_index=True)[1][number])


def _open_components(
    component: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], likeness: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the components in which a pair is not alike, those of one size together.

    No linkage joins what no chain of alike pairs connects, and where all pairs are alike there is nothing to decide.

    Yields
    ------
    places
        (c, s) the places of the marks of each component, ascending.
    dense
        (c, s, s) how alike its marks are, minus infinity for pairs that are not.
    """
    count = len(component)
    sizes, pairs = np.bincount(component, minlength=count), np.bincount(component[first], minlength=count)
    names = np.flatnonzero(pairs < sizes * (sizes - 1) // 2)
    names = names[np.argsort(sizes[names], kind="stable")]
    order = np.full(count, -1)
    order[names] = np.arange(len(names))
    members, edges = _in_order(order[component]), _in_order(order[component[first]])
    sizes, pairs = sizes[names], pairs[names]
    member_starts, edge_starts = np.append(0, np.cumsum(sizes)), np.append(0, np.cumsum(pairs))
    rank = np.zeros(count, dtype=np.int64)
    rank[members] = np.arange(len(members)) - np.repeat(member_starts[:-1], sizes)
    for size in np.unique(sizes).tolist():
        low, high = np.searchsorted(sizes, [size, size + 1]).tolist()
        step = max(1, _PAIRS_AT_ONCE // size**2)
        for start in range(low, high, step):
            stop = min(start + step, high)
            places = members[member_starts[start] : member_starts[stop]].reshape(-1, size)
            own = edges[edge_starts[start] : edge_starts[stop]]
            one, two, which = rank[first[own]], rank[second[own]], order[component[first[own]]] - start
            dense = np.full((stop - start, size, size), _NEVER)
            dense[which, one, two] = dense[which, two, one] = likeness[own]
            yield places, dense


def _in_order(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of numbers from 0 up, by number, then place; those below 0 are left out."""
    return np.argsort(number, kind="stable")[np.count_nonzero(number < 0) :]


def _join_complete(likeness: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (g, n) for each mark of each group the first mark of its cluster; `likeness`, (g, n, n), is used up."""
    groups, count = likeness.shape[:2]
    cluster = np.tile(np.arange(count), (groups, 1))
    nearest = likeness.argmax(axis=2)
    going, marks = np.arange(groups), np.arange(count)
    while True:
        values = likeness[going[:, None], marks, nearest[going]]
        one = values.argmax(axis=1)
        more = values[np.arange(len(going)), one] > _NEVER
        going, one = going[more], one[more]
        if not len(going):
            return cluster
        # The first of the most alike comes before the mark that it is most like.
        kept, gone = one, nearest[going, one]
        joined = np.minimum(likeness[going, kept], likeness[going, gone])
        joined[np.arange(len(going)), kept] = _NEVER
        likeness[going, kept] = likeness[going, :, kept] = joined
        likeness[going, gone] = likeness[going, :, gone] = _NEVER
        members = cluster[going]
        cluster[going] = np.where(members == gone[:, None], kept[:, None], members)
        # Likeness only ever falls, so a mark's nearest changes only where it was one of the two.
        near = nearest[going]
        stale = (near == kept[:, None]) | (near == gone[:, None])
        which, mark = np.nonzero(stale)
        nearest[going[which], mark] = likeness[going[which], mark].argmax(axis=1)


def _match(likeness: NDArray[np.float64], person: NDArray[np.int64], least: float) -> NDArray[np.int64]:
    """Return (n,) for each mark the first mark of its cluster, from (n, n) likeness."""
    from scipy.optimize import linear_sum_assignment

    _, inverse, counts = np.unique(person, return_inverse=True, return_counts=True)
    cluster = np.arange(len(person))
    # One row a cluster: how alike each mark is to its least alike member.
    nearness = np.empty((0, len(person)))
    names: list[int] = []
    for one in np.argsort(-counts, kind="stable").tolist():
        mine = np.flatnonzero(inverse == one)
        possible = nearness[:, mine] > _NEVER
        gain = np.where(possible, nearness[:, mine] - min(least, 0.0), 0.0)
        rows, columns = linear_sum_assignment(gain, maximize=True)
        rows, columns = rows[possible[rows, columns]], columns[possible[rows, columns]]
        nearness[rows] = np.minimum(nearness[rows], likeness[mine[columns]])
        cluster[mine[columns]] = np.array(names, dtype=np.int64)[rows]
        alone = np.delete(mine, columns)
        nearness = np.vstack([nearness, likeness[alone]])
        names += alone.tolist()
    # A cluster is named after who began it, which need not be the first in place.
    _, firsts, number = np.unique(cluster, return_index=True, return_inverse=True)
    return firsts[number]
