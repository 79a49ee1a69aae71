from __future__ import annotations

import itertools

import pandas as pd
import pytest
from sqlalchemy import CheckConstraint, UniqueConstraint

from kso_utils.core.errors import IntegrityFailed
from kso_utils.store.engine import open_store
from kso_utils.store.schema import Base

TABLES = {table.name: table for table in Base.metadata.sorted_tables}
PRIMARY = {name: next(iter(table.primary_key.columns)).name for name, table in TABLES.items()}

# One valid row a table; text in unique columns gets a number, so that any count of rows can be made.
VALID = {
    "surveys": {"eventID": "e"},
    "sites": {
        "locality": "l",
        "locationID": "i",
        "decimalLatitude": 1.0,
        "decimalLongitude": 2.0,
        "minimumDepthInMeters": 1.0,
        "maximumDepthInMeters": 2.0,
    },
    "movies": {
        "filename": "f",
        "eventID": "e",
        "survey_id": 1,
        "site_id": 1,
        "sampling_start_s": 1.0,
        "sampling_end_s": 2.0,
        "is_bad_deployment": False,
    },
    "photos": {"filename": "f", "site_id": 1, "survey_id": 1},
    "species": {"vernacularName": "v", "zoo_label": "z", "scientificName": "s", "accepted_id": None, "is_taxon": True},
    "subjects": {
        "subject_type": "clip",
        "movie_id": 1,
        "clip_start_time": 0.0,
        "clip_end_time": 1.0,
        "frame_exp_sp_id": 1,
    },
    "subject_workflows": {"subject_id": 1, "workflow_id": 1, "subject_set_id": "s"},
    "export_files": {"kind": "subjects", "name": "n", "size_bytes": 1, "rows": 1, "taken_in_at": "t"},
    "subject_duplicates": {"single_subject_id": 1},
    "classifications": {
        "subject_id": 1,
        "user": "u",
        "user_kind": "registered",
        "workflow_id": 1,
        "version_major": 1,
        "version_minor": 1,
        "created_at": "t",
        "annotations": [],
    },
    "annotations": {"classification_id": 1, "position": 0, "subject_id": 1},
    "agg_runs": {"kind": "clip", "created_at": "t", "version": "v", "params": {}, "inputs": {}},
    "agg_annotations_clip": {
        "run_id": 1,
        "subject_id": 1,
        "label": "l",
        "species_id": 1,
        "votes": 1,
        "people": 2,
        "support": 0.5,
        "agreed": True,
    },
    "agg_annotations_frame": {
        "run_id": 1,
        "subject_id": 1,
        "label": "l",
        "species_id": 1,
        "x": 0.0,
        "y": 0.0,
        "people": 1,
        "looked": 2,
        "support": 0.5,
        "agreed": True,
    },
    "agg_subjects": {
        "run_id": 1,
        "subject_id": 1,
        "people": 2,
        "blanks": 1,
        "labels": 1,
        "species": 1,
        "evenness": 0.0,
        "entropy": 0.0,
        "blank": False,
    },
    "models": {
        "name": "n",
        "architecture": "a",
        "weights_path": "p",
        "weights_sha256": "h",
        "classes": [],
        "created_at": "t",
    },
    "model_runs": {
        "kind": "train",
        "model_id": 1,
        "created_at": "t",
        "version": "v",
        "params": {},
        "inputs": {},
        "state": "done",
    },
    "model_metrics": {"run_id": 1, "name": "n"},
    "model_artifacts": {"run_id": 1, "kind": "k", "movie_id": 1, "path": "p", "sha256": "h", "size_bytes": 1},
    "model_annotations": {
        "run_id": 1,
        "movie_id": 1,
        "frame_number": 0,
        "species_id": 1,
        "label": "l",
        "confidence": 0.5,
        "x": 0.0,
        "y": 0.0,
        "width": 1.0,
        "height": 1.0,
    },
    "analysis_runs": {"kernel": "k", "created_at": "t", "version": "v", "params": {}, "inputs": {}, "state": "done"},
    "analysis_inputs": {
        "run_id": 1,
        "media_id": "m",
        "location": "l",
        "identity": "i",
        "identity_kind": "k",
        "state": "s",
    },
    "analysis_blocks": {"run_id": 1, "input_id": 1, "stage": 0, "first": 0, "last": 0, "state": "s"},
    "upload_journal": {
        "project_id": "p",
        "subject_set_id": "s",
        "path": "p",
        "sha256": "h",
        "metadata": {},
        "state": "planned",
        "updated_at": "t",
    },
    "transfer_journal": {"key": "k", "state": {}, "updated_at": "t"},
    "edit_log": {
        "edit_id": "e",
        "kind": "edit",
        "created_at": "t",
        "version": "1",
        "table_name": "t",
        "changes": [],
        "written": True,
    },
    "taxa_cache": {"source": "s", "name": "n", "fetched_at": "t"},
}

