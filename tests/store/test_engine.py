from __future__ import annotations

import os
import sqlite3
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import IntegrityFailed, StoreBusy, StoreError
from kso_utils.store import connection
from kso_utils.store.engine import open_store
from kso_utils.store.provenance import describe_versions
from kso_utils.store.rows import Counts
from kso_utils.version import __version__


def test_a_new_store_has_every_table_and_no_findings(store):
    assert store.read("movies").empty
    assert store.check().ok


def test_upsert_counts_what_it_did(store):
    sites = pd.DataFrame({"locality": ["a", "b"], "habitat": ["sand", None]})
    assert store.upsert("sites", sites, "locality") == Counts(inserted=2)
    assert store.upsert("sites", sites, "locality") == Counts(unchanged=2)
    sites.loc[1, "habitat"] = "rock"
    assert store.upsert("sites", sites, "locality") == Counts(updated=1, unchanged=1)
    assert store.read("sites", order_by="locality")["habitat"].tolist() == ["sand", "rock"]


def test_a_block_that_raises_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.atomic():
        store.upsert("sites", pd.DataFrame({"locality": ["a"]}), "locality")
        raise RuntimeError
    assert store.read("sites").empty


def test_an_inner_block_that_raises_loses_its_own_writes_only(store):
    with store.atomic():
        store.upsert("sites", pd.DataFrame({"locality": ["outer"]}), "locality")
        with pytest.raises(RuntimeError), store.atomic():
            store.upsert("sites", pd.DataFrame({"locality": ["inner"]}), "locality")
            raise RuntimeError
    assert store.read("sites")["locality"].tolist() == ["outer"]


def test_a_missing_reference_is_named(road):
    with pytest.raises(IntegrityFailed, match=r"row 1: site_id is 99.*fk_movies_site_id_sites"):
        road.upsert("movies", pd.DataFrame({"filename": ["x.mp4"], "site_id": [99]}), "filename")


def test_a_run_and_its_rows_point_to_each_other(road):
    rows = pd.DataFrame(
        {"subject_id": [101], "label": ["COD"], "species_id": [1], "votes": [4], "people": [5], "support": [0.8]}
    ).assign(agreed=True)
    run_id = road.record_run("clip", {"agreement": 0.6}, {"classifications": 5}, {"agg_annotations_clip": rows})
    assert road.read("agg_annotations_clip")["run_id"].tolist() == [run_id]
    assert road.read("agg_runs")["params"].tolist() == [{"agreement": 0.6}]


def test_a_read_only_store_refuses_changes(road, address):
    with open_store(address, read_only=True) as reader:
        assert len(reader.read("sites")) == 2
        with pytest.raises(StoreError, match="read-only"):
            reader.upsert("sites", pd.DataFrame({"locality": ["x"]}), "locality")


def localities(store):
    return store.read("sites", order_by="locality")["locality"].tolist()


# Opening


