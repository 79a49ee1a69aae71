"""Checked tables into the store: names become ids, gaps are filled, nothing is written twice."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.footage import match_footage, plain_names
from kso_utils.metadata.taxa import find_taxa, label_species
from kso_utils.metadata.terms import MOVIES, TABLES, Table
from kso_utils.metadata.values import is_placeholder, known_numbers, read_names, to_flags, to_numbers, to_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from kso_utils.metadata.values import Cells
    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts

_FROM_FOOTAGE = (
    *("fps_num", "fps_den", "duration_s", "frames", "width", "height", "codec"),
    *("sha256", "size_bytes"),
)
REFERENCES = {"site_id": ("locality", "sites", "locality"), "survey_id": ("parentEventID", "surveys", "eventID")}
"""Column of the store -> column of the tables that names a row, the table of that row, and its key."""
_FROM_PHOTOS = ("width", "height", "sha256")
_NTSC_TOLERANCE = 0.005
_TAXON_COLUMNS = ("scientificName", "scientificNameID", "taxonRank", "kingdom")
_OF_A_NAME = (
    *("scientificNameID", "taxonRank", "kingdom", "phylum", "class", "order", "family", "genus"),
    "accepted_id",
)
_KEPT = {"movies": _FROM_FOOTAGE, "photos": _FROM_PHOTOS, "species": ("scientificName", *_OF_A_NAME)}
"""Table -> the columns of the store that stay where the table says nothing."""


def populate(
    store: Store,
    tables: Mapping[str, pd.DataFrame],
    footage: pd.DataFrame | None = None,
    strict: bool = False,
    replaced: Collection[str] = (),
) -> dict[str, Counts]:
    """Write sites, movies, species, surveys and photos into the store, all or nothing.

    Rows are known by name (`filename`, `locality`, `vernacularName`, `eventID`): a row that is there already is
    updated where it differs, and none is ever deleted. Placeholders are stored as missing. A row keeps the id that
    it has in the store; a new row takes the id of the table where that is free.

    What a register said of a scientific name (LSID, rank, higher taxa) stays as long as the name does, where the table
    says nothing; with another name it goes.

    Movies take what the file itself says (rate, duration, frames, size, sha256) from `footage`; what was once
    measured stays where neither table nor footage say anything. An empty sampling window is the whole movie. A movie
    that got a new name keeps its row, with all that points to it. A sha256 is never written over, for it tells whether
    a file is still the one that was registered; where a file is another on purpose, name it in `replaced`.

    Parameters
    ----------
    store
        The store.
    tables
        As `load_tables` gives them.
    footage, strict
        As in `check_tables`.
    replaced
        Movies, by the names that they have in the store, whose files were replaced on purpose; their sha256 is
        forgotten, and that of the new file taken where `footage` has it.

    Returns
    -------
    dict
        Table -> rows inserted, updated and unchanged.

    Raises
    ------
    MetadataError
        If `check_tables` finds an error (it carries the report), a file is not the one that was registered, or a
        movie of `replaced` is not in the store; it stays as it was.
    """
    check_tables(tables, footage, strict).raise_if_errors()
    with store.atomic():
        _forget_sha256(store, replaced)
        return {
            name: store.upsert(name, prepare_rows(store, table, tables[name], footage), _key(table, tables[name]))
            for name, table in TABLES.items()
            if name in tables
        }


def _key(table: Table, frame: pd.DataFrame) -> str:
    """Return the column by which rows are known: where movies got new names, their id is all that stays."""
    return "id" if table is MOVIES and frame.attrs.get("old_names") else table.key


def prepare_rows(store: Store, table: Table, frame: pd.DataFrame, footage: pd.DataFrame | None) -> pd.DataFrame:
    """Return rows as the store keeps them: cleaned, names turned into ids, gaps filled; `footage` as in `populate`."""
    rows = _clean(table, frame)
    for target, (column, source, key) in REFERENCES.items():
        if column in rows and column != table.key:
            known = store.read(source, columns=["id", key])
            rows[target] = rows.pop(column).map(dict(zip(known[key], known["id"], strict=True))).astype("Int64")
    there = store.read(table.name, columns=["id", table.key, *_KEPT.get(table.name, ())])
    known_by = rows[table.key]
    if _key(table, frame) == "id":
        known_by = _names_before(rows, there, frame.attrs["old_names"])
        rows["id"] = rows["id"] if "id" in rows else pd.Series(pd.NA, index=rows.index, dtype="Int64")
    stored = there.set_index(table.key).reindex(known_by.to_numpy()).set_axis(rows.index)
    if table.name == "species":
        rows = _fill_species(rows, stored)
    if table.name == "movies":
        found = match_footage(frame, footage)
        _require_registered(known_by, stored, found)
        rows = _fill_movies(rows, stored, found)
    if table.name == "photos" and footage is not None:
        found = match_footage(frame, footage)
        for column in (c for c in _FROM_PHOTOS if c in found):
            rows[column] = _first_known(found[column], stored[column])
    if "id" in rows:
        rows["id"] = _choose_ids(rows["id"], stored["id"], there["id"])
    return rows


def _forget_sha256(store: Store, names: Collection[str]) -> None:
    """Empty the sha256 of movies of the store."""
    if not names:
        return
    stored = store.read("movies", columns=["filename"])
    asked, known = plain_names(pd.Series(list(names))), plain_names(stored["filename"])
    if unknown := asked[~asked.isin(known)].tolist():
        raise MetadataError(f"The store has no movie {unknown[0]}, whose file would be replaced. Check the name.")
    store.upsert("movies", stored[known.isin(asked)].assign(sha256=None), "filename")


def _require_registered(names: Cells, stored: pd.DataFrame, found: pd.DataFrame) -> None:
    """Refuse files that are not those whose sha256 the store has; `names` are those that their movies have there."""
    if "sha256" not in found:
        return
    changed = found["sha256"].notna() & stored["sha256"].notna() & found["sha256"].ne(stored["sha256"])
    if listed := names[changed].tolist():
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        raise MetadataError(
            f"{', '.join(listed[:5])}{more}: not the file that was registered, its sha256 is another. Bring the "
            "registered file back from a copy; if it was replaced on purpose, register the new one with: "
            "kso movies --replaced NAME"
        )


def _names_before(rows: pd.DataFrame, there: pd.DataFrame, old_names: Mapping[str, list[str]]) -> Cells:
    """Return the name under which the store has each movie: its own, or else one that it had before.

    Raises
    ------
    MetadataError
        If two movies of the store became one, or two that exchanged their names cannot be told apart.
    """
    ids = dict(zip(there["filename"], there["id"], strict=True))
    wished = to_numbers(rows["id"]) if "id" in rows else pd.Series(float("nan"), index=rows.index)
    before = []
    for name, number in zip(rows["filename"], wished, strict=True):
        olds = [old for old in old_names.get(name, ()) if old in ids]
        if olds and name in ids:
            swapped = any(name in old_names.get(old, ()) for old in olds)
            olds = [old for old in olds if swapped and ids[old] == number]
            if swapped and not olds and ids[name] != number:
                raise MetadataError(
                    f"{name} exchanged its name with another movie of the store, and nothing tells which is which. "
                    "Give both rows the movie_id that they have in the store."
                )
        if len(olds) > 1:
            raise MetadataError(
                f"{' and '.join(olds)} are two movies of the store, and both became {name}. Correct the list of names."
            )
        before.append(olds[0] if olds else name)
    return pd.Series(before, index=rows.index, dtype="object")


def _clean(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that are known, typed, without placeholders (names of rows are never taken for one)."""
    rows = pd.DataFrame(index=frame.index)
    for column in table.columns:
        if column.name not in frame:
            continue
        cells = frame[column.name]
        if column.kind in ("number", "integer"):
            values: Cells = known_numbers(frame, table, column.name)
        elif column.kind == "names":
            values = read_names(cells)
        elif column.kind == "flag":
            values = to_flags(cells).fillna(False)
        else:
            values = to_text(cells)
            if column.need != "required":
                values = values.mask(is_placeholder(cells, column))
        rows[column.name] = values
    return rows


