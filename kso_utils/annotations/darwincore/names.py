"""The taxa behind labels, and the labels that cannot be published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.darwincore.text import plain
from kso_utils.core.report import Finding
from kso_utils.metadata.taxa import find_taxa, match_labels
from kso_utils.metadata.terms import NON_TAXON_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kso_utils.core.report import Severity

TAXON_TERMS = (
    *("scientificName", "scientificNameID", "scientificNameAuthorship", "taxonRank"),
    *("kingdom", "phylum", "class", "order", "family", "genus", "vernacularName", "verbatimIdentification"),
)
"""What an occurrence says of its taxon."""

_MOST_STEPS = 5
_JOIN = " | "


@dataclass(frozen=True, slots=True)
class Taxa:
    """What labels mean.

    Attributes
    ----------
    of_label
        Label -> taxon, for the labels that can be published.
    terms
        Taxon -> its terms.
    findings
        The labels that cannot be published.
    """

    of_label: dict[str, str]
    terms: dict[str, dict[str, str]]
    findings: list[Finding]


def find_names(labels: Iterable[str], species: pd.DataFrame, matches: pd.DataFrame | None = None) -> Taxa:
    """Find the taxon of each label.

    A synonym is published under the name that is accepted for it: that of the register, else that of `accepted_id`.
    Labels of one taxon share it.

    Parameters
    ----------
    labels
        What people and models may answer.
    species
        Rows of the store's table of species.
    matches
        What a register says of them: `species_id, how, code, publishable, accepted_name` and terms of the accepted
        name. A species that it has no such name for cannot be published; one that was never asked for is published
        as the table has it.
    """
    told = {} if matches is None else matches.set_index("species_id").to_dict("index")
    given = sorted(set(labels))
    rows = species.set_index("id").to_dict("index")
    taxa = dict(zip(species["id"], find_taxa(species) & species["is_taxon"].astype(bool), strict=True))
    of_label: dict[str, str] = {}
    terms: dict[str, dict[str, str]] = {}
    findings = []
    for label, number in zip(given, match_labels(given, species)["species_id"], strict=True):
        if pd.isna(number):
            findings.append(_finding("LABEL_WITHOUT_SPECIES", "warning", label))
            continue
        if not taxa[number]:
            nothing = plain(rows[number]["zoo_label"]) in NON_TAXON_LABELS
            findings.append(
                _finding("LABEL_NOT_A_TAXON", "info", label)
                if nothing
                else _finding("SCIENTIFIC_NAME_MISSING", "warning", label)
            )
            continue
        match = told.get(number)
        asked = match is not None and match["how"] != "not asked"
        if matches is not None and not asked:
            findings.append(_finding("TAXON_NOT_ASKED", "warning", label))
        if match is not None and asked and not match["publishable"]:
            findings.append(_finding("TAXON_NOT_PUBLISHABLE", "warning", label, plain(match["code"])))
            continue
        accepted = _registered(match) if match is not None and asked else _accepted(rows, int(number))
        name = plain(accepted["scientificName"])
        of_label[label] = name
        here = _terms(accepted, plain(rows[number]["vernacularName"]), label)
        terms[name] = _merge(terms[name], here) if name in terms else here
    return Taxa(of_label, terms, findings)


def _accepted(rows: dict[Any, dict[Any, Any]], number: int) -> dict[Any, Any]:
    row = rows[number]
    for _ in range(_MOST_STEPS):
        following = rows.get(row["accepted_id"])
        if following is None or not plain(following["scientificName"]):
            break
        row = following
    return row


def _registered(match: dict[Any, Any]) -> dict[Any, Any]:
    return {**match, "scientificName": match["accepted_name"]}


def _terms(row: dict[Any, Any], vernacular: str, label: str) -> dict[str, str]:
    found = {term: plain(row.get(term)) for term in TAXON_TERMS}
    return found | {"vernacularName": vernacular, "verbatimIdentification": label}


def _merge(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    merged = {term: one[term] or other[term] for term in TAXON_TERMS}
    for term in ("vernacularName", "verbatimIdentification"):
        merged[term] = _JOIN.join(dict.fromkeys([*one[term].split(_JOIN), other[term]]))
    return merged


_SAID = {
    "LABEL_WITHOUT_SPECIES": (
        "No species bears the label {!r}; what was marked with it is not published.",
        "Add it to the table of species, with its scientific name if it is a taxon.",
    ),
    "SCIENTIFIC_NAME_MISSING": (
        "The label {!r} has no scientific name; what was marked with it is not published.",
        "Fill in its scientific name if it is a taxon.",
    ),
    "TAXON_NOT_ASKED": (
        "The register was never asked for the taxon of {!r}; it is published as the table has it.",
        "Match the names to WoRMS: kso taxa.",
    ),
    "TAXON_NOT_PUBLISHABLE": (
        "The register knows no taxon for {!r} ({}); what was marked with it is not published.",
        "Correct its scientific name.",
    ),
    "LABEL_NOT_A_TAXON": ("The label {!r} is no taxon; it is never an occurrence.", ""),
}


def _finding(code: str, severity: Severity, label: str, why: str = "") -> Finding:
    message, fix = _SAID[code]
    return Finding("species", None, "vernacularName", code, severity, label, message.format(label, why), fix)
