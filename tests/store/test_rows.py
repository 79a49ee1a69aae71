from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from kso_utils.store.rows import insert_rows
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