@pytest.mark.parametrize("content", [b"locality,habitat\na,sand\n", b"SQLite format 3", b"\0"])
def test_another_kind_of_file_is_refused_and_not_touched(tmp_path, content):
    path = tmp_path / "sites.csv"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"sites\.csv is not a store"):
        open_store(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("address", ["", ":memory:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:a.db"])
def test_an_address_without_a_file_is_refused_and_leaves_none(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="names no file"):
        open_store(address)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(StoreError, match="there is no folder"):
        open_store(tmp_path / "none" / "store.sqlite")


def test_a_missing_store_is_not_made_by_a_reader(tmp_path):
    with pytest.raises(StoreError, match="There is no store"):
        open_store(tmp_path / "store.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "store.sqlite"
    path.symlink_to(path)
    with pytest.raises(StoreError, match=r"store\.sqlite cannot be read"):
        open_store(path)


@pytest.mark.only_on("sqlite")
def test_a_damaged_file_is_refused_and_not_touched(road):
    road.close()
    content = bytearray(road.path.read_bytes())
    content[16:] = os.urandom(len(content) - 16)
    road.path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        open_store(road.path)
    assert road.path.read_bytes() == content


def test_an_empty_file_becomes_a_store(tmp_path):
    path = tmp_path / "store.sqlite"
    path.touch()
    with open_store(path) as store:
        assert store.check().ok


def test_a_name_with_strange_characters_and_a_url_are_taken(tmp_path):
    path = tmp_path / "my store? 100%#å.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        assert store.path == path
    assert path.exists()


@pytest.mark.only_on("sqlite")
def test_a_closed_store_leaves_one_file(road):
    road.close()
    assert [path.name for path in road.path.parent.iterdir()] == [road.path.name]


@pytest.mark.only_on("sqlite")
def test_a_store_that_was_copied_in_the_middle_of_a_rollback_is_repaired(road):
    """With a journal of a killed process beside it, a store is opened for writing at once."""
    road.close()
    road.path.with_name(f"{road.path.name}-journal").write_bytes(b"")
    with open_store(road.path) as store:
        assert len(store.read("sites")) == 2


@pytest.mark.only_on("postgresql")
def test_a_store_on_a_server_is_made_used_and_opened_again(new_address):
    with open_store(new_address) as store:
        assert store.path is None
        store.upsert("sites", pd.DataFrame({"locality": ["a"]}), "locality")
    with open_store(new_address, read_only=True) as store:
        assert localities(store) == ["a"]
        assert store.check().ok
    with open_store(new_address) as store:
        assert localities(store) == ["a"]


@pytest.mark.only_on("postgresql")
def test_a_database_without_tables_is_not_filled_by_a_reader(new_address):
    with pytest.raises(StoreError, match="Open it for writing once"):
        open_store(new_address, read_only=True)


# Reading


def test_read_gives_the_columns_asked_for_in_that_order(road):
    assert road.read("movies", columns=["site_id", "filename"]).columns.tolist() == ["site_id", "filename"]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"site_id": 1}, [1, 2]),
        ({"site_id": [2, 7]}, [3]),
        ({"site_id": (1,), "filename": {"a.mp4"}}, [1]),
        ({"site_id": np.array([2])}, [3]),
        ({"filename": pd.Series(["b.mp4"])}, [2]),
        ({"eventDate": None}, [1, 2, 3]),
        ({"duration_s": None}, []),
        ({"survey_id": [None, 5]}, [1, 2, 3]),
        ({"site_id": []}, []),
        ({"filename": "a.mp4' OR '1'='1"}, []),
        ({"is_bad_deployment": False}, [1, 2, 3]),
        ({}, [1, 2, 3]),
    ],
)
def test_where(road, where, ids):
    assert road.read("movies", where=where, order_by="id")["id"].tolist() == ids


@pytest.mark.parametrize("extra", [[], [None]])
def test_a_list_longer_than_any_databases_limit(road, extra):
    names = [f"{number}.mp4" for number in range(70_000)]
    found = road.read("movies", where={"filename": [*names, "b.mp4", *extra]})
    assert found["id"].tolist() == [2]


def test_rows_come_in_the_order_asked_for(road):
    assert road.read("movies", order_by=["site_id", "filename"])["id"].tolist() == [1, 2, 3]


def test_rows_in_which_it_is_empty_come_first(road):
    road.upsert("movies", pd.DataFrame({"filename": ["a.mp4", "c.mp4"], "codec": ["h264", "av1"]}), "filename")
    assert road.read("movies", order_by="codec")["id"].tolist() == [2, 3, 1]


def test_a_json_value_is_a_condition_too(store):
    first, second = (store.record_run("train", {"epochs": number}, {}, {}) for number in (1, 2))
    assert store.read("model_runs", where={"params": {"epochs": 2}})["id"].tolist() == [second]
    assert store.read("model_runs", where={"params": {"epochs": 1}, "error": None})["id"].tolist() == [first]


def test_old_names(road):
    assert "siteName" in road.read("sites", names="kso")
    assert "commonName" in road.read("species", names="kso")
    movies = road.read("movies", names="kso")
    assert {"created_on", "author", "fpath", "duration", "sampling_start", "sampling_end"} <= set(movies.columns)


def test_an_unknown_table_is_answered_with_those_that_there_are(store):
    with pytest.raises(StoreError, match=r"no table 'fish'.* movies,"):
        store.read("fish")


@pytest.mark.parametrize("asked", [{"columns": ["name"]}, {"where": {"name": 1}}, {"order_by": "name"}])
def test_an_unknown_column_is_answered_with_those_that_there_are(store, asked):
    with pytest.raises(StoreError, match=r"no column 'name'.* locality,"):
        store.read("sites", **asked)


