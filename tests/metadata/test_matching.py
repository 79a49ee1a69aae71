from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.metadata.matching import VERDICTS, Question, accepted_id, exact_records, judge, read_name
from kso_utils.metadata.worms import Record, lsid
from kso_utils.testing.worms import COD, FIRST_INVENTED, make_record

ANIMAL = make_record(FIRST_INVENTED + 1, "Inventa ambigua")
PLANT = make_record(FIRST_INVENTED + 2, "Inventa ambigua", kingdom="Plantae", phylum="Ficta")
NEW = make_record(FIRST_INVENTED + 3, "Inventa nova")
OLD = make_record(FIRST_INVENTED + 4, "Inventa vetus", accepted=NEW)
NEW_ID = FIRST_INVENTED + 3


def exactly(*records: Record) -> list[Record]:
    return [record | {"match_type": "exact"} for record in records]


@pytest.mark.parametrize(
    ("text", "name", "qualified"),
    [
        ("Gadus morhua", "Gadus morhua", False),
        ("  Gadus \t morhua\n", "Gadus morhua", False),
        ("Gadus morhua Linnaeus, 1758", "Gadus morhua Linnaeus, 1758", False),
        ("Sebastes sp.", "Sebastes", True),
        ("Sebastes SPP", "Sebastes", True),
        ("Sebastes sp2", "Sebastes", True),
        ("Sebastes cf. norvegicus", "Sebastes", True),
        ("Porifera indet.", "Porifera", True),
        ("Gadus morhua ?", "Gadus morhua", True),
        ("Gadus morhua subsp. kildinensis", "Gadus morhua subsp. kildinensis", False),
        ("A\u030alesunda", "\u00c5lesunda", False),
    ],
)
def test_what_is_asked_is_the_part_that_is_certain(text: str, name: str, qualified: bool) -> None:
    assert read_name(text) == Question(name, qualified)


@pytest.mark.parametrize(
    "text",
    [
        None,
        3,
        float("nan"),
        "",
        "  ",
        "NA",
        "not applicable",
        "???",
        "sp.",
        "12",
        "Ga\0dus",
        "\ud800a",
        "x" * 201,
        lsid(1),
    ],
)
def test_what_names_nothing_is_not_asked(text: object) -> None:
    assert read_name(text) == Question(None)


@given(st.text(max_size=300))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_text_can_be_read(text: str) -> None:
    name = read_name(text).name
    assert name is None or (read_name(name) == Question(name) and name.encode() and name.isprintable())


def test_an_accepted_name_is_taken() -> None:
    row = judge(read_name("Gadus morhua"), [COD], {})
    assert (row["how"], row["code"], row["publishable"]) == ("exact", None, True)
    assert (row["scientificNameID"], row["taxonRank"], row["kingdom"]) == (lsid(126436), "species", "Animalia")
    assert row["scientificNameAuthorship"] == "Linnaeus, 1758"


def test_a_synonym_leads_to_the_accepted_name() -> None:
    row = judge(read_name("Inventa vetus"), exactly(OLD), {NEW_ID: NEW})
    assert (row["code"], row["publishable"], row["status"]) == ("TAXON_NAME_NOT_ACCEPTED", True, "unaccepted")
    assert (row["accepted_name"], row["scientificNameID"]) == ("Inventa nova", lsid(NEW_ID))


def test_a_synonym_whose_accepted_name_is_not_at_hand_was_not_asked() -> None:
    row = judge(read_name("Inventa vetus"), exactly(OLD), {})
    assert (row["how"], row["code"], row["publishable"]) == ("not asked", "TAXON_NOT_ASKED", False)


@pytest.mark.parametrize("others", [{NEW_ID: None}, {NEW_ID: NEW | {"valid_AphiaID": None}}])
def test_a_synonym_of_nothing_cannot_be_published(others: dict[int, Record | None]) -> None:
    row = judge(read_name("Inventa vetus"), exactly(OLD), others)
    assert (row["code"], row["publishable"]) == ("TAXON_ACCEPTED_NAME_MISSING", False)


def test_synonyms_in_a_circle_lead_nowhere() -> None:
    other = NEW | {"valid_AphiaID": OLD["AphiaID"]}
    assert accepted_id(OLD, {NEW_ID: other, FIRST_INVENTED + 4: OLD}) == (None, True)


def test_the_genus_is_taken_where_the_species_is_not_known() -> None:
    row = judge(read_name("Gadus sp."), exactly(make_record(FIRST_INVENTED, "Gadus", rank="Genus")), {})
    assert (row["how"], row["code"], row["publishable"]) == ("higher", "TAXON_MATCH_HIGHERRANK", True)
    assert (row["accepted_name"], row["taxonRank"]) == ("Gadus", "genus")


