from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.core import retries
from kso_utils.core.errors import ArchiveError, ConfigError, Interrupted
from kso_utils.metadata import matching, taxa_cache
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.tables import load_tables
from kso_utils.metadata.taxa import (
    MATCH_COLUMNS,
    check_taxa,
    fill_taxa,
    find_taxa,
    match_labels,
    match_species,
    match_taxa,
    unpublishable,
    write_taxa,
    zoo_label,
)
from kso_utils.metadata.worms import lsid
from kso_utils.store.engine import Store, open_store
from kso_utils.testing.worms import COD, FIRST_INVENTED, Fault, Register, make_record, serve_worms

KOSTER = tomllib.loads((Path(__file__).parent / "koster.toml").read_text(encoding="utf-8"))["tables"]
NEW = make_record(FIRST_INVENTED, "Inventa nova")
OLD = make_record(FIRST_INVENTED + 1, "Inventa vetus", accepted=NEW)
OLDER = make_record(FIRST_INVENTED + 2, "Inventa prisca", accepted=OLD)
GENUS = make_record(FIRST_INVENTED + 3, "Inventa", rank="Genus")
TWINS = [
    make_record(FIRST_INVENTED + 4, "Ambigua gemina"),
    make_record(FIRST_INVENTED + 5, "Ambigua gemina", kingdom="Plantae"),
]
RECORDS = [COD, NEW, OLD, OLDER, GENUS, *TWINS]

SPECIES = pd.DataFrame(
    {
        "id": [3, 5, 8],
        "zoo_label": ["DEADMANSFINGERS", "SUNSTAR", "NOTHINGHERE"],
        "vernacularName": ["Dead man's fingers", "Common sun star", "Nothing here"],
        "scientificName": ["Alcyonium digitatum", "Crossaster papposus", None],
    }
)


@pytest.mark.parametrize(
    ("label", "number", "how"),
    [
        ("DEADMANSFINGERS", 3, "zoo_label"),
        ("dead_mans-fingers", 3, "zoo_label"),
        ("Common Sun Star", 5, "vernacular"),
        ("crossaster papposus", 5, "scientific"),
        ("nothing here", 8, "zoo_label"),
        ("Crossaster", None, "none"),
        ("", None, "none"),
    ],
)
def test_a_label_finds_its_species(label: str, number: int | None, how: str) -> None:
    (row,) = match_labels([label], SPECIES).to_dict("records")
    assert row["how"] == how
    assert row["label"] == label
    assert row["species_id"] == number if number else pd.isna(row["species_id"])


def test_labels_keep_their_order_and_repetitions() -> None:
    matched = match_labels(["SUNSTAR", "squid", "SUNSTAR"], SPECIES)
    assert matched["label"].tolist() == ["SUNSTAR", "squid", "SUNSTAR"]
    assert matched["species_id"].dtype == "Int64"
    assert matched["species_id"].isna().tolist() == [False, True, False]


def test_no_labels_give_an_empty_table() -> None:
    assert list(match_labels([], SPECIES)) == ["label", "species_id", "how"]


def test_a_zoo_label_comes_before_a_name() -> None:
    species = pd.DataFrame({"id": [1, 2], "zoo_label": ["CRAB", "COD"], "vernacularName": ["Cod", "Torsk"]})
    assert match_labels(["cod"], species)["species_id"].tolist() == [2]


def test_a_name_of_two_species_means_neither() -> None:
    species = pd.DataFrame(
        {"id": [1, 2], "vernacularName": ["Sunstar", "Sun star"], "scientificName": ["Solaster"] * 2}
    )
    assert match_labels(["sunstar", "Solaster", "squid"], species)["how"].tolist() == ["ambiguous", "ambiguous", "none"]
    assert match_labels(["sunstar", "Solaster"], species)["species_id"].isna().all()


def test_a_name_that_is_ambiguous_further_on_is_not_where_it_is_found_first() -> None:
    species = pd.DataFrame(
        {"id": [1, 2, 3], "vernacularName": ["Solaster", "a", "b"], "scientificName": [None, "Solaster", "Solaster"]}
    )
    assert match_labels(["solaster"], species).to_dict("records") == [
        {"label": "solaster", "species_id": 1, "how": "vernacular"}
    ]