def test_a_block_reads_what_it_wrote(store):
    with store.atomic():
        store.upsert("sites", pd.DataFrame({"locality": ["a"]}), "locality")
        assert localities(store) == ["a"]


# Writing


def test_columns_that_the_frame_lacks_keep_their_values(road):
    road.upsert("sites", pd.DataFrame({"locality": ["North reef"], "habitat": ["sand"]}), "locality")
    row = road.read("sites", where={"locality": "North reef"}).iloc[0]
    assert (row["habitat"], row["decimalLatitude"]) == ("sand", 57.5)


def test_a_new_row_takes_the_defaults_of_the_columns_that_the_frame_lacks(road):
    assert road.read("movies")["is_bad_deployment"].tolist() == [False] * 3


def test_missing_values_become_null_and_stay_unchanged(store):
    sites = pd.DataFrame(
        {
            "locality": ["a", "b"],
            "habitat": [np.nan, pd.NA],
            "decimalLatitude": np.nan,
            "decimalLongitude": [None, pd.NaT],
        }
    )
    store.upsert("sites", sites, "locality")
    assert store.upsert("sites", sites, "locality") == Counts(unchanged=2)
    assert len(store.read("sites", where={"habitat": None, "decimalLatitude": None})) == 2


def test_a_key_of_several_columns(road):
    rows = pd.DataFrame({"edit_id": ["e", "e"], "created_at": "t", "version": "1", "table_name": ["sites", "movies"]})
    rows = rows.assign(kind="edit", changes=[[], []], who=["x", "y"])
    road.upsert("edit_log", rows, ["edit_id", "table_name"])
    assert road.upsert("edit_log", rows.assign(who="y"), ["edit_id", "table_name"]) == Counts(updated=1, unchanged=1)


def test_many_rows_go_in_and_change_in_batches(store, monkeypatch):
    monkeypatch.setattr("kso_utils.store.rows._WRITTEN", 10)
    monkeypatch.setattr("kso_utils.store.rows._LOOKED_UP", 7)
    rows = pd.DataFrame({"dupl_subject_id": range(45), "single_subject_id": 1})
    assert store.upsert("subject_duplicates", rows, "dupl_subject_id") == Counts(inserted=45)
    rows["single_subject_id"] = 2
    assert store.upsert("subject_duplicates", rows, "dupl_subject_id") == Counts(updated=45)
    assert set(store.read("subject_duplicates")["single_subject_id"]) == {2}


def test_numbers_of_64_bits_are_kept(road):
    road.upsert("subjects", pd.DataFrame({"id": [2**62], "subject_type": ["clip"]}), "id")
    road.upsert("movies", pd.DataFrame({"filename": ["a.mp4"], "size_bytes": [2**40]}), "filename")
    assert road.read("subjects", ["id"], where={"id": 2**62})["id"].tolist() == [2**62]
    assert road.read("movies", where={"size_bytes": [2**40, 1]})["id"].tolist() == [1]


def test_an_empty_frame_writes_nothing(store):
    assert store.upsert("sites", pd.DataFrame({"locality": []}), "locality") == Counts()


def test_a_key_that_occurs_twice_is_refused(store):
    with pytest.raises(IntegrityFailed, match="sites, rows 1 and 3: both have locality 'a'"):
        store.upsert("sites", pd.DataFrame({"locality": ["a", "b", "a"]}), "locality")


def test_an_empty_key_is_refused(store):
    with pytest.raises(IntegrityFailed, match="sites, row 2: locality is empty"):
        store.upsert("sites", pd.DataFrame({"locality": ["a", None]}), "locality")


def test_a_frame_without_its_key_is_refused(store):
    with pytest.raises(StoreError, match="lack locality"):
        store.upsert("sites", pd.DataFrame({"habitat": ["sand"]}), "locality")


def test_a_column_that_the_table_lacks_is_refused(store):
    with pytest.raises(StoreError, match="no column 'siteName'"):
        store.upsert("sites", pd.DataFrame({"locality": ["a"], "siteName": ["a"]}), "locality")


