"""Votes in parts: whole subjects each, here or on other machines, for what is counted over all of them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Votes

T = TypeVar("T")


class Client(Protocol):
    """What is needed of a `dask.distributed.Client`: a value may stand for one that lies on a worker."""

    def submit(self, function: Callable[..., Any], *arguments: Any, pure: bool) -> Any:
        """Call the function on a worker and return what stands for its result; `pure=False`: once each time."""

    def gather(self, futures: Any) -> Any:
        """Return the values themselves, in their order."""

    def scatter(self, data: Any, *, broadcast: bool = False, hash: bool = False) -> Any:  # noqa: A002 - dask's word
        """Lay the values of a list on one worker each, or on all, and return what stands for them."""


class Inline:
    """A client that works in this process, at once: every value stands for itself."""

    def submit(self, function: Callable[..., Any], *arguments: Any, pure: bool) -> Any:
        """Call the function."""
        return function(*arguments)

    def gather(self, futures: Any) -> Any:
        """Return what is given."""
        return futures

    def scatter(self, data: Any, *, broadcast: bool = False, hash: bool = False) -> Any:  # noqa: A002 - dask's word
        """Return what is given."""
        return data


def run_each(client: Client, function: Callable[..., Any], values: Iterable[Any], *arguments: Any) -> list[Any]:
    """Return what stands for `function(value, *arguments)` of each value, in their order; all processors take part."""
    if not isinstance(client, Inline):
        return [client.submit(function, value, *arguments, pure=False) for value in values]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda value: function(value, *arguments), values))


class Parts(Protocol):
    """Votes in parts of whole subjects, in the order of the subjects.

    All parts share one numbering of people and labels.
    """

    @property
    def people(self) -> NDArray[Any]:
        """(p,) str objects: the people of all parts, sorted."""

    @property
    def labels(self) -> NDArray[Any]:
        """(l,) str objects: the labels of all parts, sorted."""

    def map(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Return `function(votes, *arguments)` for each part, in the order of the parts."""


@dataclass(frozen=True, slots=True)
class Here:
    """Parts in this process.

    Attributes
    ----------
    parts
        The votes; at least one, all with the same people and labels.
    """

    parts: Sequence[Votes]

    @property
    def people(self) -> NDArray[Any]:
        """(p,) str objects: the people of all parts, sorted."""
        return self.parts[0].people

    @property
    def labels(self) -> NDArray[Any]:
        """(l,) str objects: the labels of all parts, sorted."""
        return self.parts[0].labels

    def map(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Return `function(votes, *arguments)` for each part, in the order of the parts."""
        return run_each(Inline(), function, self.parts, *arguments)


@dataclass(frozen=True, slots=True)
class There:
    """Parts on the workers of a cluster, where they stay; only results come here.

    Attributes
    ----------
    client
        The cluster's client.
    parts
        A future of votes for each part; at least one, all with the same people and labels.
    people, labels
        As of the votes.
    """

    client: Client
    parts: Sequence[Any]
    people: NDArray[Any]
    labels: NDArray[Any]

    def map(self, function: Callable[..., T], *arguments: object) -> list[T]:
        """Return `function(votes, *arguments)` for each part, in the order of the parts."""
        shared = self.client.scatter(list(arguments), broadcast=True, hash=False) if arguments else []
        return list(self.client.gather(run_each(self.client, function, self.parts, *shared)))
