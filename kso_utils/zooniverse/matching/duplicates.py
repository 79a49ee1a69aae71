"""Subjects that were uploaded more than once, and the one of them that their classifications count for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kso_utils.core.errors import MetadataError
from kso_utils.core.report import Finding, Report
from kso_utils.metadata.records import name_place
from kso_utils.metadata.sheets import load_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts

_COLUMNS = ("dupl_subject_id", "single_subject_id")
_PLACE = ("movie_id", "clip_start_time", "clip_end_time", "frame_number")


def load_duplicates(path: Path) -> dict[int, int]:
    """Read a table of duplicates: subject -> the one that stands for it.

    A subject that stands for itself is no duplicate and is left out. Where the one that stands for a subject has one
    that stands for it again, that counts: no value of the result is a key of it.

    Parameters
    ----------
    path
        A table with the columns `dupl_subject_id` and `single_subject_id`; others may stand there too.

    Raises
    ------
    MetadataError
        If the table cannot be read, lacks a column or a number, gives a subject two that stand for it, or goes round in
        a circle; the message names the line.
    """
    sheet = load_sheet(path)
    header = [name.casefold() for name in sheet.header]
    if any(header.count(column) != 1 for column in _COLUMNS):
        raise MetadataError(
            f"{path} must have one column {' and one column '.join(_COLUMNS)}. It has: {', '.join(sheet.header)}."
        )
    at = [header.index(column) for column in _COLUMNS]
    direct: dict[int, int] = {}
    lines: dict[int, int] = {}
    for line, row in zip(sheet.lines, sheet.rows, strict=True):
        duplicate, single = (_number(path, line, column, row[i]) for column, i in zip(_COLUMNS, at, strict=True))
        if direct.setdefault(duplicate, single) != single:
            raise MetadataError(
                f"{name_place(path, line, _COLUMNS[1])}: {single} stands for {duplicate}, but {direct[duplicate]} on "
                f"line {lines[duplicate]}. Keep one of the two lines."
            )
        lines.setdefault(duplicate, line)
    return {one: _follow(one, direct, path, lines) for one, other in direct.items() if one != other}


def write_duplicates(store: Store, duplicates: Mapping[int, int], report: Report) -> Counts:
    """Make the rows of `subject_duplicates` that a project lists equal to what `load_duplicates` gives.

    Duplicates that the project does not list, as those that were found when a subject set was repaired, stay. The
    report gets the subjects that the store does not have, and the pairs that lie at different places. A duplicate of a
    subject that is not in the store counts for itself until that one comes.
    """
    import pandas as pd

    rows = pd.DataFrame({_COLUMNS[0]: list(duplicates), _COLUMNS[1]: list(duplicates.values())}, dtype="int64")
    rows["listed"] = True
    with store.atomic():
        listed = store.read("subject_duplicates", ["dupl_subject_id"], {"listed": True})["dupl_subject_id"]
        gone = set(listed) - set(duplicates)
        removed = store.remove("subject_duplicates", {"dupl_subject_id": sorted(gone)}) if gone else 0
        counts = replace(store.upsert("subject_duplicates", rows, "dupl_subject_id"), removed=removed)
        named = {*duplicates, *duplicates.values()}
        subjects = store.read("subjects", ["id", *_PLACE], {"id": named}).set_index("id").astype(object)
    subjects = subjects.where(subjects.notna(), None)
    places = dict(zip(subjects.index, subjects.itertuples(index=False, name=None), strict=True))
    for duplicate, single in duplicates.items():
        _compare(duplicate, single, places, report)
    return counts


def _number(path: Path, line: int, column: str, text: str) -> int:
    if not text.isdecimal():
        raise MetadataError(f"{name_place(path, line, column)}: {text!r} is no subject. Give its number on Zooniverse.")
    return int(text)


def _follow(duplicate: int, direct: Mapping[int, int], path: Path, lines: Mapping[int, int]) -> int:
    single, seen = direct[duplicate], {duplicate}
    while direct.get(single, single) != single:
        if single in seen:
            raise MetadataError(
                f"{name_place(path, lines[duplicate], _COLUMNS[1])}: subjects stand for each other in a circle, from "
                f"{duplicate} back to {single}. Choose one that stands for all of them."
            )
        seen.add(single)
        single = direct[single]
    return single


def _compare(duplicate: int, single: int, places: Mapping[int, tuple[float | None, ...]], report: Report) -> None:
    for column, subject_id in zip(_COLUMNS, (duplicate, single), strict=True):
        if subject_id not in places:
            text = f"The store has no subject {subject_id}, which the table of duplicates names."
            report.add(Finding("subject_duplicates", None, column, "UNKNOWN_SUBJECT", "info", str(subject_id), text))
    pairs = zip(places.get(duplicate, ()), places.get(single, ()), strict=False)
    if any(one != other for one, other in pairs):
        text = f"Subject {duplicate} is said to be a duplicate of {single}, but the store has them at different places."
        fix = "Correct the table of duplicates."
        report.add(Finding("subject_duplicates", None, None, "OTHER_PLACE", "warning", str(duplicate), text, fix))
