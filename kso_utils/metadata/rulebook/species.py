"""The rows of species: names that are told apart, and labels of Zooniverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.metadata.rules import check, hits, repeats
from kso_utils.metadata.taxa import find_taxa, label_species
from kso_utils.metadata.terms import NON_TAXON_LABELS, NOT_A_TAXON
from kso_utils.metadata.values import is_mark, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables


@check(
    "DUPLICATE_LABEL",
    "error",
    "Two names become the same label on Zooniverse, where only letters and digits count.",
    "Rename one of them.",
)
def _duplicate_label(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is None or "vernacularName" not in species:
        return
    names = to_text(species["vernacularName"])
    labels = label_species(species).mask(names.duplicated() | is_mark(names))
    yield from repeats("species", species, "vernacularName", labels, "{value} has the same label as line {_first}.")
    blank = labels.eq("") & names.notna()
    yield from hits("species", species, "vernacularName", blank, "{value} holds no letter and no digit.")


@check(
    "DUPLICATE_SCIENTIFIC_NAME",
    "warning",
    "Two species have the same scientific name.",
    "Correct the name, or merge the two rows; otherwise their observations are counted apart.",
)
def _duplicate_scientific_name(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is None or not {"vernacularName", "scientificName"} <= set(species):
        return
    names = to_text(species["scientificName"]).str.lower().where(find_taxa(species))
    message = "{vernacularName} has the scientific name {value}, as line {_first} has."
    yield from repeats("species", species, "scientificName", names, message)


@check(
    "LABEL_NOT_A_TAXON",
    "warning",
    "A label that says that nothing living was seen has a scientific name, which is not used.",
    "Leave its scientific name empty, or write Not applicable; if it is a taxon, rename it.",
)
def _not_a_taxon(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is not None and {"vernacularName", "scientificName"} <= set(species):
        names = to_text(species["scientificName"])
        named = names.notna() & ~names.str.lower().isin(NOT_A_TAXON)
        wrong = named & label_species(species).isin(NON_TAXON_LABELS)
        message = "{vernacularName} is no taxon, but has the scientific name {value}."
        yield from hits("species", species, "scientificName", wrong, message)
