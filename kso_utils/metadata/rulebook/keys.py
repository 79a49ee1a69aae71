"""Names and ids: does each stand for one row, and does each reference lead to one?"""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.rules import Hit, advise, check, each_column, hits, repeats
from kso_utils.metadata.terms import TABLES
from kso_utils.metadata.values import is_mark, known_numbers, map_distinct, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kso_utils.metadata.rules import Tables
    from kso_utils.metadata.terms import Table
    from kso_utils.metadata.values import Cells

_COMPARISONS = 6_000
"""So many pairs of names are compared letter by letter at most, in about a tenth of a second."""
_LONGEST_NAME = 100
_LONGEST_GAP_LIST = 10


@check(
    "DUPLICATE_KEY",
    "error",
    "Two rows have the same name in a column that identifies them.",
    "Remove one of the rows, or give it a name of its own.",
)
def _duplicate_key(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        if column.name in (table.key, *table.unique):
            cells = to_text(frame[column.name]).mask(is_mark(frame[column.name]))
            yield from repeats(table.name, frame, column.name, cells, "{column} {value} stands on line {_first} too.")


@check(
    "NAMES_NEARLY_EQUAL",
    "warning",
    "Two names differ only in capitals, spaces or the form of their letters.",
    "If both are the same, use one spelling; if not, give them names that nobody can confuse.",
)
def _nearly_equal(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables):
        # Names of species are compared by their labels (DUPLICATE_LABEL).
        if column.name == table.key and table.name != "species":
            cells = to_text(frame[column.name]).mask(is_mark(frame[column.name]))
            folded = _squeeze(cells.mask(cells.duplicated()))
            message = "{column} {value} is nearly the same as on line {_first}."
            yield from repeats(table.name, frame, column.name, folded, message)


def _squeeze(names: Cells) -> Cells:
    """Return names without spaces and capitals, in NFKC."""
    return map_distinct(names, _fold)


def _fold(name: str) -> str:
    folded = "".join(name.casefold().split())
    return folded if folded.isascii() else unicodedata.normalize("NFKC", folded)


@check(
    "ID_UNUSABLE",
    "warning",
    "The ids of a table are not unique whole numbers, so that new ones are given.",
    "Give every row a whole number of its own, or remove the column.",
)
def _id_unusable(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "integer"):
        if column.name == "id":
            ids = to_numbers(frame["id"])
            wrong = ids.isna() | (ids % 1).fillna(0).ne(0) | ids.le(0) | ids.duplicated()
            yield from hits(table.name, frame, "id", wrong, "{column} is {value}, empty, or stands on two lines.")


@check(
    "ID_GAP",
    "info",
    "Ids that otherwise follow each other leave some out.",
    "Put rows back that were removed by mistake; a gap by itself is not wrong.",
)
def _id_gap(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, column, frame in each_column(tables, "integer"):
        if column.name != "id":
            continue
        ids = to_numbers(frame["id"])
        ordered = ids[ids.gt(0) & (ids % 1).eq(0)].drop_duplicates().sort_values()
        steps = ordered.diff()
        if ordered.empty or steps.sum() >= 2 * len(ordered):  # numbers from elsewhere, not a count of rows
            continue
        starts = [int(i) for i in (ordered.shift() + 1)[steps.gt(1)]]
        ends = [int(i) for i in (ordered - 1)[steps.gt(1)]]
        gaps = [str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
        if gaps:
            more = f" and {len(gaps) - _LONGEST_GAP_LIST} more" if len(gaps) > _LONGEST_GAP_LIST else ""
            listed = ", ".join(gaps[:_LONGEST_GAP_LIST]) + more
            yield Hit(table.name, None, "id", listed, f"The ids leave out {listed}.")


@check(
    "UNKNOWN_SITE",
    "error",
    "A movie or photo names a site that the table of sites does not have.",
    "Add the site, or correct its name; spelling and capitals count.",
)
def _unknown_site(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "locality", "sites", "locality")


@check(
    "UNKNOWN_SURVEY",
    "error",
    "A movie or photo names a survey that the table of surveys does not have.",
    "Add the survey, or correct its name.",
)
def _unknown_survey(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown(tables, "parentEventID", "surveys", "eventID")


def _unknown(tables: Tables, column: str, target: str, key: str) -> Iterator[Hit]:
    there = tables.get(target)
    known: list[str] = list(to_text(there[key]).dropna().unique()) if there is not None and key in there else []
    for name in ("movies", "photos"):
        if name in tables and column in tables[name]:
            cells = to_text(tables[name][column])
            wrong = cells.notna() & ~cells.isin(known) & ~is_mark(cells)
            if wrong.any():
                meant = cells.where(wrong).map(find_similar(cells[wrong].unique(), known))
                advised = tables[name].assign(
                    _fix=advise(meant, "Did you mean {}? Otherwise add it to the " + target + ".")
                )
                message = f"{{column}} is {{value}}, which is not among the {target}."
                yield from hits(name, advised, column, wrong, message, "{_fix}")


def find_similar(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the known name that each name seems to mean, for those that are like one.

    Names that differ in capitals, accents, spaces and punctuation alone are found at once; the rest is compared
    letter by letter (difflib), up to so many comparisons that it takes a fraction of a second, and to 100 letters.
    """
    choices = [name for name in known if len(name) <= _LONGEST_NAME]
    plain = {_letters(name): name for name in reversed(choices)}
    found = {}
    left = _COMPARISONS
    for name in names:
        alike = plain.get(_letters(name))
        if alike is None and left >= len(choices) and len(name) <= _LONGEST_NAME:
            left -= len(choices)
            alike = next(iter(get_close_matches(name, choices, 1, 0.75)), None)
        if alike is not None:
            found[name] = alike
    return found


def _letters(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name).casefold() if c.isalnum())


@check(
    "SITE_UNUSED",
    "info",
    "No movie and no photo is from a site.",
    "Leave it if movies are still to come; otherwise look whether its name is spelled differently elsewhere.",
)
def _site_unused(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unused(tables, TABLES["sites"], "locality")


@check(
    "SURVEY_UNUSED",
    "info",
    "No movie and no photo belongs to a survey.",
    "Leave it if its movies are still to come; otherwise look whether its name is spelled differently elsewhere.",
)
def _survey_unused(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unused(tables, TABLES["surveys"], "parentEventID")


def _unused(tables: Tables, table: Table, reference: str) -> Iterator[Hit]:
    frame = tables.get(table.name)
    users = [tables[name][reference] for name in ("movies", "photos") if name in tables and reference in tables[name]]
    if frame is not None and table.key in frame and users:
        used = {name for cells in users for name in to_text(cells).unique()}
        names = to_text(frame[table.key])
        wrong = names.notna() & ~names.isin(used)
        yield from hits(table.name, frame, table.key, wrong, "No movie and no photo names {value}.")


@check(
    "PHOTO_POSITION_INVALID",
    "warning",
    "The position of a photo is below 0, or two photos of one survey and site have the same.",
    "Give every photo of a transect its own place in the order, from 0 or 1 on.",
)
def _photo_position(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    photos = tables.get("photos")
    if photos is None or "photo_position" not in photos:
        return
    positions = known_numbers(photos, TABLES["photos"], "photo_position")
    yield from hits("photos", photos, "photo_position", positions.lt(0), "{column} is {value}, below 0.")
    places = [to_text(photos[c]).fillna("") for c in ("parentEventID", "locality") if c in photos]
    place = pd.Series(list(zip(*places, positions, strict=True)), index=photos.index, dtype="object")
    message = "{column} is {value}, as on line {_first} of the same survey and site."
    yield from repeats("photos", photos, "photo_position", place.where(positions.notna()), message)