# Every CHECK with changes that must break it.
BROKEN = {
    "ck_sites_latitude_range": [{"decimalLatitude": 90.1}, {"decimalLatitude": -90.1}],
    "ck_sites_longitude_range": [{"decimalLongitude": 180.1}, {"decimalLongitude": -180.1}],
    "ck_sites_position_whole": [{"decimalLatitude": None}, {"decimalLongitude": None}],
    "ck_sites_country_length": [{"countryCode": "SWE"}],
    "ck_sites_depth_order": [{"minimumDepthInMeters": 3.0}],
    "ck_sites_uncertainty_positive": [{"coordinateUncertaintyInMeters": 0.0}],
    "ck_movies_rate_positive": [{"fps": 0.0}, {"fps_num": 0}, {"fps_den": -1}],
    "ck_movies_duration_positive": [{"duration_s": 0.0}],
    "ck_movies_window_start": [{"sampling_start_s": -0.1}],
    "ck_movies_window_order": [{"sampling_end_s": 1.0}],
    "ck_movies_size_positive": [{"size_bytes": 0}, {"width": 0}, {"height": 0}, {"frames": 0}],
    "ck_species_taxon_named": [{"scientificName": None}],
    "ck_subjects_subject_type_known": [{"subject_type": "photo"}],
    "ck_subjects_clip_order": [{"clip_end_time": 0.0}, {"clip_start_time": -1.0}],
    "ck_subjects_frame_number_range": [{"frame_number": -1}],
    "ck_classifications_user_kind_known": [{"user_kind": "robot"}],
    "ck_annotations_box_positive": [{"width": 0.0}, {"height": -1.0}],
    "ck_agg_runs_kind_known": [{"kind": "train"}],
    "ck_agg_annotations_clip_support_range": [{"support": 1.1}, {"support": -0.1}],
    "ck_agg_annotations_clip_votes_range": [{"votes": 3}, {"votes": -1}],
    "ck_agg_annotations_frame_box_positive": [{"width": 0.0}, {"height": 0.0}],
    "ck_agg_annotations_frame_support_range": [{"support": 1.1}],
    "ck_agg_subjects_blanks_range": [{"blanks": 3}, {"blanks": -1}],
    "ck_edit_log_kind_known": [{"kind": "guess"}],
    "ck_model_runs_kind_known": [{"kind": "clip"}],
    "ck_model_runs_state_known": [{"state": "lost"}],
    "ck_model_annotations_box_positive": [{"width": 0.0}, {"height": 0.0}],
    "ck_model_annotations_confidence_range": [{"confidence": 1.1}, {"confidence": -0.1}],
    "ck_analysis_runs_state_known": [{"state": "lost"}],
    "ck_analysis_blocks_position_order": [{"last": -1}, {"first": -1, "last": 0}],
    "ck_upload_journal_state_known": [{"state": "lost"}],
    "ck_export_files_kind_known": [{"kind": "movies"}],
}


def unique_columns(table):
    """The sets of columns that must be unique, without the primary key."""
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(column.name for column in constraint.columns)


def make_row(name, number):
    """The `number`-th valid row of a table; rows with different numbers share no unique value."""
    row = dict(VALID[name])
    for column in {column for columns in unique_columns(TABLES[name]) for column in columns}:
        if isinstance(row[column], str):
            row[column] = f"{row[column]}{number}"
    for columns in unique_columns(TABLES[name]):
        if not any(isinstance(row[column], str) for column in columns):
            row[columns[-1]] = row[columns[-1]] + number
    primary = TABLES[name].columns[PRIMARY[name]]
    return {primary.name: number if primary.type.python_type is int else f"k{number}", **row}


def write(store, name, row):
    store.upsert(name, pd.DataFrame({column: [value] for column, value in row.items()}), PRIMARY[name])


