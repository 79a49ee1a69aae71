"""What all tables of the store are made of: types, names of constraints, and checks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase

# A missing value is SQL's NULL, never the JSON text "null", so that NOT NULL and IS NULL mean what they say.
_JSON = JSON(none_as_null=True)
# SQLite's INTEGER holds 64 bits, PostgreSQL's only 32, too few for sizes of files and in time for Zooniverse's ids.
_WHOLE = BigInteger().with_variant(Integer, "sqlite")
# SQLite sorts text by its characters, PostgreSQL by the rules of a language unless it is told otherwise.
_TEXT = String().with_variant(String(collation="C"), "postgresql")


class Base(DeclarativeBase):
    """The common base; constraints are named, so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        dict[str, Any]: _JSON,
        list[Any]: _JSON,
        int: _WHOLE,
        str: _TEXT,
    }


def check(name: str, sql: str) -> CheckConstraint:
    """Return a condition that every row must meet, by its name within the table."""
    # Names with capitals stand in quotes there: PostgreSQL makes all others small.
    return CheckConstraint(sql, name=name)


def one_of(column: str, *values: str) -> CheckConstraint:
    """Return the check that a column holds one of some values."""
    listed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


# What a box with a size must meet.
BOX_POSITIVE = ("box_positive", "(width IS NULL OR width > 0) AND (height IS NULL OR height > 0)")
