"""Edits are logged a table at a time, with the file written; movies know their chapters, runs their versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_JSON = sa.JSON(none_as_null=True)
_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_RUNS = ("agg_runs", "model_runs", "analysis_runs")


def upgrade() -> None:
    """Add the columns, and gather the logged cells of each edit into one row a table."""
    op.add_column("movies", sa.Column("chapters", _JSON, nullable=True))
    for table in _RUNS:
        op.add_column(table, sa.Column("versions", _JSON, nullable=True))
    _rebuild_log()


def _rebuild_log() -> None:
    connection = op.get_bind()
    old = sa.table("edit_log", *(sa.column(name) for name in _CELLS))
    cells = connection.execute(sa.select(old).order_by(old.c.id)).mappings().all()
    op.drop_index("ix_edit_log_edit_id", "edit_log")
    op.drop_index("ix_edit_log_table_name_row_key", "edit_log")
    op.drop_table("edit_log")
    made = op.create_table(
        "edit_log",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("edit_id", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("who", _TEXT, nullable=True),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("table_name", _TEXT, nullable=False),
        sa.Column("changes", _JSON, nullable=False),
        sa.Column("undoes", _TEXT, nullable=True),
        sa.Column("file", _TEXT, nullable=True),
        sa.Column("sha256_before", _TEXT, nullable=True),
        sa.Column("sha256_after", _TEXT, nullable=True),
        sa.Column("written", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('edit', 'undo', 'take_in', 'set_aside')", name=op.f("ck_edit_log_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edit_log")),
        sa.UniqueConstraint("edit_id", "table_name", name=op.f("uq_edit_log_edit_id_table_name")),
    )
    op.create_index("ix_edit_log_table_name_id", "edit_log", ["table_name", "id"])
    edits: dict[tuple[str, str], dict[str, object]] = {}
    for cell in cells:
        first = {"kind": "edit", "version": "0", "written": True, "changes": []}
        taken = {name: cell[name] for name in ("edit_id", "created_at", "who", "table_name")}
        edit = edits.setdefault((cell["edit_id"], cell["table_name"]), {**first, **taken})
        edit["changes"].append(  # type: ignore[attr-defined]
            {
                "action": "set",
                "key": cell["row_key"],
                "column": cell["column_name"],
                "before": cell["old_value"],
                "after": cell["new_value"],
            }
        )
    if edits:
        op.bulk_insert(made, list(edits.values()))


_CELLS = ("id", "edit_id", "created_at", "who", "table_name", "row_key", "column_name", "old_value", "new_value")
