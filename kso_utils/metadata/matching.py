"""What a scientific name means by the records that a register of names has for it.

Nothing is asked and nothing is opened here. A name is taken for what the register has under exactly that name; what
only looks like it is a suggestion, and where several taxa bear the name, what the lab knows of it decides, or nobody.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kso_utils.metadata.terms import NOT_A_TAXON
from kso_utils.metadata.worms import lsid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.core.report import Severity
    from kso_utils.metadata.worms import Record

    Row = dict[str, Any]

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")
MOST_CHARACTERS = 200
_EXACT = {"exact", "exact_subgenus"}
_WITHDRAWN = {"deleted", "quarantined"}
_QUALIFIER = re.compile(r"(?:spp?|cf|aff|nr|indet|gen)\.?\d*|\?+")
_SUBGENUS = re.compile(r" \([^)]*\)")
_MOST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A kind of finding about a name.

    Attributes
    ----------
    severity
        As in `Finding`.
    meaning
        What is wrong, in one sentence, without a place.
    fix
        What to do about it.
    """

    severity: Severity
    meaning: str
    fix: str


_CORRECT = "Correct the scientific name."
VERDICTS: dict[str, Verdict] = {
    "SCIENTIFIC_NAME_MISSING": Verdict(
        "info", "A label has no scientific name.", "If it is a taxon, fill in its name, or that of a higher taxon."
    ),
    "TAXON_MATCH_NONE": Verdict("warning", "WoRMS has no such name, and none like it.", _CORRECT),
    "TAXON_MATCH_FUZZY": Verdict(
        "warning", "WoRMS has no such name, but similar ones.", "Correct the spelling if one of them is meant."
    ),
    "TAXON_MATCH_AMBIGUOUS": Verdict(
        "warning",
        "Several taxa bear this name.",
        "Write the LSID of the one that is meant into scientificNameID, or fill in its kingdom to genus.",
    ),
    "TAXON_MATCH_HIGHERRANK": Verdict(
        "info", "Only the taxon above is named for certain (`sp.`, `cf.`).", "Nothing, if no more is known."
    ),
    "TAXON_NAME_NOT_ACCEPTED": Verdict(
        "info", "The name is a synonym; it is published under the accepted name.", "Nothing, or use the accepted name."
    ),
    "TAXON_ACCEPTED_NAME_MISSING": Verdict(
        "warning", "WoRMS has the name, but gives no accepted one for it.", "Use a name that is accepted."
    ),
    "TAXON_RANK_MISSING": Verdict("warning", "The rank of the taxon is not known.", "Fill in taxonRank."),
    "TAXON_NOT_ASKED": Verdict(
        "warning", "WoRMS was not asked about this name yet.", "Match the names once with a network connection."
    ),
    "SCIENTIFIC_NAME_AND_ID_INCONSISTENT": Verdict(
        "warning",
        "scientificNameID is that of another name.",
        "Empty the cell, or correct the scientific name; the cell was left as it is.",
    ),
    "TAXON_CLASSIFICATION_DIFFERS": Verdict(
        "warning", "The table has another rank or higher taxon than WoRMS.", "Correct the cell; it was left as it is."
    ),
}
"""Code -> what it means; those of GBIF where GBIF has the same issue."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask a register about a name as people write it.

    Attributes
    ----------
    name
        The part that names a taxon for certain; None where there is none.
    qualified
        Whether more was written, which only says that the species is not known (`Sebastes sp.`).
    """

    name: str | None
    qualified: bool = False


def read_name(text: object) -> Question:
    """Return what to ask about a name.

    Spaces are made single, and the name ends before `sp.`, `spp.`, `cf.`, `aff.`, `nr.`, `indet.`, `gen.` or `?`.
    Marks of emptiness, text longer than 200 characters, without a letter, or with control characters or colons (as
    LSIDs have) name nothing.
    """
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        return Question(None)
    words = unicodedata.normalize("NFC", text).split()
    known = next((i for i, word in enumerate(words) if _QUALIFIER.fullmatch(word.casefold())), len(words))
    name = " ".join(words[:known])
    plain = name.isprintable() and ":" not in name
    if name.casefold() in NOT_A_TAXON or not plain or not any(c.isalpha() for c in name):
        return Question(None)
    return Question(name, known < len(words))


def exact_records(name: str, records: Sequence[Record]) -> list[Record]:
    """Return the records that bear the name itself (with or without its author), each once."""
    found = {}
    for record in records:
        written = _SUBGENUS.sub("", str(record["scientificname"])).casefold()
        same = f"{_SUBGENUS.sub('', name).casefold()} ".startswith(f"{written} ")
        if same and record["match_type"] in _EXACT and record["status"] not in _WITHDRAWN:
            found[record["AphiaID"]] = record
    return list(found.values())


