"""Votes in parts: whole subjects each, here or on other machines, for what is counted over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from kso_utils.consensus.votes import Votes

T = TypeVar("T")


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
        return [function(part, *arguments) for part in self.parts]
