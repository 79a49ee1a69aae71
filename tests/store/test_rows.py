from __future__ import annotations

import pandas as pd
from sqlalchemy.exc import IntegrityError

from kso_utils.store.rows import Counts, insert_rows
from kso_utils.store.schema import Base


class Once:
    """A connection that refuses the first statement, for a reason that is gone the second time."""

    def __init__(self, connection):
        self.connection, self.dialect, self.refused = connection, connection.dialect, False

    def begin_nested(self):
        return self.connection.begin_nested()

    def exec_driver_sql(self, *args):
        if not self.refused:
            self.refused = True
            raise IntegrityError("", {}, Exception("gone"))
        return self.connection.exec_driver_sql(*args)


def test_rows_that_are_taken_one_by_one_are_in(store):
    with store.atomic():
        insert_rows(Once(store._writing()), Base.metadata.tables["sites"], {"locality": ["a", "b"]})
    assert store.read("sites")["locality"].tolist() == ["a", "b"]


def test_more_rows_than_go_at_once_keep_objects_truth_values_and_gaps(store):
    number = 20_003
    subjects = pd.DataFrame({"id": range(1, number + 1), "subject_type": "clip"})
    subjects["metadata"] = [
        None if n % 3 == 0 else {"name": f"100 % 'å' {n}", "parts": [n, None]} for n in range(number)
    ]
    store.upsert("sites", pd.DataFrame({"id": [1], "locality": ["reef"]}), "id")
    movies = pd.DataFrame({"filename": [f"{n}.mp4" for n in range(number)], "site_id": 1})
    movies["is_bad_deployment"] = [n % 2 == 0 for n in range(number)]
    movies["duration_s"] = [None if n % 5 == 0 else n / 8 for n in range(number)]
    for table, rows, key, column in (
        ("subjects", subjects, "id", "metadata"),
        ("movies", movies, "filename", "is_bad_deployment"),
    ):
        assert store.upsert(table, rows, key) == Counts(number, 0, 0)
        assert store.upsert(table, rows, key) == Counts(0, 0, number)
        turned = rows.assign(**{column: rows[column].tolist()[::-1]})
        assert store.upsert(table, turned, key).inserted == 0
        assert store.read(table, order_by="id")[column].tolist() == turned[column].tolist()
    lengths = store.read("movies", order_by="id")["duration_s"]
    assert lengths.isna().tolist() == [n % 5 == 0 for n in range(number)]
