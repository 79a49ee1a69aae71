from __future__ import annotations

from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.metadata.ingest import exact_rate, populate
from kso_utils.store.engine import Store
from kso_utils.store.rows import Counts

Tables = dict[str, pd.DataFrame]


def test_every_row_is_stored_once(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    first = populate(store, tables, footage)
    assert first["movies"] == Counts(inserted=2)
    again = populate(store, tables, footage)
    assert {name: (c.inserted, c.updated) for name, c in again.items()} == dict.fromkeys(tables, (0, 0))


def test_names_become_ids(store: Store, tables: Tables) -> None:
    populate(store, tables)
    sites = store.read("sites").set_index("locality")["id"]
    movies = store.read("movies").set_index("filename")
    assert movies.loc["b.mp4", "site_id"] == sites["Outer wall"]
    assert movies.loc["a.mp4", "survey_id"] == store.read("surveys")["id"][0]
    assert pd.isna(movies.loc["b.mp4", "survey_id"])


def test_an_error_stops_it_and_leaves_the_store_empty(store: Store, tables: Tables) -> None:
    tables["movies"].loc[1, "locality"] = "Nowhere"
    with pytest.raises(MetadataError) as refused:
        populate(store, tables)
    assert refused.value.report is not None
    assert refused.value.report.codes()["UNKNOWN_SITE"] == 1
    assert store.read("sites").empty


def test_a_failure_midway_leaves_the_store_empty(store: Store, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    write = store.upsert

    def fail_at_species(table: str, frame: pd.DataFrame, key: str) -> Counts:
        if table == "species":
            raise RuntimeError
        return write(table, frame, key)

    monkeypatch.setattr(store, "upsert", fail_at_species)
    with pytest.raises(RuntimeError):
        populate(store, tables)
    assert store.read("movies").empty


def test_a_changed_cell_updates_its_row_alone(store: Store, tables: Tables) -> None:
    populate(store, tables)
    tables["movies"].loc[0, "recordedBy"] = "A. Lind"
    assert populate(store, tables)["movies"] == Counts(updated=1, unchanged=1)
    assert store.read("movies", where={"filename": "a.mp4"})["recordedBy"][0] == "A. Lind"


def test_labels_that_are_no_taxa_are_marked(store: Store, tables: Tables) -> None:
    populate(store, tables)
    species = store.read("species").set_index("zoo_label")
    assert species["is_taxon"].to_dict() == {"FOOTBALLSPONGE": True, "NOTHINGHERE": False}
    assert species.loc["NOTHINGHERE", "scientificName"] is None
    assert species.loc["FOOTBALLSPONGE", "scientificName"] == "Geodia barretti"


def test_a_species_table_of_names_alone_is_stored(store: Store) -> None:
    populate(store, {"species": pd.DataFrame({"vernacularName": ["Red thing"]})})
    assert not store.read("species")["is_taxon"][0]


def test_an_empty_window_is_the_whole_movie(store: Store, tables: Tables) -> None:
    del tables["movies"]["sampling_start_s"]
    populate(store, tables)
    movies = store.read("movies").set_index("filename")
    assert movies["sampling_start_s"].tolist() == [0.0, 0.0]
    assert movies.loc["b.mp4", "sampling_end_s"] == 120.0


def test_the_window_ends_with_the_file(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    tables["movies"].loc[1, "sampling_end_s"] = 120.0
    populate(store, tables, footage)
    movie = store.read("movies", where={"filename": "b.mp4"}).iloc[0]
    assert movie["sampling_end_s"] == movie["duration_s"] == 119.9866


def test_rates_are_stored_as_fractions(store: Store, tables: Tables) -> None:
    populate(store, tables)
    movies = store.read("movies").set_index("filename")
    assert movies.loc["b.mp4", ["fps_num", "fps_den"]].tolist() == [30000, 1001]
    assert movies.loc["b.mp4", "fps"] == 30000 / 1001


def test_the_file_is_described_from_the_footage(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    populate(store, tables, footage)
    movie = store.read("movies", where={"filename": "a.mp4"}).iloc[0]
    assert (movie["sha256"], movie["size_bytes"], movie["frames"], movie["codec"]) == ("a" * 64, 1000, 1500, "h264")


def test_what_was_measured_stays_when_the_footage_is_away(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    del tables["movies"]["fps"], tables["movies"]["duration_s"]
    populate(store, tables, footage)
    before = store.read("movies")
    for away in (None, footage.iloc[:1], footage.iloc[:0]):
        assert populate(store, tables, away)["movies"] == Counts(unchanged=2)
    assert store.read("movies").equals(before)


@pytest.fixture
def swapped(footage: pd.DataFrame) -> pd.DataFrame:
    """The footage with another file in the place of a.mp4."""
    return footage.assign(sha256=["c" * 64, *footage["sha256"].iloc[1:]], frames=[1499, *footage["frames"].iloc[1:]])


def sums(store: Store) -> list[str | None]:
    return store.read("movies", order_by="filename")["sha256"].tolist()


def test_a_file_that_is_not_the_one_registered_is_refused(
    store: Store, tables: Tables, footage: pd.DataFrame, swapped: pd.DataFrame
) -> None:
    populate(store, tables, footage)
    before = store.read("movies")
    with pytest.raises(MetadataError, match=r"^a\.mp4: not the file that was registered.*--replaced"):
        populate(store, tables, swapped)
    with pytest.raises(MetadataError, match=r"^a\.mp4: not the file"):
        populate(store, tables, swapped, replaced=["b.mp4"])
    pd.testing.assert_frame_equal(store.read("movies"), before)


def test_a_file_that_was_replaced_on_purpose_is_registered(
    store: Store, tables: Tables, footage: pd.DataFrame, swapped: pd.DataFrame
) -> None:
    populate(store, tables, footage)
    assert populate(store, tables, swapped, replaced=["a.mp4"])["movies"] == Counts(updated=1, unchanged=1)
    assert sums(store) == ["c" * 64, "b" * 64]
    assert store.read("movies", where={"filename": "a.mp4"})["frames"].tolist() == [1499]
    assert populate(store, tables, swapped)["movies"] == Counts(unchanged=2)


@pytest.mark.parametrize("known", [[], ["filename", "frames"]])
def test_of_a_file_that_was_replaced_elsewhere_the_sha256_is_forgotten(
    store: Store, tables: Tables, footage: pd.DataFrame, known: list[str]
) -> None:
    populate(store, tables, footage)
    populate(store, tables, footage[known] if known else None, replaced=["a.mp4"])
    assert sums(store) == [None, "b" * 64]


def test_a_movie_that_is_not_there_cannot_be_replaced(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    populate(store, tables, footage)
    with pytest.raises(MetadataError, match=r"no movie c\.mp4"):
        populate(store, tables, footage, replaced=["a.mp4", "c.mp4"])
    assert sums(store) == ["a" * 64, "b" * 64]


def test_placeholders_are_stored_as_missing(store: Store, tables: Tables) -> None:
    tables["movies"].loc[0, ["fps", "duration_s", "recordedBy", "sampling_end_s"]] = [99.0, 99999.0, "NA", None]
    tables["sites"].loc[0, "locality"] = "unknown"
    tables["movies"].loc[0, "locality"] = tables["photos"].loc[0, "locality"] = "unknown"
    populate(store, tables)
    movie = store.read("movies", where={"filename": "a.mp4"}).iloc[0]
    assert movie[["fps", "fps_num", "duration_s", "recordedBy", "sampling_end_s"]].isna().all()
    assert "unknown" in set(store.read("sites")["locality"])


def test_a_placeholder_gives_way_to_the_file(store: Store, tables: Tables, footage: pd.DataFrame) -> None:
    tables["movies"].loc[0, "fps"] = 99.0
    populate(store, tables, footage)
    assert store.read("movies", where={"filename": "a.mp4"})["fps"][0] == 25.0


def test_ids_of_the_table_are_kept(store: Store, tables: Tables) -> None:
    tables["movies"]["id"] = [41, 7]
    populate(store, tables)
    assert store.read("movies").set_index("filename")["id"].to_dict() == {"a.mp4": 41, "b.mp4": 7}


def test_ids_that_are_taken_or_unusable_are_replaced(store: Store, tables: Tables) -> None:
    populate(store, {**tables, "movies": tables["movies"].assign(id=[41, 7])})
    more = tables["movies"].assign(filename=["c.mp4", "d.mp4"], id=[7, None])
    populate(store, {**tables, "movies": more})
    ids = store.read("movies").set_index("filename")["id"].to_dict()
    assert ids == {"a.mp4": 41, "b.mp4": 7, "c.mp4": 42, "d.mp4": 43}


def test_a_stored_row_keeps_its_id(store: Store, tables: Tables) -> None:
    populate(store, tables)
    before = store.read("movies")["id"].tolist()
    populate(store, {**tables, "movies": tables["movies"].assign(id=[41, 7])})
    assert store.read("movies")["id"].tolist() == before


def test_own_columns_of_a_project_stay_out_of_the_store(store: Store, tables: Tables) -> None:
    populate(store, {**tables, "sites": tables["sites"].assign(ProtectionStatus="reserve")})
    assert "ProtectionStatus" not in store.read("sites")


def test_what_the_checks_let_pass_the_store_accepts(store: Store, tables: Tables) -> None:
    tables["sites"].loc[0, ["decimalLatitude", "decimalLongitude", "countryCode", "geodeticDatum"]] = None
    tables["movies"].loc[0, ["fps", "duration_s", "eventDate", "recordedBy", "sampling_end_s"]] = None
    tables["species"].loc[0, ["scientificName", "taxonRank"]] = None
    assert populate(store, tables)["movies"] == Counts(inserted=2)


@pytest.mark.parametrize(
    ("fps", "exact"),
    [
        (25, Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        (29.97002997002997, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (119.88, Fraction(120000, 1001)),
        (12.5, Fraction(25, 2)),
        (30.0, Fraction(30)),
        (1.0, Fraction(1)),
        (0.5, Fraction(1, 2)),
    ],
)
def test_a_rate_is_read_as_it_is_meant(fps: float, exact: Fraction) -> None:
    assert exact_rate(fps) == exact


@given(st.integers(1, 480), st.sampled_from([1, 2, 1001]))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_a_rate_survives_rounding_to_five_decimals(number: int, denominator: int) -> None:
    rate = Fraction(number * 1000, 1001) if denominator == 1001 else Fraction(number, denominator)
    assert abs(exact_rate(round(float(rate), 5)) - rate) < Fraction(1, 50_000)
