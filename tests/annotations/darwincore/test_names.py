import pandas as pd

from kso_utils.annotations.darwincore.names import find_names

COLUMNS = ["id", "vernacularName", "zoo_label", "scientificName", "is_taxon", "accepted_id"]
SPECIES = pd.DataFrame(
    [
        (1, "Nothing here", "NOTHINGHERE", None, False, None),
        (2, "Cod", "COD", "Gadus morhua", True, None),
        (3, "Young cod", "YOUNGCOD", "Gadus morhua", True, None),
        (4, "Torsk", "TORSK", "Gadus callarias", True, 2),
        (5, "Bare", "BARE", None, True, None),
        (6, "Round", "ROUND", "Round round", True, 6),
    ],
    columns=COLUMNS,
).astype({"accepted_id": "Int64"})


def test_labels_of_one_taxon_share_it():
    found = find_names(["Cod", "Young cod"], SPECIES)
    assert found.of_label == {"Cod": "Gadus morhua", "Young cod": "Gadus morhua"}
    assert found.terms["Gadus morhua"]["vernacularName"] == "Cod | Young cod"


def test_a_synonym_is_published_under_its_accepted_name():
    found = find_names(["TORSK"], SPECIES)
    assert found.of_label == {"TORSK": "Gadus morhua"}
    assert found.terms["Gadus morhua"]["verbatimIdentification"] == "TORSK"


def test_a_name_that_accepts_itself_ends_there():
    assert find_names(["Round"], SPECIES).of_label == {"Round": "Round round"}


def test_labels_that_cannot_be_published_are_told():
    found = find_names(["Nothing here", "Stone", "Bare", "Cod"], SPECIES)
    assert {(f.code, f.value) for f in found.findings} == {
        ("LABEL_NOT_A_TAXON", "Nothing here"),
        ("SCIENTIFIC_NAME_MISSING", "Bare"),
        ("LABEL_WITHOUT_SPECIES", "Stone"),
    }
    assert list(found.of_label) == ["Cod"]


def matched(*rows):
    columns = ["species_id", "how", "code", "publishable", "accepted_name", "scientificNameID", "taxonRank"]
    return pd.DataFrame(rows, columns=columns)


def test_a_register_gives_the_accepted_name_and_its_identifier():
    told = matched((4, "exact", "TAXON_NAME_NOT_ACCEPTED", True, "Gadus morhua", "urn:1", "Species"))
    found = find_names(["Torsk"], SPECIES, told)
    assert found.of_label == {"Torsk": "Gadus morhua"}
    terms = found.terms["Gadus morhua"]
    assert (terms["scientificNameID"], terms["taxonRank"], terms["kingdom"]) == ("urn:1", "Species", "")
    assert found.findings == []


def test_what_a_register_does_not_know_cannot_be_published():
    found = find_names(["Round"], SPECIES, matched((6, "none", "TAXON_MATCH_NONE", False, None, None, None)))
    assert found.of_label == {}
    assert [(f.code, f.value) for f in found.findings] == [("TAXON_NOT_PUBLISHABLE", "Round")]
    assert "TAXON_MATCH_NONE" in found.findings[0].message


def test_what_a_register_was_never_asked_for_is_published_as_the_table_has_it():
    found = find_names(["Cod"], SPECIES, matched((2, "not asked", "TAXON_NOT_ASKED", False, None, None, None)))
    assert found.of_label == {"Cod": "Gadus morhua"}
    assert [f.code for f in found.findings] == ["TAXON_NOT_ASKED"]
