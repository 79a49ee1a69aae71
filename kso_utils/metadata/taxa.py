"""Labels that volunteers and models give, and the species that they mean."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.terms import NON_TAXON_LABELS, NOT_A_TAXON
from kso_utils.metadata.values import to_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.metadata.values import Cells, Mask

_ROUTES = {"zoo_label": "zoo_label", "vernacularName": "vernacular", "scientificName": "scientific"}


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
        tried in this order. Where two species share a name, the first row is meant.

    Returns
    -------
    DataFrame
        One row a label, in the order given: `label` (as given), `species_id` (Int64, missing where there is no such
        species), `how` (`zoo_label`, `vernacular`, `scientific` or `none`).
    """
    meanings: dict[str, tuple[int, str]] = {}
    for column, how in _ROUTES.items():
        if column not in species:
            continue
        for number, name in zip(
            species["id"], to_text(species[column]).map(zoo_label, na_action="ignore"), strict=True
        ):
            if isinstance(name, str) and name:
                meanings.setdefault(name, (int(number), how))
    given = list(labels)
    found = [meanings.get(zoo_label(str(label)), (None, "none")) for label in given]
    return pd.DataFrame(
        {
            "label": given,
            "species_id": pd.array([number for number, _ in found], dtype="Int64"),
            "how": [how for _, how in found],
        }
    )
