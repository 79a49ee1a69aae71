"""Retirement rules as Zooniverse's Caesar writes them: extract, reduce, compare, effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from kso_utils.consensus.history import History


@dataclass(frozen=True, slots=True)
class CaesarRules:
    """A workflow's rules in Caesar."""

    def fires(self, history: History) -> NDArray[np.object_]:
        """Return the reason for retiring after each look; None where there is none."""
        raise NotImplementedError


def read_caesar_rules(config: Mapping[str, Any]) -> CaesarRules:
    """Return the rules of a workflow from Caesar's own configuration, as decoded JSON.

    Raises
    ------
    ConfigError
        If something is unknown or cannot be simulated; the message names the place.
    """
    raise NotImplementedError


def fixed_rules(votes: int) -> CaesarRules:
    """Return the rule that retires a subject after so many classifications."""
    raise NotImplementedError


def serengeti_rules() -> CaesarRules:
    """Return the rules of Snapshot Serengeti (Swanson et al. 2015, Sci. Data 2:150026)."""
    raise NotImplementedError