def test_real_species_are_found_by_label_and_by_name(koster: Path) -> None:
    species = load_tables(koster, **KOSTER)["species"]
    by_name = match_labels(species["vernacularName"], species)
    assert by_name.loc[by_name["how"] != "vernacular", "label"].tolist() == ["Common sunstar", "Common sun star"]
    by_science = match_labels(species["scientificName"], species)
    assert set(by_science.loc[by_science["how"] == "ambiguous", "label"]) == {
        "Crossaster papposus",
        "Porania pulvillus",
    }
    assert set(by_science.loc[by_science["how"] == "none", "label"]) == {"Not applicable"}


def test_letters_of_all_languages_count() -> None:
    assert zoo_label("Ro\u0308d kora\u0308ll (2)") == "R\u00d6DKOR\u00c4LL2"


@given(st.text())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_label_is_cleaned_once_for_all(name: str) -> None:
    assert zoo_label(zoo_label(name)) == zoo_label(name)


@pytest.mark.parametrize(
    ("name", "scientific", "taxon"),
    [
        ("Cod", "Gadus morhua", True),
        ("Other", "Animalia", True),
        ("Cod", None, False),
        ("Litter", "Not applicable", False),
        ("Nothing here", "Animalia", False),
        ("Litter", "NA", False),
    ],
)
def test_a_taxon_has_a_scientific_name(name: str, scientific: str | None, taxon: bool) -> None:
    species = pd.DataFrame({"vernacularName": [name], "scientificName": [scientific]})
    assert find_taxa(species).tolist() == [taxon]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    with serve_worms(RECORDS) as running:
        yield running


LAB = {
    "Cod": "Gadus morhua",
    "Old one": "Inventa vetus",
    "New one": "Inventa nova",
    "Oldest one": "Inventa prisca",
    "Some one": "Inventa sp.",
    "Twin": "Ambigua gemina",
    "Cod too": "Gadus morha",
    "Sea serpent": "Serpens fabulosus",
    "Litter": None,
    "Nothing here": None,
}


@pytest.fixture
def lab(store: Store) -> Store:
    """A store with a species of every kind."""
    rows = {"vernacularName": list(LAB), "zoo_label": [zoo_label(n) for n in LAB], "scientificName": list(LAB.values())}
    store.upsert("species", pd.DataFrame(rows).assign(is_taxon=[n is not None for n in LAB.values()]), "vernacularName")
    return store