@pytest.fixture(scope="module")
def full(databases, empty, tmp_path_factory):
    """The address of a store with one row in every table."""
    address = databases.copy(empty, tmp_path_factory.mktemp("full"))
    with open_store(address) as store, store.atomic():
        for name in TABLES:
            write(store, name, make_row(name, 1))
    yield address
    databases.drop(address)


@pytest.fixture
def filled(databases, full, tmp_path):
    """A store with one row in every table."""
    address = databases.copy(full, tmp_path)
    with open_store(address) as store:
        yield store
    databases.drop(address)


CHECKS = sorted(
    (table.name, str(constraint.name))
    for table in TABLES.values()
    for constraint in table.constraints
    if isinstance(constraint, CheckConstraint)
)
UNIQUES = sorted((name, columns) for name, table in TABLES.items() for columns in unique_columns(table))
REFERENCES = sorted((name, key.parent.name) for name, table in TABLES.items() for key in table.foreign_keys)
REQUIRED = [
    (name, column.name)
    for name, table in TABLES.items()
    for column in table.columns
    if not column.nullable and column.name != PRIMARY[name]
]


def test_every_check_has_rows_that_break_it():
    assert {name for _, name in CHECKS} == set(BROKEN)


@pytest.mark.parametrize("table", TABLES)
def test_a_second_valid_row_is_taken(filled, table):
    write(filled, table, make_row(table, 2))
    assert len(filled.read(table)) == 2


@pytest.mark.parametrize(("table", "constraint"), CHECKS)
def test_a_check_refuses(filled, table, constraint):
    for change in BROKEN[constraint]:
        with pytest.raises(IntegrityFailed, match=constraint):
            write(filled, table, {**make_row(table, 2), **change})
    assert len(filled.read(table)) == 1


@pytest.mark.parametrize(("table", "columns"), UNIQUES)
def test_a_unique_constraint_refuses(filled, table, columns):
    first, second = make_row(table, 1), make_row(table, 2)
    with pytest.raises(IntegrityFailed, match=f"same {table}.{columns[0]}"):
        write(filled, table, {**second, **{column: first[column] for column in columns}})


@pytest.mark.parametrize(("table", "column"), REFERENCES)
def test_a_reference_to_nothing_is_refused(filled, table, column):
    with pytest.raises(IntegrityFailed, match=rf"{column} is 99999\b"):
        write(filled, table, {**make_row(table, 2), column: 99999})


@pytest.mark.parametrize(("table", "column"), REQUIRED)
def test_a_required_column_refuses_nothing(filled, table, column):
    with pytest.raises(IntegrityFailed, match=rf"{table}\.{column} is empty"):
        write(filled, table, {**make_row(table, 2), column: None})


@pytest.mark.parametrize("table", sorted({key.column.table.name for t in TABLES.values() for key in t.foreign_keys}))
def test_a_row_that_others_point_to_cannot_be_removed(filled, table):
    with pytest.raises(IntegrityFailed, match="foreign key"):
        filled.remove(table, {PRIMARY[table]: make_row(table, 1)[PRIMARY[table]]})


def test_a_site_without_a_position_is_taken(store):
    write(store, "sites", {"id": 1, "locality": "somewhere"})


def test_nothing_here_needs_no_scientific_name(store):
    write(store, "species", {"id": 1, "vernacularName": "Nothing", "zoo_label": "NOTHINGHERE", "is_taxon": False})


def test_two_boxes_of_one_species_in_one_frame_are_taken(filled):
    for number in (2, 3):
        write(filled, "model_annotations", make_row("model_annotations", number))
    assert len(filled.read("model_annotations")) == 3


def test_every_reference_is_the_start_of_an_index():
    """Joins follow references; without an index each would read its whole table (labels of rare use excepted)."""
    bare = {("species", "accepted_id"), ("subjects", "frame_exp_sp_id"), ("model_annotations", "movie_id")}
    bare |= {("model_annotations", "species_id"), ("model_artifacts", "movie_id"), ("analysis_blocks", "input_id")}
    for name, column in set(REFERENCES) - bare:
        table = TABLES[name]
        starts = {next(iter(index.columns)).name for index in table.indexes}
        starts |= {columns[0] for columns in unique_columns(table)}
        assert column in starts, f"{name}.{column}"


def test_constraints_are_named():
    constraints = itertools.chain.from_iterable(table.constraints for table in TABLES.values())
    assert all(constraint.name for constraint in constraints)