def test_an_update_to_a_missing_reference_is_named(road):
    with pytest.raises(IntegrityFailed, match="row 2: site_id is 9, but sites"):
        road.upsert("movies", pd.DataFrame({"filename": ["a.mp4", "b.mp4"], "site_id": [1, 9]}), "filename")


def test_an_id_that_others_point_to_cannot_change(road):
    with pytest.raises(IntegrityFailed, match="foreign key"):
        road.upsert("sites", pd.DataFrame({"locality": ["South reef"], "id": [7]}), "locality")


def test_a_refused_row_leaves_the_others_out_too(store):
    with pytest.raises(IntegrityFailed, match=r"sites, row 2: A row breaks the rule ck_sites_latitude_range\. Nothing"):
        store.upsert(
            "sites",
            pd.DataFrame({"locality": ["a", "b"], "decimalLatitude": [1, 91], "decimalLongitude": 0}),
            "locality",
        )
    assert localities(store) == []


def test_the_number_of_a_refused_row_counts_all_rows(road, monkeypatch):
    monkeypatch.setattr("kso_utils.store.rows._WRITTEN", 2)
    latitudes = {
        "locality": ["North reef", "a", "b", "c", "d", "South reef"],
        "decimalLatitude": [57.5, 1, 2, 3, 4, -8.25],
    }
    sites = pd.DataFrame({**latitudes, "decimalLongitude": [11.5, 0, 0, 0, 200, 39.5]})
    with pytest.raises(IntegrityFailed, match="sites, row 5:"):
        road.upsert("sites", sites, "locality")
    sites["decimalLongitude"] = [11.5, 0, 0, 0, 0, 200]
    with pytest.raises(IntegrityFailed, match="sites, row 6:"):
        road.upsert("sites", sites, "locality")
    assert len(road.read("sites")) == 2


@settings(derandomize=True, deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
            st.integers(-(2**63), 2**63 - 1) | st.none(),
            st.floats(allow_nan=False) | st.none(),
            st.none() | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
        ),
        unique_by=lambda row: row[0],
        max_size=5,
    )
)
def test_what_is_written_comes_back_and_is_unchanged_the_second_time(store, rows):
    run_id = store.record_run("train", {}, {}, {})
    store.remove("model_metrics", {"run_id": range(run_id + 1)})
    names = ["name", "step", "value"]
    metrics = pd.DataFrame([row[:3] for row in rows], columns=names, dtype=object).assign(run_id=run_id)
    taxa = pd.DataFrame({"name": [row[0] for row in rows], "answer": [row[3] for row in rows]}, dtype=object)
    taxa = taxa.assign(source=str(run_id), fetched_at="t")
    store.upsert("model_metrics", metrics, "name")
    store.upsert("taxa_cache", taxa, ["source", "name"])
    assert store.upsert("model_metrics", metrics, "name") == Counts(unchanged=len(rows))
    assert store.upsert("taxa_cache", taxa, ["source", "name"]) == Counts(unchanged=len(rows))
    found = store.read("model_metrics", columns=names, order_by="id").astype(object)
    assert found.where(found.notna(), None).values.tolist() == [list(row[:3]) for row in rows]
    answers = store.read("taxa_cache", columns=["answer"], where={"source": str(run_id)}, order_by="id")["answer"]
    assert answers.tolist() == [row[3] for row in rows]


def test_rows_are_removed(road):
    assert road.remove("subjects", {"subject_type": "frame"}) == 2
    assert road.read("subjects", order_by="id")["id"].tolist() == [101, 102]


def test_removing_everything_must_be_said(road):
    with pytest.raises(StoreError, match="say which rows"):
        road.remove("subjects", {})


# Runs


def test_a_run_records_when_and_by_what_it_was_made(store):
    params = {"agreement": np.float64(0.6), "ids": np.array([1, 2])}
    run_id = store.record_run("train", params, {"sha256": "0"}, {}, state="failed", error="stopped")
    row = store.read("model_runs", where={"id": run_id}).iloc[0]
    assert row["params"] == {"agreement": 0.6, "ids": [1, 2]}
    assert (row["version"], row["state"], row["error"]) == (__version__, "failed", "stopped")
    assert row["created_at"].endswith("Z")