def _fill_species(rows: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with label and kind; what is stored of a scientific name stays where the table says nothing."""
    taxa = find_taxa(rows)
    filled = rows.assign(zoo_label=label_species(rows), is_taxon=taxa)
    for column in _TAXON_COLUMNS:
        if column in filled:
            filled[column] = filled[column].where(taxa)
    if "scientificName" in filled:
        same = filled["scientificName"].eq(stored["scientificName"])
        for column in _OF_A_NAME:
            kept = stored[column].where(same)
            filled[column] = _first_known(filled[column], kept) if column in filled else kept
    return filled


def _fill_movies(rows: pd.DataFrame, stored: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with what the files, the table or else the store say about the file, and whole windows."""
    filled = rows.copy()
    fps = known_numbers(rows, MOVIES, "fps")
    rates = {value: exact_rate(value) for value in fps.dropna().unique()}
    filled["fps_num"] = fps.map({value: rate.numerator for value, rate in rates.items()}).astype("Int64")
    filled["fps_den"] = fps.map({value: rate.denominator for value, rate in rates.items()}).astype("Int64")
    for column in _FROM_FOOTAGE:
        if column in found:
            filled[column] = _first_known(found[column], filled.get(column))
    for column in (c for c in _FROM_FOOTAGE if c in filled):
        filled[column] = _first_known(filled[column], stored[column])
    duration = to_numbers(filled["duration_s"] if "duration_s" in filled else stored["duration_s"])
    filled["fps"] = filled["fps_num"].astype("Float64") / filled["fps_den"].astype("Float64")
    start, end = (known_numbers(rows, MOVIES, name) for name in ("sampling_start_s", "sampling_end_s"))
    filled["sampling_start_s"] = start.fillna(0.0)
    filled["sampling_end_s"] = end.fillna(duration).clip(upper=duration.fillna(float("inf")))
    return filled.assign(duration_s=duration)


def _first_known(first: Cells, second: Cells | None) -> Cells:
    kept: Cells = first.astype("object")
    return kept if second is None else kept.mask(kept.isna(), second.astype("object"))


def _choose_ids(wished: Cells, stored: Cells, taken: Cells) -> Cells:
    """Return an id for every row: the one it has, else the one it wishes where that is free, else a new one."""
    numbers = to_numbers(wished)
    usable = numbers.notna() & (numbers % 1).eq(0) & numbers.gt(0) & ~numbers.duplicated() & ~numbers.isin(taken)
    ids = stored.astype("Int64").fillna(numbers.where(usable).astype("Int64"))
    free = int(pd.concat([ids, taken.astype("Int64"), pd.Series([0], dtype="Int64")]).max()) + 1
    missing = ids.isna()
    return ids.mask(missing, free - 1 + missing.cumsum())


def exact_rate(fps: float) -> Fraction:
    """Return a frame rate as the fraction that is meant.

    Rates within 0.005 of 1000/1001 of a whole number are those of NTSC (29.97 is 30000/1001, 23.976 is 24000/1001);
    any other is the nearest fraction with a denominator up to 1001.
    """
    whole = round(fps * 1001 / 1000)
    ntsc = Fraction(whole * 1000, 1001)
    if whole and abs(fps - ntsc) < min(_NTSC_TOLERANCE, abs(fps - round(fps))):
        return ntsc
    return Fraction(fps).limit_denominator(1001)
