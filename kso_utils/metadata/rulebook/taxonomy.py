"""Scientific names: how they are written, their ranks, kingdoms and higher taxa."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from kso_utils.metadata.rulebook.keys import find_similar
from kso_utils.metadata.rules import advise, check, hits
from kso_utils.metadata.taxa import find_taxa
from kso_utils.metadata.terms import COARSE_RANKS, KINGDOMS, RANKS
from kso_utils.metadata.values import is_mark, map_distinct, matches, to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kso_utils.metadata.rules import Hit, Tables
    from kso_utils.metadata.values import Cells, Mask

_LEVELS = ("kingdom", "phylum", "class", "order", "family", "genus")
_LSID = re.compile(r"urn:lsid:marinespecies\.org:taxname:[1-9]\d{0,8}")
_APHIA = re.compile(r"(?:.*marinespecies\.org.*[=:/])?([1-9]\d{2,8})", re.IGNORECASE)
_QUALIFIER = re.compile(r"(?<![^\s(])(?:cf|aff|nr|sp|spp|ssp|indet|gen|det|juv)\.?(?![^\s)\d])|\?", re.IGNORECASE)
_AUTHOR = re.compile(
    r"^([A-Z][a-z-]+(?: \([A-Z][a-z-]+\))?(?: [a-z][a-z-]+){0,2}),? [(]?(?:(?:de|von|van|le|d') ?)?[A-ZÀ-Þ].*$"
)
_NAME = re.compile(
    r"[A-ZÆŒ][a-zëïöüæœ-]+(?: \([A-Z][a-z-]+\))?(?: (?:(?:subsp|var|f)\. )?(?:x |\u00d7 )?[a-zëïöüæœ-]+){0,3}"
)
_TWO_WORDS = re.compile(r"[A-Z][a-z-]+(?: \([A-Z][a-z-]+\))? [a-z-]+")
_LOW_RANKS = frozenset({"species", "subspecies", "variety", "form"})


def _names(tables: Tables) -> tuple[pd.DataFrame, Cells] | None:
    """Return the species and their scientific names, missing where the row is no taxon."""
    species = tables.get("species")
    if species is None or not {"vernacularName", "scientificName"} <= set(species):
        return None
    return species, to_text(species["scientificName"]).where(find_taxa(species))


@check(
    "SCIENTIFIC_NAME_QUALIFIED",
    "warning",
    "A scientific name holds a doubt (sp., cf., aff., ?), which no register of names knows.",
    "Write the name that is certain, and its rank; the doubt belongs into a remark.",
)
def _qualified(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _names(tables):
        species, names = found
        wrong = matches(names, _QUALIFIER)
        advised = species.assign(_fix=advise(map_distinct(names.where(wrong), _certain), "Write {}, with its rank."))
        message = "{vernacularName} has the scientific name {value}, which is not certain."
        yield from hits("species", advised, "scientificName", wrong, message, "{_fix}")


def _certain(name: str) -> str | None:
    """Return the part of a name that comes before the doubt, None if that is no name."""
    first = _QUALIFIER.split(name)[0].strip(" (")
    return first if _NAME.fullmatch(first) else None


@check(
    "SCIENTIFIC_NAME_WITH_AUTHOR",
    "warning",
    "A scientific name holds its author or year, so that it equals no name without.",
    "Write the name alone.",
)
def _with_author(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _names(tables):
        species, names = found
        alone = map_distinct(names, _without_author)
        wrong = alone.notna() & ~matches(names, _QUALIFIER)
        message = "{vernacularName} has the scientific name {value}, which holds an author."
        yield from hits("species", species.assign(_fix=advise(alone)), "scientificName", wrong, message, "{_fix}")


def _without_author(name: str) -> str | None:
    found = None if _NAME.fullmatch(name) or _is_miscased(name) else _AUTHOR.match(name)
    return found[1] if found else None


@check(
    "SCIENTIFIC_NAME_CAPITALS",
    "warning",
    "A scientific name does not begin with a capital letter, or has capitals elsewhere.",
    "Write the first letter of the genus as a capital, all others small.",
)
def _capitals(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _names(tables):
        species, names = found
        wrong = map_distinct(names, _is_miscased).eq(True)
        advised = species.assign(_fix=advise(names.str.capitalize()))
        message = "{vernacularName} has the scientific name {value}, with capitals in wrong places."
        yield from hits("species", advised, "scientificName", wrong, message, "{_fix}")


def _is_miscased(name: str) -> bool:
    """Return whether a name without author has its capitals elsewhere (`Gadus Morhua` has no author Morhua)."""
    words = name.split(" ")
    plain = len(words) <= 3 and all(word.isalpha() for word in words)
    if not plain or name == name.capitalize():
        return False
    # "Gadus Linnaeus" and "Gadus morhua Linnaeus" are authors, "Gadus Morhua" with a small-letter ending is not told.
    return name[0].islower() or name.isupper() or (len(words) == 2 and words[1].lower().endswith(_EPITHET_ENDINGS))


_EPITHET_ENDINGS = ("a", "um", "is", "ii", "ae", "ens", "alis", "oides")


@check(
    "SCIENTIFIC_NAME_UNPARSABLE",
    "warning",
    "A scientific name is not built as one: one word, or genus and species, in Latin letters.",
    "Write a name as WoRMS has it (Gadus morhua; Actinopterygii); one name in a row.",
)
def _unparsable(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if found := _names(tables):
        species, names = found
        sound = map_distinct(
            names, lambda name: bool(_NAME.fullmatch(name) or _AUTHOR.match(name)) or _is_miscased(name)
        )
        wrong = sound.eq(False) & ~matches(names, _QUALIFIER)
        message = "{vernacularName} has the scientific name {value}, which is not built as one."
        yield from hits("species", species, "scientificName", wrong, message)


@check(
    "KINGDOM_UNKNOWN",
    "warning",
    "A kingdom is none of those of WoRMS and GBIF.",
    f"Write one of {', '.join(sorted(KINGDOMS))}.",
)
def _kingdom(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown_word(tables, "kingdom", "kingdom", lambda words: words.isin(KINGDOMS), KINGDOMS)


def _unknown_word(
    tables: Tables, column: str, noun: str, is_known: Callable[[Cells], Mask], known: Iterable[str]
) -> Iterator[Hit]:
    """Yield the taxa whose kingdom or rank is none that is known, with the known one that it is like."""
    if (found := _names(tables)) and column in found[0]:
        species, names = found
        words = to_text(species[column]).where(names.notna())
        wrong = words.notna() & ~is_known(words) & ~is_mark(words)
        meant = words.where(wrong).map(find_similar(words[wrong].unique(), sorted(known)))
        message = f"{{vernacularName}} has the {noun} {{value}}, which is not known."
        yield from hits("species", species.assign(_fix=advise(meant)), column, wrong, message, "{_fix}")


@check(
    "RANK_INVALID",
    "warning",
    "A rank is none of those that Darwin Core and GBIF know.",
    "Write it in English: species, genus, family, order, class, phylum.",
)
def _rank(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    yield from _unknown_word(tables, "taxonRank", "rank", lambda words: words.str.lower().isin(RANKS), RANKS)


@check(
    "RANK_COARSE",
    "info",
    "A taxon is coarser than a family: what is seen of it says little, and is published as that taxon alone.",
    "Name the species where it can be told; otherwise leave it so.",
)
def _coarse(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if (found := _names(tables)) and "taxonRank" in found[0]:
        species, names = found
        wrong = names.notna() & to_text(species["taxonRank"]).str.lower().isin(COARSE_RANKS)
        message = "{vernacularName} is {scientificName}, of the rank {value}."
        yield from hits("species", species, "taxonRank", wrong, message)


@check(
    "RANK_CONTRADICTED",
    "warning",
    "A rank does not fit the name: a species has two words, a genus or higher taxon one.",
    "Correct the rank or the name.",
)
def _rank_contradicted(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    if (found := _names(tables)) and "taxonRank" in found[0]:
        species, names = found
        ranks = to_text(species["taxonRank"]).str.lower()
        single = matches(names, re.compile(r"^[A-Z][a-z-]+$"))
        several = map_distinct(names, lambda name: _TWO_WORDS.match(name) is not None).eq(True)
        high = ranks.isin(RANKS) & ~ranks.isin(_LOW_RANKS)
        wrong = (ranks.isin(_LOW_RANKS) & single) | (high & several)
        yield from hits("species", species, "taxonRank", wrong, "{scientificName} is said to be of the rank {value}.")


@check(
    "CLASSIFICATION_CONTRADICTED",
    "warning",
    "One taxon belongs to two higher taxa (a genus to two families), or a species to a genus that is not its own.",
    "Look it up in WoRMS, and give all rows the same.",
)
def _classification(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    found = _names(tables)
    if not found:
        return
    species, names = found
    taxa = {level: to_text(species[level]).where(names.notna()) for level in _LEVELS if level in species}
    taxa = {level: cells.mask(is_mark(cells)) for level, cells in taxa.items()}
    genus = names.where(matches(names, _TWO_WORDS))
    genus = map_distinct(genus, lambda name: name.partition(" ")[0])
    if "genus" in taxa:
        wrong = genus.notna() & taxa["genus"].notna() & genus.ne(taxa["genus"])
        yield from hits("species", species, "genus", wrong, "{scientificName} is said to be of the genus {value}.")
    taxa["genus"] = taxa["genus"].fillna(genus) if "genus" in taxa else genus
    for high, low in zip(list(taxa)[:-1], list(taxa)[1:], strict=True):
        pairs = pd.DataFrame({"low": taxa[low], "high": taxa[high]}).dropna()
        usual = pairs.groupby("low")["high"].agg(lambda cells: cells.value_counts().index[0])
        expected = taxa[low].map(usual)
        wrong = expected.notna() & taxa[high].notna() & expected.ne(taxa[high])
        shown = species.assign(_low=taxa[low], _usual=expected)
        message = f"{{_low}} is of the {high} {{value}} here, elsewhere of {{_usual}}."
        yield from hits("species", shown, high, wrong, message)


@check(
    "SCIENTIFIC_NAME_ID_INVALID",
    "warning",
    "The id of a scientific name is not one of WoRMS (urn:lsid:marinespecies.org:taxname:126436), which OBIS demands.",
    "Write the LSID that WoRMS shows for the name.",
)
def _name_id(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    species = tables.get("species")
    if species is not None and "scientificNameID" in species:
        cells = to_text(species["scientificNameID"])
        sound = map_distinct(cells, lambda text: _LSID.fullmatch(text) is not None)
        wrong = sound.eq(False) & ~is_mark(cells)
        advised = species.assign(_fix=advise(map_distinct(cells.where(wrong), _lsid)))
        message = "{column} is {value}, which is no LSID of WoRMS."
        yield from hits("species", advised, "scientificNameID", wrong, message, "{_fix}")


def _lsid(text: str) -> str | None:
    found = _APHIA.fullmatch(text)
    return f"urn:lsid:marinespecies.org:taxname:{found[1]}" if found else None
