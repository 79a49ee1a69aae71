"""Lists of movies that got new names: which name a movie has now, and under which it was known before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.records import name_place
from kso_utils.metadata.sheets import load_sheet

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class Rename(NamedTuple):
    """One movie that got a new name; `line` is that of the list."""

    line: int
    old: str
    new: str


def load_renames(path: Path) -> list[Rename]:
    """Read a table with the columns OLD and NEW, in any case; other columns may stand there too.

    Raises
    ------
    MetadataError
        If the table cannot be read, lacks a column or a name, gives one old name two new ones, or renames in a
        circle of more than two; the message names the line.
    """
    sheet = load_sheet(path)
    header = [name.casefold() for name in sheet.header]
    for wanted in ("old", "new"):
        if header.count(wanted) != 1:
            raise MetadataError(
                f"{path} must have one column OLD and one column NEW. It has: {', '.join(sheet.header)}."
            )
    at = header.index("old"), header.index("new")
    found: dict[str, Rename] = {}
    for line, row in zip(sheet.lines, sheet.rows, strict=True):
        one = Rename(line, *(row[i] for i in at))
        if not one.old or not one.new:
            empty = "NEW" if one.old else "OLD"
            raise MetadataError(f"{name_place(path, line, empty)}: there is no name. Fill it in, or remove the line.")
        before = found.setdefault(one.old, one)
        if before.new != one.new:
            raise MetadataError(
                f"{name_place(path, line, 'NEW')}: {one.old} becomes {one.new}, but {before.new} on line {before.line}."
                " Keep one of the two lines."
            )
    return [one for one in found.values() if one.old != one.new]


def follow_renames(renames: list[Rename], path: Path) -> dict[str, str]:
    """Return old name -> the name that the movie has in the end.

    A name that is replaced again is followed (`a` to `b`, `b` to `c`: both became `c`); two names that are
    exchanged are exchanged.

    Raises
    ------
    MetadataError
        If names go round in a larger circle.
    """
    direct = {one.old: one.new for one in renames}
    swapped = {old for old, new in direct.items() if direct.get(new) == old}
    final = {}
    for one in renames:
        if one.old in swapped:
            final[one.old] = one.new
            continue
        name, seen = one.new, {one.old}
        while name in direct:
            if name in seen or name in swapped:
                raise MetadataError(
                    f"{name_place(path, one.line, 'NEW')}: the new names go round in a circle, from {one.old} back to "
                    f"{name}. Give every movie the one name that its file has now."
                )
            seen.add(name)
            name = direct[name]
        final[one.old] = name
    return final


def apply_renames(movies: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the movies under their new names.

    `attrs` of the result hold `old_names` (name -> the names that it replaces) and `unknown_renames` (line and old
    name of entries of which the table has neither the old nor the new name).

    Raises
    ------
    MetadataError
        As `load_renames` and `follow_renames`.
    """
    renames = load_renames(path)
    final = follow_renames(renames, path)
    there = set(movies["filename"].dropna())
    renamed = movies.assign(filename=movies["filename"].map(lambda name: final.get(name, name), na_action="ignore"))
    renamed = renamed.astype({"filename": movies["filename"].dtype})
    replaced: dict[str, list[str]] = {}
    for old, new in final.items():
        replaced.setdefault(new, []).append(old)
    # A name that a movie had in between is no entry without a movie.
    known = there | {old for name in there & set(final) for old in _passed(name, renames)}
    unknown = [(one.line, one.old) for one in renames if one.old not in known and final[one.old] not in there]
    renamed.attrs = {**movies.attrs, "old_names": replaced, "unknown_renames": unknown}
    return renamed


def _passed(name: str, renames: list[Rename]) -> set[str]:
    direct, passed = {one.old: one.new for one in renames}, {name}
    while (name := direct.get(name, name)) not in passed:
        passed.add(name)
    return passed