@pytest.mark.parametrize(("kind", "table"), [("clip", "agg_runs"), ("detect", "model_runs")])
def test_a_run_records_the_versions_of_what_computed_it(store, kind, table):
    store.record_run(kind, {}, {}, {})
    (versions,) = store.read(table)["versions"]
    assert versions == describe_versions()
    assert versions["numpy"] == np.__version__


def test_a_run_whose_rows_are_refused_is_not_there(store):
    with pytest.raises(IntegrityFailed):
        store.record_run("train", {}, {}, {"model_metrics": pd.DataFrame({"name": ["loss", None]})})
    assert store.read("model_runs").empty


def test_an_unknown_kind_of_run_is_refused(store):
    with pytest.raises(StoreError, match="no kind of run 'guess'"):
        store.record_run("guess", {}, {}, {})


@pytest.mark.parametrize("table", ["model_metrics", "sites"])
def test_rows_of_another_kind_of_run_are_refused(store, table):
    with pytest.raises(StoreError, match=f"{table} do not belong"):
        store.record_run("clip", {}, {}, {table: pd.DataFrame({"name": ["x"]})})


def test_parameters_that_json_does_not_know_are_refused(store):
    with pytest.raises(StoreError, match="agg_runs, row 1, params"):
        store.record_run("clip", {"rule": object()}, {}, {})


# Several at once


def test_a_second_writer_is_told_that_the_store_is_busy(road, address, monkeypatch):
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with open_store(address) as second, road.atomic():
        assert len(second.read("sites")) == 2
        with pytest.raises(StoreBusy, match="another process is writing"):
            second.upsert("sites", pd.DataFrame({"locality": ["x"]}), "locality")
    assert "x" not in localities(road)


def test_threads_have_transactions_of_their_own(store):
    def write(name):
        for number in range(5):
            with store.atomic():
                store.upsert("sites", pd.DataFrame({"locality": [f"{name}{number}"]}), "locality")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert localities(store) == [f"{name}{number}" for name in "abcdefgh" for number in range(5)]


def test_the_database_itself_refuses_changes_of_a_reader(road, address):
    with open_store(address, read_only=True) as reader:
        reader.read_only = False
        with pytest.raises(StoreError, match=r"cannot be opened or written|the server refuses the change"):
            reader.remove("subjects", {"id": 101})


# Checking


@pytest.mark.only_on("sqlite")
def test_a_missing_file_of_a_run_is_found(store):
    (store.path.parent / "there.parquet").touch()
    files = pd.DataFrame({"kind": "part", "path": ["there.parquet", "gone.parquet"], "sha256": "0", "size_bytes": 1})
    store.record_run("detect", {}, {}, {"model_artifacts": files})
    (finding,) = store.check()
    assert (finding.code, finding.value) == ("FILE_MISSING", "gone.parquet")


@pytest.mark.only_on("sqlite")
def test_a_broken_reference_is_found(road):
    with road._engine.connect() as raw:
        raw.connection.driver_connection.executescript("PRAGMA foreign_keys = OFF; DELETE FROM sites WHERE id = 2;")
    (finding,) = road.check()
    assert (finding.code, finding.table, finding.value) == ("REFERENCE_BROKEN", "movies", "3")


def test_a_wrong_version_is_found(road):
    with road._engine.begin() as raw:
        raw.exec_driver_sql("UPDATE schema_version SET version_num = '0000'")
    assert road.check().codes() == {"SCHEMA_VERSION": 1}


def empty_the_table_of_sites(path):
    """Write an empty page over the table of sites, so that its indexes point to nothing."""
    with sqlite3.connect(path) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sites'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    with path.open("r+b") as handle:
        handle.seek((page - 1) * size)
        handle.write(bytes([13, *[0] * 7]) + bytes(size - 8))


@pytest.mark.only_on("sqlite")
def test_damage_inside_the_file_is_found(road):
    road.close()
    empty_the_table_of_sites(road.path)
    with open_store(road.path) as store:
        assert "STORE_DAMAGED" in store.check().codes()


@pytest.mark.only_on("sqlite")
def test_damage_that_stops_the_check_is_a_finding_too(road):
    road.close()
    content = road.path.read_bytes()
    with open_store(road.path) as store:
        store.read("sites")
        store.close()
        road.path.write_bytes(content[:100] + bytes(len(content) - 100))
        assert store.check().codes() == {"STORE_DAMAGED": 1}
