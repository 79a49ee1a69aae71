from __future__ import annotations

import pandas as pd
import pytest

from kso_utils.core.errors import IntegrityFailed, StoreError
from kso_utils.store.engine import open_store
from kso_utils.store.rows import Counts


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


def test_a_read_only_store_refuses_changes(road):
    with open_store(road.path, read_only=True) as reader:
        assert len(reader.read("sites")) == 2
        with pytest.raises(StoreError, match="read-only"):
            reader.upsert("sites", pd.DataFrame({"locality": ["x"]}), "locality")
