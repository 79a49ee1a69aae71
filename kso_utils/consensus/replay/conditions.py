"""Conditions of Caesar's rules: lists such as `["gte", ["lookup", "count.classifications", 0], ["const", 5]]`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
    "eq": np.equal,
}
_JOIN: dict[str, Callable[[Any, Any], Any]] = {"and": np.logical_and, "or": np.logical_or}


@dataclass(frozen=True, slots=True)
class Constant:
    """A number or a text."""

    value: float | str


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a reducer found.

    Attributes
    ----------
    reducer, field
        The key of the reducer, and which of its numbers.
    absent
        What stands for it where the reducer did not find it.
    place
        Where this is written, for messages.
    """

    reducer: str
    field: str
    absent: float | str | None
    place: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of two terms or more, each with the next (`lt`, `lte`, `gt`, `gte`, `eq`), or one of conditions.

    Attributes
    ----------
    operator
        One of those, or `and`, `or`, `not`.
    terms
        What is compared, or the conditions.
    """

    operator: str
    terms: tuple[Condition | Constant | Lookup, ...]

    def lookups(self) -> Iterator[tuple[Lookup, str]]:
        """Yield each lookup with the operator that compares it."""
        for term in self.terms:
            if isinstance(term, Condition):
                yield from term.lookups()
            elif isinstance(term, Lookup):
                yield term, self.operator

    def holds(self, find: Callable[[Lookup], NDArray[Any]], name: Callable[[str], str]) -> NDArray[np.bool_]:
        """Return where it is true.

        Parameters
        ----------
        find
            Gives (n,) values of a lookup, all numbers or any objects.
        name
            Gives the text that lookups use for a text of the condition.
        """
        if self.operator in _COMPARE:
            values = [_value(term, find, name) for term in self.terms]
            compare = _COMPARE[self.operator]
            return np.asarray(reduce(np.logical_and, (compare(one, two) for one, two in pairwise(values))), dtype=bool)
        parts = [term.holds(find, name) for term in self.terms if isinstance(term, Condition)]
        return ~parts[0] if self.operator == "not" else np.asarray(reduce(_JOIN[self.operator], parts))


def read_condition(config: Any, place: str) -> Condition:
    """Return a condition from decoded JSON.

    Raises
    ------
    ConfigError
        If it is no condition; the message names the place.
    """
    operator, terms = _open(config, place)
    if operator in _COMPARE:
        if len(terms) < 2:
            raise ConfigError(f"{place}: {operator} compares two values or more, and has {len(terms)}.")
        values = tuple(_read_value(term, f"{place}[{n}]") for n, term in enumerate(terms, 1))
        if not any(isinstance(value, Lookup) for value in values):
            raise ConfigError(f"{place}: nothing is looked up, so that it is always true or never.")
        if operator != "eq":
            for value in values:
                _check_number(value, operator, place)
        return Condition(operator, values)
    if operator in _JOIN or operator == "not":
        if not terms or (operator == "not" and len(terms) > 1):
            wanted = "one condition" if operator == "not" else "one condition or more"
            raise ConfigError(f"{place}: {operator} takes {wanted}, and has {len(terms)}.")
        return Condition(operator, tuple(read_condition(term, f"{place}[{n}]") for n, term in enumerate(terms, 1)))
    known = ", ".join([*_COMPARE, *_JOIN, "not"])
    raise ConfigError(f"{place}: {operator!r} is no condition that can be simulated; those are {known}.")


def _read_value(config: Any, place: str) -> Constant | Lookup:
    operator, terms = _open(config, place)
    if operator == "const" and len(terms) == 1:
        if not isinstance(terms[0], str) and not _is_number(terms[0]):
            raise ConfigError(f"{place}: const is {terms[0]!r}; give a number or a text.")
        return Constant(terms[0])
    if operator == "lookup" and len(terms) == 2:
        key, absent = terms
        reducer, _, field = key.partition(".") if isinstance(key, str) else ("", "", "")
        if not reducer or not field:
            raise ConfigError(
                f"{place}: lookup of {key!r}; give a reducer and its value, as in 'count.classifications'."
            )
        if absent is not None and not isinstance(absent, str) and not _is_number(absent):
            raise ConfigError(f"{place}: lookup stands for {absent!r} where nothing is found; give a number or a text.")
        return Lookup(reducer, field, absent, place)
    raise ConfigError(
        f"{place}: {[operator, *terms]!r} is no value that can be simulated; "
        "give ['const', value] or ['lookup', key, value where absent]."
    )


def _open(config: Any, place: str) -> tuple[str, list[Any]]:
    if not isinstance(config, list | tuple) or not config or not isinstance(config[0], str):
        raise ConfigError(f"{place}: {config!r} is no list that begins with the name of an operation.")
    return config[0], list(config[1:])


def _check_number(value: Constant | Lookup, operator: str, place: str) -> None:
    given = value.value if isinstance(value, Constant) else value.absent
    if not _is_number(given):
        raise ConfigError(f"{place}: {operator} compares numbers, and {given!r} is none.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _value(
    term: Condition | Constant | Lookup, find: Callable[[Lookup], NDArray[Any]], name: Callable[[str], str]
) -> Any:
    if isinstance(term, Lookup):
        return find(term)
    value = term.value if isinstance(term, Constant) else None
    # As objects a number and a text can be compared, and differ.
    return np.array(name(value), dtype=object) if isinstance(value, str) else value
