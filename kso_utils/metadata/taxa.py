"""Labels and names: the species that a label means, and the taxon that a scientific name means."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.report import Finding, Report
from kso_utils.metadata.matching import RANKS, VERDICTS, judge, read_name
from kso_utils.metadata.taxa_cache import fetch_answers, read_answers
from kso_utils.metadata.terms import NON_TAXON_LABELS, NOT_A_TAXON
from kso_utils.metadata.values import to_text
from kso_utils.metadata.worms import WORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kso_utils.metadata.values import Cells, Mask
    from kso_utils.store.engine import Store
    from kso_utils.store.rows import Counts

_ROUTES = {"zoo_label": "zoo_label", "vernacularName": "vernacular", "scientificName": "scientific"}
NOT_TAXON = "NOT_A_TAXON"
_ID = "scientificNameID"
_FILLED = (_ID, "taxonRank", *RANKS)
_REASONS = {code: verdict.meaning for code, verdict in VERDICTS.items()} | {NOT_TAXON: "The label is no taxon."}
MATCH_COLUMNS = (
    *("name", "how", "code", "publishable", "status", "accepted_name", "aphia_id"),
    *(_ID, "scientificNameAuthorship", "taxonRank", *RANKS, "candidates", "source", "fetched_at"),
)
"""The columns of `match_taxa`."""


def zoo_label(name: str) -> str:
    """Return a name as Zooniverse codes it: capital letters and digits only (`Dead man's fingers`: DEADMANSFINGERS)."""
    return "".join(c for c in unicodedata.normalize("NFC", name).upper() if c.isalnum())


def label_species(species: pd.DataFrame) -> Cells:
    """Return the Zooniverse label of each species: its `zoo_label` where it has one, else its cleaned name."""
    named = to_text(species["vernacularName"])
    if "zoo_label" in species:
        named = to_text(species["zoo_label"]).fillna(named)
    return named.map(zoo_label, na_action="ignore")


def find_taxa(species: pd.DataFrame) -> Mask:
    """Return which rows are taxa: those with a scientific name, but never labels like "Nothing here"."""
    labels = label_species(species)
    if "scientificName" not in species:
        return pd.Series(False, index=species.index)
    names = to_text(species["scientificName"]).fillna("").str.lower()
    return ~names.isin(NOT_A_TAXON) & ~labels.isin(NON_TAXON_LABELS)


def match_labels(labels: Iterable[str], species: pd.DataFrame) -> pd.DataFrame:
    """Find the species that each label means, whatever its case, spaces and punctuation.

    Parameters
    ----------
    labels
        Labels, codes or names; repeated ones are answered once each time.
    species
        Rows of the store's table with `id` and any of `zoo_label`, `vernacularName`, `scientificName`, which are
        tried in this order: the first that has the label decides.

    Returns
    -------
    DataFrame
        One row a label, in the order given: `label` (as given), `species_id` (Int64, missing where there is no such
        species), `how` (`zoo_label`, `vernacular`, `scientific`, `none`, or `ambiguous` where several species bear
        that name: then none of them is meant).
    """
    meanings: dict[str, tuple[int | None, str]] = {}
    for column, how in _ROUTES.items():
        bearers: dict[str, set[int]] = {}
        if column not in species:
            continue
        texts = to_text(species[column])
        if how == "scientific":
            texts = texts.mask(texts.str.lower().isin(NOT_A_TAXON))
        for number, name in zip(species["id"], texts.map(zoo_label, na_action="ignore"), strict=True):
            if isinstance(name, str) and name:
                bearers.setdefault(name, set()).add(int(number))
        for name, numbers in bearers.items():
            meanings.setdefault(name, (min(numbers), how) if len(numbers) == 1 else (None, "ambiguous"))
    given = list(labels)
    found = [meanings.get(zoo_label(str(label)), (None, "none")) for label in given]
    return pd.DataFrame(
        {
            "label": given,
            "species_id": pd.array([number for number, _ in found], dtype="Int64"),
            "how": [how for _, how in found],
        }
    )


def match_taxa(
    store: Store,
    names: Iterable[object],
    known: pd.DataFrame | None = None,
    *,
    offline: bool = False,
    refresh: bool = False,
    endpoint: str = WORMS,
) -> pd.DataFrame:
    """Match scientific names to the World Register of Marine Species.

    What the register answers, also that it has nothing, is kept in the store's table `taxa_cache`, a request at a
    time, and is not asked again. Nothing else is written.

    Parameters
    ----------
    store
        The store.
    names
        Scientific names, with or without author; repeated ones are answered once each time.
    known
        What is known of each name: as many rows, with any of `scientificNameID`, `taxonRank`, `kingdom`, `phylum`,
        `class`, `order`, `family`, `genus`. It decides between taxa of one name.
    offline
        Answer from the store alone.
    refresh
        Ask again about names that were answered before.
    endpoint
        The address of the service; answers are kept apart by it.

    Returns
    -------
    DataFrame
        One row a name, in the order given: `name` (as given); `how` (`exact`, `higher`: the taxon above, for `sp.`
        and `cf.`, `near`: only similar names, `ambiguous`: several taxa, `none`, `not asked`, or `no name`); `code`,
        a key of `matching.VERDICTS` or None; `publishable`; `status` of the name; then of the accepted name
        `accepted_name`, `aphia_id` (Int64), `scientificNameID` (its LSID), `scientificNameAuthorship`, `taxonRank`,
        `kingdom` to `genus`; `candidates`, names that may be meant; `source` and `fetched_at` of the answer.

    Raises
    ------
    Interrupted
        If the service cannot be reached or goes on failing; what it answered before is kept.
    ArchiveError
        If it refuses, or answers with something else than records.
    ConfigError
        If its address is not one that may be asked, or `offline` and `refresh` contradict each other.
    """
    if offline and refresh:
        raise ConfigError("Names cannot be asked again without asking. Choose offline or refresh.")
    given = list(names)
    questions = [read_name(name) for name in given]
    asked = list(dict.fromkeys(question.name for question in questions if question.name is not None))
    if not offline:
        fetch_answers(store, asked, refresh, endpoint)
    answers, others = read_answers(store, endpoint)
    hints = _hints(known, len(given))
    rows = []
    for name, question, hint in zip(given, questions, hints, strict=True):
        records, fetched_at = answers.get(question.name or "", (None, None))
        row = judge(question, records, others, hint)
        rows.append({"name": name, **row, "source": endpoint if fetched_at else None, "fetched_at": fetched_at})
    matches = pd.DataFrame(rows, columns=list(MATCH_COLUMNS)).astype("object")
    matches = matches.where(matches.notna(), None)
    return matches.astype({"aphia_id": "Int64", "publishable": "bool"})


def match_species(store: Store, *, offline: bool = False, refresh: bool = False, endpoint: str = WORMS) -> pd.DataFrame:
    """Match the species of the store, as `match_taxa` does.

    Returns
    -------
    DataFrame
        One row a species, in the order of their ids: `species_id`, `vernacularName`, then as `match_taxa`.
    """
    species = store.read("species", order_by="id")
    matches = match_taxa(store, species["scientificName"], species, offline=offline, refresh=refresh, endpoint=endpoint)
    matches.insert(0, "species_id", species["id"])
    matches.insert(1, "vernacularName", species["vernacularName"])
    return matches


def unpublishable(species: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """List the species whose observations cannot be published, each with the reason.

    Parameters
    ----------
    species
        Rows of the store's table.
    matches
        What `match_taxa` says of them, row by row.

    Returns
    -------
    DataFrame
        `species_id, vernacularName, scientificName, code, reason, candidates`. The code is `NOT_A_TAXON` (as
        "Nothing here") or a key of `matching.VERDICTS`; empty where everything can be published.
    """
    rows = [
        (row["id"], row["vernacularName"], row["scientificName"], code, _REASONS[code or ""], match["candidates"])
        for row, match, code in _verdicts(species, matches)
        if code == NOT_TAXON or not match["publishable"]
    ]
    return pd.DataFrame(
        rows, columns=["species_id", "vernacularName", "scientificName", "code", "reason", "candidates"]
    )


def check_taxa(species: pd.DataFrame, matches: pd.DataFrame) -> Report:
    """Report where the table of species and the register disagree.

    Parameters
    ----------
    species
        Rows of the store's table.
    matches
        What `match_taxa` says of them, row by row.

    Returns
    -------
    Report
        With the codes of `matching.VERDICTS`; labels that are no taxa are not mentioned.
    """
    report = Report("species against WoRMS")
    for row, match, code in _verdicts(species, matches):
        if code == NOT_TAXON:
            continue
        if code:
            report.add(_finding(row, code, "scientificName", row["scientificName"], _say(match, code)))
        for column in _FILLED if match["accepted_name"] else ():
            here, there = row[column], match[column]
            if here and there and str(here).casefold() != str(there).casefold():
                wrong = "SCIENTIFIC_NAME_AND_ID_INCONSISTENT" if column == _ID else "TAXON_CLASSIFICATION_DIFFERS"
                report.add(_finding(row, wrong, column, here, f"WoRMS has {there} for {match['accepted_name']}."))
    return report


def fill_taxa(species: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Complete the table of species by what the register says.

    `scientificNameID` (of the accepted name), `taxonRank` and `kingdom` to `genus` are filled where they are empty;
    the name that the lab uses, and every value that it gave, stay. A synonym whose accepted name another row bears
    points to it (`accepted_id`).

    Parameters
    ----------
    species
        Rows of the store's table.
    matches
        What `match_taxa` says of them, row by row.

    Returns
    -------
    DataFrame
        All rows: `id, scientificNameID, taxonRank, kingdom, phylum, class, order, family, genus, accepted_id`.
    """
    filled = species[["id", *_FILLED]].reset_index(drop=True).astype("object")
    taxa, sure = find_taxa(species).to_numpy(), matches["publishable"].to_numpy(dtype=bool)
    for column in _FILLED:
        offered = matches[column].reset_index(drop=True).where(taxa & sure)
        filled[column] = filled[column].where(filled[column].notna() & filled[column].ne(""), offered)
    names = to_text(species["scientificName"]).str.lower()
    bearers = pd.Series(species["id"].to_numpy(), index=names).loc[
        lambda s: s.index.notna() & ~s.index.duplicated(False)
    ]
    synonym = taxa & sure & matches["code"].eq("TAXON_NAME_NOT_ACCEPTED").to_numpy()
    accepted = matches["accepted_name"].str.lower().map(bearers).where(synonym)
    kept = species["accepted_id"].astype("Int64").reset_index(drop=True)
    return filled.assign(accepted_id=kept.fillna(accepted.reset_index(drop=True).astype("Int64")))


