"""Text of any kind is data to every function that asks the store: the answers are those of a filter in plain Python."""

from __future__ import annotations

import hashlib
import inspect
import sqlite3
from contextlib import contextmanager, suppress

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import StoreError
from kso_utils.store import queries
from kso_utils.store.engine import open_store
from kso_utils.store.rows import Counts
from kso_utils.store.schema import Base

HOSTILE = [
    *(
        "",
        "'",
        '"',
        "`",
        "\\",
        "%",
        "_",
        "?",
        ";",
        "--",
        "/*",
        "NULL",
        "a",
        "A",
        " a",
        "a ",
        "1",
        "1.0",
        "0x31",
        "a\0b",
    ),
    *("x' OR '1'='1", 'x" OR "1"="1', "'; DROP TABLE sites; --", "a' UNION SELECT * FROM sites --", "sites.id"),
    *(":locality", "%(locality)s", "{0}", "$1", "Å", "A\u030a", "\ufb01", "\ud7ff\U0001f41f", "\x1f", "\u2028"),
]
texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.builds(str.__add__, st.sampled_from(HOSTILE), st.sampled_from(HOSTILE)),
)
examples = pytest.mark.parametrize("number", [20, pytest.param(2_000, marks=pytest.mark.soak)])


def for_texts(number, check, *more):
    """Run a check on so many texts."""
    wanted = settings(max_examples=number, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    wanted(given(texts, *more)(check))()


class Undo(Exception):
    """Ends a block whose writes are not to stay."""


@contextmanager
def undone(store):
    with pytest.raises(Undo), store.atomic():
        yield
        raise Undo


# PostgreSQL keeps no NUL.
pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def local(store):
    """A store with a site of each hostile name."""
    store.upsert("sites", pd.DataFrame({"locality": HOSTILE, "habitat": HOSTILE[::-1]}), "locality")
    return store


def localities(frame):
    return sorted(frame["locality"])


@examples
def test_read_finds_what_is_equal(local, number):
    def check(text):
        assert localities(local.read("sites", where={"locality": text})) == [one for one in HOSTILE if one == text]

    for_texts(number, check)


@examples
def test_read_finds_what_is_listed(local, number):
    def check(text, others):
        for listed in ([text, *others], (text, *others), {text, *others}, pd.Series([text, *others])):
            found = local.read("sites", where={"locality": listed})
            assert localities(found) == sorted(one for one in HOSTILE if one in {text, *others})

    for_texts(number, check, st.lists(texts, max_size=4))


def test_a_long_list_may_hold_a_nul(local, monkeypatch):
    monkeypatch.setattr("kso_utils.store.engine._MAX_VARIABLES", 1)
    assert localities(local.read("sites", where={"locality": ["", "a\0b", "b"]})) == ["", "a\0b"]


@examples
def test_a_long_list_is_a_list_too(local, number, monkeypatch):
    """One that goes to the database as a single JSON text."""
    monkeypatch.setattr("kso_utils.store.engine._MAX_VARIABLES", 1)

    def check(text, others):
        found = local.read("sites", where={"locality": [text, *others]})
        assert localities(found) == sorted(one for one in HOSTILE if one in {text, *others})

    for_texts(number, check, st.lists(texts, max_size=4))


@examples
def test_a_name_that_is_no_column_or_table_is_refused(local, number):
    known = {*Base.metadata.tables, *local.read("sites").columns}

    def check(text):
        assume(text not in known)
        for asked in ({"columns": [text]}, {"where": {text: 1}}, {"order_by": text}):
            with pytest.raises(StoreError, match="has no column"):
                local.read("sites", **asked)
        with pytest.raises(StoreError, match="There is no table"):
            local.read(text)
        with pytest.raises(StoreError, match="has no column"):
            local.remove("sites", {text: 1})

    for_texts(number, check)


@examples
def test_remove_takes_what_is_equal(local, number):
    def check(text):
        with undone(local):
            assert local.remove("sites", {"locality": text}) == (text in HOSTILE)
            assert localities(local.read("sites")) == sorted(one for one in HOSTILE if one != text)

    for_texts(number, check)


@examples
def test_upsert_knows_rows_by_what_is_equal(local, number):
    def check(text, value):
        rows = pd.DataFrame({"locality": [text], "habitat": [value]})
        before = dict(zip(HOSTILE, HOSTILE[::-1], strict=True))
        with undone(local):
            told = local.upsert("sites", rows, "locality")
            same = before.get(text) == value
            assert told == Counts(inserted=text not in before, updated=text in before and not same, unchanged=same)
            held = local.read("sites")
            assert dict(zip(held["locality"], held["habitat"], strict=True)) == {**before, text: value}

    for_texts(number, check, texts)


# The joins


def fill(store, text):
    """Write a row that holds the text wherever text may stand, beside one that does not, into the road's tables."""
    names = [text, f"other {text}"]
    store.upsert("sites", pd.DataFrame({"id": [1001, 1002], "locality": [f"{n} here" for n in names]}), "id")
    movies = {"id": [1, 2], "filename": names, "site_id": [1001, 1002], "is_bad_deployment": [False, True]}
    store.upsert("movies", pd.DataFrame(movies), "id")
    subjects = {"id": [1, 2, 3, 4], "subject_type": ["clip", "clip", "frame", "frame"], "movie_id": [1, 2, 1, 2]}
    times = {"clip_start_time": [0.0, 5.0, None, None], "clip_end_time": [5.0, 9.0, None, None]}
    frames = {"frame_number": [None, None, 3, 4], "filename": [*names, *names]}
    store.upsert("subjects", pd.DataFrame({**subjects, **times, **frames}), "id")
    people = {"id": [1, 2], "subject_id": [1, 3], "user": names, "user_kind": "anonymous", "workflow_id": [1, 2]}
    rest = {"version_major": 1, "version_minor": 1, "created_at": text, "annotations": [[text], []]}
    store.upsert("classifications", pd.DataFrame({**people, **rest}), "id")
    marks = {"id": [1, 2], "classification_id": [1, 2], "position": 0, "subject_id": [1, 3], "label": names}
    store.upsert("annotations", pd.DataFrame({**marks, "task": text, "raw": text}), "id")
    agreed = pd.DataFrame({"subject_id": [1, 2], "label": names, "votes": 1, "people": 1, "support": 1.0})
    looked = pd.DataFrame({"subject_id": [1], "people": 1, "blanks": 0, "labels": 1, "species": 1})
    looked = looked.assign(evenness=0.0, entropy=0.0, blank=False)
    clip_rows = {"agg_annotations_clip": agreed.assign(agreed=[True, False]), "agg_subjects": looked}
    store.record_run("clip", {"x": text}, {}, clip_rows)
    box = pd.DataFrame({"subject_id": [3, 4], "label": names, "x": 1.0, "y": 1.0, "people": 1, "looked": 1})
    store.record_run("frame", {}, {}, {"agg_annotations_frame": box.assign(support=1.0, agreed=[True, False])})
    sent = {"key": names, "project_id": text, "subject_set_id": text, "path": text, "sha256": text}
    clip = {"#movie_id": 2, "clip_start_time": 20, "clip_end_time": 30, "name": text}
    state = {"metadata": [clip, {"movie_id": text}], "state": ["planned", "verified"], "updated_at": text}
    store.upsert("upload_journal", pd.DataFrame({**sent, **state}), "key")
    edit = {"edit_id": names, "kind": ["take_in", "edit"], "created_at": text, "version": text, "changes": [[text], []]}
    store.upsert("edit_log", pd.DataFrame({**edit, "table_name": names}), ["edit_id", "table_name"])


def joined(frame, *columns):
    return frame[list(columns)].values.tolist()


ASKED = {
    "clip_subjects": lambda s, t: (
        joined(queries.clip_subjects(s), "id", "filename", "movie_filename", "locality"),
        [[1, t, t, f"{t} here"], [2, f"other {t}", f"other {t}", f"other {t} here"]],
    ),
    "frame_subjects": lambda s, t: (
        joined(queries.frame_subjects(s), "id", "movie_filename", "locality"),
        [[3, t, f"{t} here"], [4, f"other {t}", f"other {t} here"]],
    ),
    "votes": lambda s, t: (
        [
            joined(queries.votes(s, "clip"), "user", "label", "task", "created_at", "raw"),
            joined(queries.votes(s, "frame", [2]), "user", "label"),
            queries.votes(s, t).shape[0],
        ],
        [[[t, t, t, t, t]], [[f"other {t}", f"other {t}"]], 0],
    ),
    "latest_run": lambda s, t: (
        [queries.latest_run(s, "agg_runs", t), queries.latest_run(s, "model_runs", t)],
        [None, None],
    ),
    "agreed_clips": lambda s, t: (
        joined(queries.agreed_clips(s), "subject_id", "label", "filename", "locality"),
        [[1, t, t, f"{t} here"]],
    ),
    "agreed_boxes": lambda s, t: (
        joined(queries.agreed_boxes(s), "subject_id", "label", "filename", "locality"),
        [[3, t, t, f"{t} here"]],
    ),
    "movies_with_sites": lambda s, t: (
        joined(queries.movies_with_sites(s), "id", "filename", "locality"),
        [[1, t, f"{t} here"], [2, f"other {t}", f"other {t} here"]],
    ),
    "good_movies": lambda s, t: (joined(queries.good_movies(s), "filename", "locality"), [[t, f"{t} here"]]),
    "looked_at": lambda s, t: (
        joined(queries.looked_at(s, 1), "subject_id", "movie_id", "people"),
        [[1, 1, 1]],
    ),
    "last_edits": lambda s, t: (
        joined(queries.last_edits(s), "edit_id", "table_name", "changes"),
        [[t, t, [t]], [f"other {t}", f"other {t}", []]],
    ),
    "tables_taken_in": lambda s, t: (queries.tables_taken_in(s), {t}),
    "count_references": lambda s, t: (
        [
            joined(queries.count_references(s, "movies", [1]), "id", "table", "rows"),
            len(queries.count_references(s, t, [1])),
        ],
        [[[1, "subjects", 2]], 0],
    ),
    "clips_taken": lambda s, t: (queries.clips_taken(s).values.tolist(), [[1, 0, 5], [2, 5, 9], [2, 20, 30]]),
    "unfinished_uploads": lambda s, t: (
        [
            (row["key"], row["path"], row["metadata"]["name"])
            for row in queries.unfinished_uploads(s).to_dict("records")
        ],
        [(t, t, t)],
    ),
    "subject_ids": lambda s, t: (queries.subject_ids(s).tolist(), [1, 2, 3, 4]),
    "classification_ids": lambda s, t: (
        [queries.classification_ids(s).tolist(), queries.classification_ids(s, {(2, 1, 1)}).tolist()],
        [[1, 2], [2]],
    ),
    "answered_versions": lambda s, t: (queries.answered_versions(s), {(1, 1, 1), (2, 1, 1)}),
}
"""Function -> what it says of a store that `fill` filled with a text, and what it must say."""


@examples
def test_every_join_gives_what_is_equal(local, number):
    local.remove("sites", {"locality": HOSTILE})

    def check(text):
        with undone(local):
            fill(local, text)
            for name, ask in ASKED.items():
                said, right = ask(local, text)
                assert said == right, name

    for_texts(number, check)


def test_every_function_that_asks_is_asked():
    public = {
        name
        for name, value in vars(queries).items()
        if inspect.isfunction(value) and value.__module__ == queries.__name__ and not name.startswith("_")
    }
    assert public == set(ASKED)


# Readers

STATEMENTS = (
    "",
    "DELETE FROM sites; ",
    "INSERT INTO sites (locality) VALUES ('",
    "UPDATE sites SET habitat = '",
    "DROP ",
)


@pytest.mark.parametrize("number", [60, pytest.param(10_000, marks=pytest.mark.soak)])
def test_no_text_and_no_statement_changes_the_file_of_a_reader(local, number):
    local.close()
    before = hashlib.sha256(local.path.read_bytes()).hexdigest()
    with open_store(local.path, read_only=True) as reader, reader._engine.connect() as connection:
        raw = connection.connection.driver_connection

        def check(text, start):
            reader.read("sites", where={"locality": text})
            with suppress(sqlite3.Error, ValueError):
                raw.execute(start + text).fetchall()

        for_texts(number, check, st.sampled_from(STATEMENTS))
    assert hashlib.sha256(local.path.read_bytes()).hexdigest() == before


def test_a_reader_is_refused_every_change(local):
    with open_store(local.path, read_only=True) as reader:
        with pytest.raises(StoreError, match="read-only"):
            reader.remove("sites", {"locality": ""})
        with pytest.raises(StoreError, match="read-only"):
            reader.upsert("sites", pd.DataFrame({"locality": ["new"]}), "locality")