def accepted_id(record: Record, others: Mapping[int, Record | None]) -> tuple[int | None, bool]:
    """Follow a name to the accepted one.

    Parameters
    ----------
    record
        The name's record.
    others
        AphiaID -> its record, None where the register has none.

    Returns
    -------
    int or None
        The AphiaID of the accepted name; None where the register names none.
    bool
        Whether its record is at hand; if not, it is to be asked for.
    """
    here: Record | None = record
    for _ in range(_MOST_STEPS):
        if here is None or here["valid_AphiaID"] is None:
            return None, True
        following = int(here["valid_AphiaID"])
        if following == here["AphiaID"]:
            return following, True
        if following not in others:
            return following, False
        here = others[following]
    return None, True


def judge(
    question: Question,
    records: Sequence[Record] | None,
    others: Mapping[int, Record | None],
    known: Mapping[str, str] | None = None,
) -> Row:
    """Return what a name means.

    Parameters
    ----------
    question
        As `read_name` gives it.
    records
        The register's answer; None if it was not asked.
    others
        Records of accepted names, as in `accepted_id`.
    known
        What the lab knows of the name: any of `scientificNameID`, `taxonRank`, `kingdom` to `genus`.

    Returns
    -------
    dict
        `how`: `exact`, `higher` (the taxon above, for `sp.`), `near`, `ambiguous`, `none`, `not asked`, or `no name`;
        `code`: a key of `VERDICTS`, None for an accepted name; `publishable`; `status`, `accepted_name`, `aphia_id`,
        `scientificNameID`, `scientificNameAuthorship`, `taxonRank`, `kingdom` to `genus`: of the accepted name,
        absent where there is none; `candidates`: names that may be meant.
    """
    known = known or {}
    if question.name is None:
        return _row("no name", "SCIENTIFIC_NAME_MISSING")
    if records is None:
        return _row("not asked", "TAXON_NOT_ASKED")
    exact = exact_records(question.name, records)
    if not exact:
        code = "TAXON_MATCH_FUZZY" if records else "TAXON_MATCH_NONE"
        return _row("near" if records else "none", code, candidates=_name_all(records))
    meant = _choose(exact, others, known)
    ends = {accepted_id(record, others) for record in meant}
    if len(ends) > 1:
        return _row("ambiguous", "TAXON_MATCH_AMBIGUOUS", candidates=_name_all(exact))
    number, at_hand = ends.pop()
    status = meant[0]["status"]
    how = "higher" if question.qualified else "exact"
    if not at_hand:
        return _row("not asked", "TAXON_NOT_ASKED", status=status)
    if number is None:
        return _row(how, "TAXON_ACCEPTED_NAME_MISSING", status=status, candidates=_name_all(exact))
    accepted = next((record for record in meant if record["AphiaID"] == number), others.get(number))
    assert accepted is not None  # noqa: S101 - accepted_id ends at a record
    return _row_of(accepted, how, status, known, meant, _name_all(exact) if len(exact) > 1 else None)


def _choose(exact: list[Record], others: Mapping[int, Record | None], known: Mapping[str, str]) -> list[Record]:
    """Return the records that may be meant: by the lab's LSID, else by its higher taxa, else the accepted ones."""
    wanted = known.get("scientificNameID")
    if wanted:
        ends = [(record, accepted_id(record, others)[0]) for record in exact]
        named = [record for record, end in ends if wanted in (_lsid(record), lsid(end) if end else None)]
        if named:
            return named
    fitting = [record for record in exact if not _contradictions(record, known)] or exact
    return [record for record in fitting if record["status"] == "accepted"] or fitting


def _contradictions(record: Record, known: Mapping[str, str]) -> list[str]:
    return [
        rank
        for rank in RANKS
        if known.get(rank) and record[rank] and str(known[rank]).casefold() != str(record[rank]).casefold()
    ]


def _row_of(
    accepted: Record,
    how: str,
    status: str | int | None,
    known: Mapping[str, str],
    meant: list[Record],
    candidates: str | None,
) -> Row:
    rank = str(accepted["rank"]).lower() if accepted["rank"] else known.get("taxonRank")
    code = None
    if not rank:
        code = "TAXON_RANK_MISSING"
    elif how == "higher":
        code = "TAXON_MATCH_HIGHERRANK"
    elif accepted["AphiaID"] not in {record["AphiaID"] for record in meant}:
        code = "TAXON_NAME_NOT_ACCEPTED"
    return _row(
        how,
        code,
        publishable=bool(rank),
        status=status,
        accepted_name=accepted["scientificname"],
        aphia_id=accepted["AphiaID"],
        scientificNameID=_lsid(accepted),
        scientificNameAuthorship=accepted["authority"],
        taxonRank=rank,
        **{name: accepted[name] for name in RANKS},
        candidates=candidates,
    )


def _row(how: str, code: str | None, publishable: bool = False, **values: Any) -> Row:
    return {"how": how, "code": code, "publishable": publishable, **values}


def _lsid(record: Record) -> str:
    return str(record["lsid"] or lsid(int(record["AphiaID"] or 0)))


def _name_all(records: Sequence[Record]) -> str | None:
    """Return names, authors, status and LSIDs as a person compares them; None where there is none."""
    named = {
        f"{record['scientificname']} {record['authority'] or ''}".strip()
        + f" ({', '.join(str(v) for v in (record['status'], record['kingdom'], _lsid(record)) if v)})": None
        for record in records
    }
    return "; ".join(named) or None