def write_taxa(store: Store, *, endpoint: str = WORMS) -> tuple[Counts, Report]:
    """Write what the register answered into the store's species, in one transaction; nothing is asked.

    Returns
    -------
    Counts
        Species updated and unchanged, as `fill_taxa` completes them.
    Report
        As `check_taxa`: what was left as it is.
    """
    with store.atomic():
        matches = match_species(store, offline=True, endpoint=endpoint)
        species = store.read("species", order_by="id")
        counts = store.upsert("species", fill_taxa(species, matches), "id")
    return counts, check_taxa(species, matches)


def _hints(known: pd.DataFrame | None, count: int) -> list[dict[str, str]]:
    if known is None:
        return [{}] * count
    columns = [column for column in _FILLED if column in known]
    texts = [to_text(known[column]) for column in columns]
    return [
        {column: value for column, value in zip(columns, values, strict=True) if isinstance(value, str)}
        for values in (zip(*texts, strict=True) if texts else [()] * count)
    ]


def _verdicts(
    species: pd.DataFrame, matches: pd.DataFrame
) -> Iterator[tuple[dict[str, Any], dict[str, Any], str | None]]:
    """Yield each species, its match, and its code: that of the match, or that it is no taxon."""
    complete = species.reindex(columns=["id", "vernacularName", "zoo_label", "scientificName", *_FILLED])
    complete = complete.astype("object").where(complete.notna(), None)
    marked = to_text(complete["scientificName"]).str.lower().isin(NOT_A_TAXON)
    no_taxon = label_species(species).isin(NON_TAXON_LABELS).to_numpy() | marked.to_numpy()
    rows: list[dict[str, Any]] = [{**row} for row in complete.to_dict("records")]  # type: ignore[dict-item]
    for row, match, silent in zip(rows, matches.to_dict("records"), no_taxon, strict=True):
        yield row, match, NOT_TAXON if silent else match["code"]  # type: ignore[misc]


def _finding(row: dict[str, Any], code: str, column: str, value: object, detail: str) -> Finding:
    verdict = VERDICTS[code]
    message = f"{row['vernacularName']}: {verdict.meaning}" + (f" {detail}" if detail else "")
    return Finding("species", None, column, code, verdict.severity, str(value or ""), message, verdict.fix)


def _say(match: dict[str, Any], code: str) -> str:
    if code in ("TAXON_NAME_NOT_ACCEPTED", "TAXON_MATCH_HIGHERRANK"):
        return f"{match['name']} ({match['status']}) is published as {match['accepted_name']}."
    said = f"{match['name']!r} was asked for." if match["name"] else ""
    return said + (f" There are: {match['candidates']}." if match["candidates"] else "")
