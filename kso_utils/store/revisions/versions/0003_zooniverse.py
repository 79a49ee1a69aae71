"""What a subject is in each workflow, which exports were taken in, when people worked, when an upload began."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_JSON = sa.JSON(none_as_null=True)
_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables and columns; what is there stays as it is."""
    for name, kind in (("started_at", _TEXT), ("finished_at", _TEXT), ("subject_ids", _JSON)):
        op.add_column("classifications", sa.Column(name, kind, nullable=True))
    for name in ("begun_at", "location"):
        op.add_column("upload_journal", sa.Column(name, _TEXT, nullable=True))
    op.add_column("subject_duplicates", sa.Column("listed", sa.Boolean(), nullable=True))
    op.create_table(
        "export_files",
        sa.Column("sha256", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("size_bytes", _WHOLE, nullable=False),
        sa.Column("rows", _WHOLE, nullable=False),
        sa.Column("exported_at", _TEXT, nullable=True),
        sa.Column("taken_in_at", _TEXT, nullable=False),
        sa.Column("params", _JSON, nullable=True),
        sa.CheckConstraint(
            "kind IN ('classifications', 'subjects', 'workflows')", name=op.f("ck_export_files_kind_known")
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_export_files")),
    )
    _make_subject_workflows()


def _make_subject_workflows() -> None:
    op.create_table(
        "subject_workflows",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        sa.Column("workflow_id", _WHOLE, nullable=False),
        sa.Column("subject_set_id", _TEXT, nullable=False),
        sa.Column("classifications_count", _WHOLE, nullable=True),
        sa.Column("retired_at", _TEXT, nullable=True),
        sa.Column("retirement_reason", _TEXT, nullable=True),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_subject_workflows_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_workflows")),
        sa.UniqueConstraint(
            "subject_id", "workflow_id", "subject_set_id",
            name=op.f("uq_subject_workflows_subject_id_workflow_id_subject_set_id"),
        ),
    )  # fmt: skip
    op.create_index(op.f("ix_subject_workflows_workflow_id"), "subject_workflows", ["workflow_id"])
