"""Votes on the workers of a cluster: the same as in one process, number for number."""

import logging

import numpy as np
import pandas as pd
import pytest

from benchmarks.consensus import make_rows
from kso_utils.consensus import ClipRule, SkeneRule, boxes, clips, marks, shapes, subjects
from kso_utils.consensus.clip_labels import label_clips, label_parts
from kso_utils.consensus.counting.parts import There
from kso_utils.consensus.votes import gather_parts
from kso_utils.core.errors import ConfigError
from kso_utils.testing.crowd import simulate_crowd

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.soak), 2])
def client(request):
    cluster = distributed.LocalCluster(
        n_workers=request.param, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def rows():
    return simulate_crowd(300, seed=4).rows.sample(frac=1, random_state=4, ignore_index=True)


@pytest.fixture(scope="module")
def pieces(client, rows):
    """Parts of the table here, and one that lies on a worker already."""
    return [rows[:500], rows[500:900], client.scatter(rows[900:])]


def test_labels_are_those_of_one_process(client, rows, pieces):
    parts = gather_parts(pieces, None, client, part_rows=400)
    assert isinstance(parts, There)
    assert len(parts.parts) > 3
    found = pd.concat(parts.map(label_clips, ClipRule()), ignore_index=True)
    pd.testing.assert_frame_equal(found, clips(rows))


def test_tables_come_from_pieces_anywhere(client, rows, pieces):
    pd.testing.assert_frame_equal(clips(pieces, client=client), clips(rows))
    pd.testing.assert_frame_equal(subjects(pieces, client=client), subjects(rows))


@pytest.mark.parametrize("exclusive", [False, True])
def test_people_see_as_well_as_in_one_process(client, rows, pieces, exclusive):
    rule = ClipRule("dawid_skene", skene=SkeneRule(exclusive=exclusive, iterations=15, tolerance=0))
    found, here = clips(pieces, rule, client=client), clips(rows, rule)
    np.testing.assert_allclose(found["probability"], here["probability"], rtol=0, atol=1e-9)
    pd.testing.assert_frame_equal(found.drop(columns="probability"), here.drop(columns="probability"))


def test_skill_found_over_all_workers_is_that_of_one_process(client, rows, pieces):
    rule = ClipRule(method="dawid_skene")
    parts = gather_parts(pieces, None, client, part_rows=400)
    pd.testing.assert_frame_equal(label_parts(parts, rule), clips(rows, rule), rtol=0, atol=1e-9)


def test_people_of_two_files_are_told_apart_across_workers(client, rows):
    hidden = rows.assign(user="not-logged-in-" + rows["user"].astype("str").str[-3:])
    again = [hidden.assign(source_sha256=name, user=hidden["user"] + name) for name in "ab"]
    parts = gather_parts([again[0], again[1][:300]], None, client, part_rows=400)
    assert sorted(parts.people) == sorted(gather_parts(again[:1]).people)


def test_marks_are_those_of_one_process(client, monkeypatch):
    monkeypatch.setattr(shapes, "_PART_ROWS", 100)
    table = make_rows(60).sample(frac=1, random_state=4, ignore_index=True)
    pieces = [table[:300], client.scatter(table[300:])]
    pd.testing.assert_frame_equal(marks(pieces, client=client), marks(table))
    pd.testing.assert_frame_equal(boxes(table[:0], client=client), boxes(table[:0]))


def test_a_piece_that_cannot_be_read_is_named_as_in_one_process(client, rows):
    with pytest.raises(ConfigError, match="user"):
        clips([rows, rows.drop(columns="user")], client=client)