def test_a_similar_name_is_a_suggestion_only() -> None:
    row = judge(read_name("Gadus morha"), [COD | {"match_type": "near_1"}], {})
    assert (row["how"], row["code"], row["publishable"]) == ("near", "TAXON_MATCH_FUZZY", False)
    assert "accepted_name" not in row
    assert row["candidates"] == f"Gadus morhua Linnaeus, 1758 (accepted, Animalia, {lsid(126436)})"


def test_an_exact_match_of_another_name_is_a_suggestion_only() -> None:
    assert judge(read_name("Gadus morhua"), exactly(NEW), {})["how"] == "near"


@pytest.mark.parametrize("kind", ["near_1", "phonetic", "like", "match_quarantine", None])
def test_the_register_itself_must_call_a_match_exact(kind: str | None) -> None:
    assert exact_records("Gadus morhua", [COD | {"match_type": kind}]) == []


@pytest.mark.parametrize("status", ["deleted", "quarantined"])
def test_a_name_that_was_withdrawn_is_a_suggestion_only(status: str) -> None:
    assert judge(read_name("Gadus morhua"), [COD | {"status": status}], {})["how"] == "near"


def test_a_subgenus_does_not_make_another_name() -> None:
    record = make_record(FIRST_INVENTED, "Inventa (Subinventa) nova", match_type="exact_subgenus")
    assert exact_records("Inventa nova", [record]) == [record]


def test_nothing_found_is_none() -> None:
    row = judge(read_name("Gadus morhua"), [], {})
    assert (row["how"], row["code"], row["publishable"]) == ("none", "TAXON_MATCH_NONE", False)


def test_taxa_of_one_name_are_told_and_none_is_taken() -> None:
    row = judge(read_name("Inventa ambigua"), exactly(ANIMAL, PLANT), {})
    assert (row["how"], row["code"], row["publishable"]) == ("ambiguous", "TAXON_MATCH_AMBIGUOUS", False)
    assert "Plantae" in row["candidates"]
    assert "Animalia" in row["candidates"]


@pytest.mark.parametrize(
    "known", [{"kingdom": "plantae"}, {"phylum": "Ficta"}, {"scientificNameID": lsid(FIRST_INVENTED + 2)}]
)
def test_what_the_lab_knows_decides_between_taxa_of_one_name(known: dict[str, str]) -> None:
    row = judge(read_name("Inventa ambigua"), exactly(ANIMAL, PLANT), {}, known)
    assert (row["aphia_id"], row["publishable"]) == (FIRST_INVENTED + 2, True)
    assert "Animalia" in row["candidates"]


def test_what_fits_no_taxon_decides_nothing() -> None:
    known = {"kingdom": "Fungi", "scientificNameID": lsid(1)}
    assert judge(read_name("Inventa ambigua"), exactly(ANIMAL, PLANT), {}, known)["how"] == "ambiguous"


def test_an_accepted_name_comes_before_a_synonym_of_the_same_spelling() -> None:
    synonym = make_record(FIRST_INVENTED + 5, "Inventa ambigua", accepted=NEW)
    assert judge(read_name("Inventa ambigua"), exactly(synonym, ANIMAL), {NEW_ID: NEW})["aphia_id"] == ANIMAL["AphiaID"]


def test_two_synonyms_of_one_taxon_are_not_ambiguous() -> None:
    twice = [make_record(FIRST_INVENTED + n, "Inventa vetus", accepted=NEW) for n in (5, 6)]
    assert judge(read_name("Inventa vetus"), exactly(*twice), {NEW_ID: NEW})["accepted_name"] == "Inventa nova"


def test_the_lsid_of_the_synonym_chooses_it_too() -> None:
    other = make_record(FIRST_INVENTED + 5, "Inventa vetus")
    known = {"scientificNameID": str(OLD["lsid"])}
    assert judge(read_name("Inventa vetus"), exactly(OLD, other), {NEW_ID: NEW}, known)["aphia_id"] == NEW_ID


@pytest.mark.parametrize(("known", "publishable"), [({}, False), ({"taxonRank": "species"}, True)])
def test_a_taxon_without_a_rank_takes_the_one_of_the_table(known: dict[str, str], publishable: bool) -> None:
    row = judge(read_name("Gadus morhua"), [COD | {"rank": None}], {}, known)
    assert row["publishable"] is publishable
    assert row["code"] == (None if publishable else "TAXON_RANK_MISSING")


def test_an_identifier_is_made_where_a_record_has_none() -> None:
    assert judge(read_name("Gadus morhua"), [COD | {"lsid": None}], {})["scientificNameID"] == lsid(126436)


def test_every_code_says_what_to_do() -> None:
    assert all(verdict.meaning and verdict.fix for verdict in VERDICTS.values())
