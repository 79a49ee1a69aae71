"""Values on their way into the store and out of it: exact types, one spelling of "missing"."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sqlalchemy import JSON, Boolean, Float, Integer

from kso_utils.core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, ColumnElement

_INT64 = range(-(2**63), 2**63)
_MISSING = (type(None), type(pd.NA), type(pd.NaT))


def to_database(values: pd.Series[Any] | Sequence[Any], column: Column[Any]) -> list[Any]:
    """Return values as the database keeps them in a column.

    NaN, NaT, `pd.NA` and None become None; numpy scalars become Python's; times become ISO 8601 text; a whole
    number may arrive as a float, and a number may be put into a text column (`12.0` gives "12").

    Parameters
    ----------
    values
        One value a row.
    column
        Where they go; its type decides.

    Raises
    ------
    StoreError
        If a value does not fit the type; the message names table, row (the first is 1) and column.
    """
    native = values.tolist() if isinstance(values, pd.Series | np.ndarray) else list(values)
    ready = _ready(native, column)
    if ready is not None:
        return ready
    convert = _converter(column)
    # Rows may share an object, as many people give the same answers: it is looked through once.
    known: dict[int, Any] = {}
    done: list[Any] = []
    for number, value in enumerate(native, 1):
        try:
            if id(value) not in known:
                known[id(value)] = convert(value)
            done.append(known[id(value)])
        except (TypeError, ValueError, OverflowError) as error:
            raise StoreError(
                f"{column.table.name}, row {number}, {column.name}: {value!r} is not {_nouns(column)} ({error}). "
                "Correct the value."
            ) from error
    return done


def from_database(values: Sequence[Any], column: ColumnElement[Any]) -> pd.Series[Any]:
    """Return a column of a result with its proper dtype.

    Whole numbers are int64, or Int64 where some are missing; truth values bool or boolean; other numbers float64
    with NaN; text and JSON are objects with None.
    """
    kind = column.type
    whole = not any(value is None for value in values)
    if isinstance(kind, Boolean):
        return pd.Series(values, dtype="bool" if whole else "boolean")
    if isinstance(kind, Integer):
        return pd.Series(values, dtype="int64" if whole else "Int64")
    if isinstance(kind, Float):
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="object")


def to_json(value: Any) -> Any:
    """Return a value with nothing in it but what JSON knows: missing numbers become null, times ISO 8601 text.

    Raises
    ------
    TypeError
        If something in it has no JSON form.
    ValueError
        If a number in it is infinite, or a text is not valid Unicode.
    """
    if isinstance(value, dict):
        return {_valid(str(key)): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    plain = _plain(value)
    if isinstance(plain, float) and math.isinf(plain):
        raise ValueError("an infinite number has no JSON form")
    if isinstance(plain, date):
        return _iso(plain)
    if isinstance(plain, str):
        return _valid(plain)
    if plain is None or isinstance(plain, int | float):
        return plain
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _ready(native: list[Any], column: Column[Any]) -> list[Any] | None:
    """Return the values if each is of the column's own type or missing, else None.

    That is what nearly all columns are, and a look at them all at once takes a tenth of the time of one at each.
    """
    own = _own_type(column)
    kinds = set(map(type, native))
    if own is None or not kinds <= {own, float, *_MISSING}:
        return None
    if own is float or kinds != {own}:
        native = [None if value is pd.NA or value is pd.NaT or value != value else value for value in native]
    there = [value for value in native if value is not None]
    if own is not float and float in map(type, there):
        return None
    if own is int and there and not (min(there) in _INT64 and max(there) in _INT64):
        return None
    return native if own is not str or _is_valid("".join(there)) else None


def _own_type(column: Column[Any]) -> type | None:
    kind = column.type
    if isinstance(kind, JSON):
        return None
    if isinstance(kind, Boolean):
        return bool
    if isinstance(kind, Integer):
        return int
    return float if isinstance(kind, Float) else str


def _converter(column: Column[Any]) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, JSON):
        return to_json
    if isinstance(kind, Boolean):
        return _to_bool
    if isinstance(kind, Integer):
        return _to_int
    return _to_float if isinstance(kind, Float) else _to_text


def _nouns(column: Column[Any]) -> str:
    kind = column.type
    if isinstance(kind, JSON):
        return "a JSON value"
    if isinstance(kind, Boolean):
        return "true or false"
    if isinstance(kind, Integer):
        return "a whole number"
    return "a number" if isinstance(kind, Float) else "text"


def _plain(value: Any) -> Any:
    """Return Python's own form of a numpy scalar, and None for all that means "missing"."""
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or value is pd.NaT or value != value:
        return None
    return value


def _to_text(value: Any) -> str | None:
    plain = _plain(value)
    if plain is None:
        return None
    if isinstance(plain, str):
        return _valid(plain)
    if isinstance(plain, date):
        return _iso(plain)
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise TypeError(f"it is of type {type(value).__name__}")
    # A column of whole numbers becomes one of floats where one of them is missing.
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _to_int(value: Any) -> int | None:
    plain = _plain(value)
    if plain is None:
        return None
    if not isinstance(plain, int | float) or plain != int(plain):
        raise ValueError("it would be changed")
    whole = int(plain)
    if whole not in _INT64:
        raise OverflowError("it needs more than 64 bits")
    return whole


def _to_float(value: Any) -> float | None:
    plain = _plain(value)
    if plain is None:
        return None
    if isinstance(plain, str):
        raise TypeError("it is text")
    return float(plain)


def _to_bool(value: Any) -> bool | None:
    plain = _plain(value)
    if plain is None:
        return None
    if isinstance(plain, int | float) and plain in (0, 1):
        return bool(plain)
    raise ValueError("it is neither")


def _is_valid(text: str) -> bool:
    try:
        _valid(text)
    except UnicodeEncodeError:
        return False
    return True


def _valid(text: str) -> str:
    """Return the text; one with half a surrogate pair cannot be written and raises UnicodeEncodeError."""
    if not text.isascii():
        text.encode()
    return text


def _iso(value: date) -> str:
    text = value.isoformat()
    return text.removesuffix("+00:00") + "Z" if isinstance(value, datetime) and text.endswith("+00:00") else text