def test_the_same_answers_come_offline_once_they_were_fetched(lab: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_worms(RECORDS) as register:
        online = match_species(lab, endpoint=register.url)
    monkeypatch.setattr(taxa_cache, "fetch_matches", None)
    offline = match_species(lab, offline=True, endpoint=register.url)
    pd.testing.assert_frame_equal(offline, online)
    assert dict(zip(offline["vernacularName"], offline["how"], strict=True)) == {
        **dict.fromkeys(["Cod", "Old one", "New one", "Oldest one"], "exact"),
        **{"Some one": "higher", "Twin": "ambiguous", "Cod too": "near", "Sea serpent": "none"},
        **dict.fromkeys(["Litter", "Nothing here"], "no name"),
    }


def test_nothing_is_asked_twice(lab: Store, register: Register) -> None:
    match_species(lab, endpoint=register.url)
    once = sorted(name for names in register.asked for name in names)
    assert once == sorted({"Inventa", *LAB.values()} - {None, "Inventa sp."} | {str(r["AphiaID"]) for r in (OLD, NEW)})
    match_species(lab, endpoint=register.url)
    assert sorted(name for names in register.asked for name in names) == once


def test_a_name_without_an_answer_was_not_asked(lab: Store, register: Register) -> None:
    matches = match_taxa(lab, ["Gadus morhua"], offline=True, endpoint=register.url)
    assert matches.loc[0, ["how", "code", "source", "fetched_at"]].tolist() == [
        "not asked",
        "TAXON_NOT_ASKED",
        None,
        None,
    ]
    assert register.asked == []


def test_an_answer_keeps_its_source_and_its_time(
    store: Store, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxa_cache, "utc_now", lambda: "2021-04-13T10:00:00Z")
    match_taxa(store, ["Gadus morhua", "Nothing"], endpoint=register.url)
    later = match_taxa(store, ["Nothing"], offline=True, endpoint=register.url)
    assert later.loc[0, ["how", "source", "fetched_at"]].tolist() == ["none", register.url, "2021-04-13T10:00:00Z"]


def test_answers_of_one_service_are_not_taken_for_those_of_another(store: Store, register: Register) -> None:
    match_taxa(store, ["Inventa nova"], endpoint=register.url)
    assert match_taxa(store, ["Inventa nova"], offline=True)["how"].tolist() == ["not asked"]


def test_asking_again_brings_what_has_changed(store: Store, register: Register) -> None:
    match_taxa(store, ["Inventa vetus"], endpoint=register.url)
    register.records[register.records.index(NEW)] = NEW | {"family": "Inventidae"}
    old = match_taxa(store, ["Inventa vetus"], endpoint=register.url)
    new = match_taxa(store, ["Inventa vetus"], endpoint=register.url, refresh=True)
    assert [*old["family"], *new["family"]] == [None, "Inventidae"]


def test_many_names_go_in_requests_of_fifty(store: Store, register: Register) -> None:
    names = [f"Inventa numerata{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(120)]
    assert match_taxa(store, names, endpoint=register.url)["name"].tolist() == names
    assert [len(asked) for asked in register.asked] == [50, 50, 20]


def test_what_was_answered_before_a_failure_is_kept(store: Store, register: Register) -> None:
    names = [f"Serpens numerus{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(60)]
    register.faults.extend([None, *["500"] * retries.ATTEMPTS])
    with pytest.raises(Interrupted):
        match_taxa(store, names, endpoint=register.url)
    matches = match_taxa(store, names, offline=True, endpoint=register.url)
    assert matches["how"].value_counts().to_dict() == {"none": 50, "not asked": 10}


def test_a_name_is_not_asked_again_where_only_its_accepted_name_is_missing(store: Store, register: Register) -> None:
    names = ["Inventa vetus", "Gadus morhua"]
    register.faults.extend([None, *["500"] * retries.ATTEMPTS])
    with pytest.raises(Interrupted):
        match_taxa(store, names, endpoint=register.url)
    assert match_taxa(store, names, offline=True, endpoint=register.url)["how"].tolist() == ["not asked", "exact"]
    assert match_taxa(store, names, endpoint=register.url)["accepted_name"].tolist() == ["Inventa nova", "Gadus morhua"]
    assert [asked for asked in register.asked if asked == names] == [names]


@pytest.mark.parametrize("fault", ["html", "empty", "short", "half"])
def test_an_answer_that_is_none_is_never_kept_as_nothing_found(fault: Fault, store: Store, register: Register) -> None:
    register.faults.extend([fault] * retries.ATTEMPTS)
    with pytest.raises(ArchiveError):
        match_taxa(store, ["Gadus morhua"], endpoint=register.url)
    assert store.read("taxa_cache").empty


def test_matching_writes_nothing_but_the_cache(lab: Store, register: Register) -> None:
    before = lab.read("species")
    match_species(lab, endpoint=register.url)
    pd.testing.assert_frame_equal(lab.read("species"), before)


def test_an_unsafe_address_is_refused_even_if_nothing_is_to_be_asked(store: Store) -> None:
    with pytest.raises(ConfigError):
        match_taxa(store, [], endpoint="http://www.marinespecies.org/rest")


def test_names_cannot_be_asked_again_offline(store: Store) -> None:
    with pytest.raises(ConfigError, match="Choose offline or refresh"):
        match_taxa(store, ["Gadus morhua"], offline=True, refresh=True)


def test_no_names_give_an_empty_table(store: Store) -> None:
    matches = match_species(store, offline=True)
    assert list(matches) == ["species_id", "vernacularName", *MATCH_COLUMNS]
    assert check_taxa(store.read("species"), matches).findings == []
    assert unpublishable(store.read("species"), matches).empty
    assert fill_taxa(store.read("species"), matches).empty


def test_names_keep_their_order_and_repetitions(store: Store, register: Register) -> None:
    names = ["Gadus morhua", None, "Gadus  morhua", "Inventa nova", "Gadus morhua"]
    matches = match_taxa(store, names, endpoint=register.url)
    assert matches["name"].tolist() == names
    assert matches["aphia_id"].tolist() == [126436, pd.NA, 126436, FIRST_INVENTED, 126436]
    assert register.asked == [["Gadus morhua", "Inventa nova"]]


@given(st.lists(st.text(max_size=250), max_size=4))
@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_people_write_is_answered(store: Store, register: Register, names: list[str]) -> None:
    matches = match_taxa(store, [*names, "x" * 10_000], endpoint=register.url)
    assert set(matches["how"]) <= {"none", "no name"}
    asked = {matching.read_name(name).name for name in names} - {None}
    assert asked <= {name for request in register.asked for name in request}


def test_the_report_names_species_code_and_remedy(lab: Store, register: Register) -> None:
    report = check_taxa(lab.read("species"), match_species(lab, endpoint=register.url))
    assert report.ok
    assert {f.message.partition(":")[0]: f.code for f in report} == {
        **{"Old one": "TAXON_NAME_NOT_ACCEPTED", "Oldest one": "TAXON_NAME_NOT_ACCEPTED"},
        **{"Some one": "TAXON_MATCH_HIGHERRANK", "Twin": "TAXON_MATCH_AMBIGUOUS", "Cod too": "TAXON_MATCH_FUZZY"},
        **{"Sea serpent": "TAXON_MATCH_NONE", "Litter": "SCIENTIFIC_NAME_MISSING"},
    }
    said = " ".join(f.message for f in report)
    assert "Inventa vetus (unaccepted) is published as Inventa nova." in said
    assert "There are: Gadus morhua Linnaeus, 1758 (accepted, Animalia, urn:lsid" in said
    assert all(f.fix for f in report)


def test_what_cannot_be_published_is_listed_with_the_reason(lab: Store, register: Register) -> None:
    matches = match_species(lab, endpoint=register.url)
    listed = unpublishable(lab.read("species"), matches).set_index("vernacularName")
    assert listed["code"].to_dict() == {
        **{"Twin": "TAXON_MATCH_AMBIGUOUS", "Cod too": "TAXON_MATCH_FUZZY", "Sea serpent": "TAXON_MATCH_NONE"},
        **{"Litter": "SCIENTIFIC_NAME_MISSING", "Nothing here": "NOT_A_TAXON"},
    }
    assert listed["reason"].str.len().gt(10).all()
    assert "Gadus morhua" in listed.loc["Cod too", "candidates"]


def test_a_label_that_is_no_taxon_cannot_be_published_whatever_its_name(store: Store, register: Register) -> None:
    species = pd.DataFrame({"id": [1], "vernacularName": ["Human objects"], "scientificName": ["Gadus morhua"]})
    matches = match_taxa(store, species["scientificName"], endpoint=register.url)
    assert unpublishable(species, matches)["code"].tolist() == ["NOT_A_TAXON"]


def test_empty_cells_are_filled_and_the_name_of_the_lab_stays(lab: Store, register: Register) -> None:
    match_species(lab, endpoint=register.url)
    counts, _ = write_taxa(lab, endpoint=register.url)
    species = lab.read("species").set_index("vernacularName")
    assert (counts.updated, counts.unchanged) == (5, 5)
    assert species.loc["Old one", ["scientificName", "scientificNameID"]].tolist() == [
        "Inventa vetus",
        lsid(FIRST_INVENTED),
    ]
    assert species.loc["Cod", ["taxonRank", "kingdom", "family", "genus"]].tolist() == [
        *("species", "Animalia", "Gadidae", "Gadus")
    ]
    assert species.loc["Some one", ["scientificNameID", "taxonRank"]].tolist() == [lsid(FIRST_INVENTED + 3), "genus"]
    assert species.loc[["Twin", "Cod too", "Sea serpent", "Litter", "Nothing here"], "scientificNameID"].isna().all()


def test_a_synonym_points_to_the_row_of_the_accepted_name(lab: Store, register: Register) -> None:
    match_species(lab, endpoint=register.url)
    write_taxa(lab, endpoint=register.url)
    species = lab.read("species").set_index("vernacularName")
    new = species.loc["New one", "id"]
    assert species["accepted_id"].dropna().to_dict() == {"Old one": new, "Oldest one": new}


def test_a_synonym_points_nowhere_where_two_rows_bear_the_accepted_name(lab: Store, register: Register) -> None:
    again = {"vernacularName": ["New two"], "zoo_label": ["NEWTWO"], "scientificName": ["Inventa nova"]}
    lab.upsert("species", pd.DataFrame(again), "vernacularName")
    match_species(lab, endpoint=register.url)
    write_taxa(lab, endpoint=register.url)
    assert lab.read("species")["accepted_id"].isna().all()


def test_writing_twice_changes_nothing(lab: Store, register: Register) -> None:
    match_species(lab, endpoint=register.url)
    write_taxa(lab, endpoint=register.url)
    assert write_taxa(lab, endpoint=register.url)[0].updated == 0


def test_writing_asks_nobody(lab: Store, register: Register) -> None:
    counts, report = write_taxa(lab, endpoint=register.url)
    assert (counts.updated, register.asked) == (0, [])
    assert report.codes()["TAXON_NOT_ASKED"] == 8


def test_what_the_lab_wrote_is_told_and_stays(store: Store, register: Register) -> None:
    row = {
        "vernacularName": ["Cod"],
        "zoo_label": ["COD"],
        "scientificName": ["Gadus morhua"],
        "taxonRank": ["Species"],
    }
    row |= {"kingdom": ["Plantae"], "scientificNameID": [lsid(1)]}
    store.upsert("species", pd.DataFrame(row), "vernacularName")
    match_species(store, endpoint=register.url)
    _, report = write_taxa(store, endpoint=register.url)
    assert [(f.code, f.column, f.value) for f in report] == [
        ("SCIENTIFIC_NAME_AND_ID_INCONSISTENT", "scientificNameID", lsid(1)),
        ("TAXON_CLASSIFICATION_DIFFERS", "kingdom", "Plantae"),
    ]
    kept = store.read("species").loc[0]
    assert kept[["kingdom", "scientificNameID", "family"]].tolist() == ["Plantae", lsid(1), "Gadidae"]


def test_the_kingdom_of_the_table_decides_between_taxa_of_one_name(store: Store, register: Register) -> None:
    row = {
        "vernacularName": ["Twin"],
        "zoo_label": ["TWIN"],
        "scientificName": ["Ambigua gemina"],
        "kingdom": ["Plantae"],
    }
    store.upsert("species", pd.DataFrame(row), "vernacularName")
    assert match_species(store, endpoint=register.url)["aphia_id"].tolist() == [FIRST_INVENTED + 5]


def test_a_read_only_store_answers_offline(lab: Store, register: Register) -> None:
    online = match_species(lab, endpoint=register.url)
    assert lab.path is not None
    with open_store(lab.path, read_only=True) as reading:
        pd.testing.assert_frame_equal(match_species(reading, offline=True, endpoint=register.url), online)


def test_the_same_table_again_leaves_what_the_register_said(lab: Store, register: Register) -> None:
    tables = {
        "species": pd.DataFrame({"vernacularName": ["Cod"], "scientificName": ["Gadus morhua"], "kingdom": [None]})
    }
    populate(lab, tables)
    match_species(lab, endpoint=register.url)
    write_taxa(lab, endpoint=register.url)
    assert populate(lab, tables)["species"].unchanged == 1


def test_another_name_in_the_table_takes_away_what_was_said_of_the_old_one(lab: Store, register: Register) -> None:
    match_species(lab, endpoint=register.url)
    write_taxa(lab, endpoint=register.url)
    populate(lab, {"species": pd.DataFrame({"vernacularName": ["Old one"], "scientificName": ["Gadus morhua"]})})
    row = lab.read("species", where={"vernacularName": "Old one"}).loc[0]
    assert row[["scientificNameID", "taxonRank", "genus", "accepted_id"]].isna().all()


def test_real_species_are_matched_and_filled(koster: Path, store: Store, register: Register) -> None:
    species = load_tables(koster, **KOSTER)["species"]
    species.loc[species["vernacularName"] == "Common sun star", "vernacularName"] = "Sun star with ten arms"
    populate(store, {"species": species})
    names = species.loc[find_taxa(species), "scientificName"].unique()
    real = [make_record(FIRST_INVENTED + 100 + n, name) for n, name in enumerate(names)]
    register.records.extend(real)
    matches = match_species(store, endpoint=register.url)
    assert len(register.asked) == 2
    assert unpublishable(store.read("species"), matches)["vernacularName"].tolist() == ["Human objects", "Nothing here"]
    counts, report = write_taxa(store, endpoint=register.url)
    assert counts.updated == 64
    assert set(report.codes()) == {"TAXON_CLASSIFICATION_DIFFERS"}  # the invented records are all of species
    stored = store.read("species", where={"is_taxon": True})
    assert stored["scientificNameID"].notna().all()
    assert stored["scientificNameID"].nunique() == len(names)
