"""How sure a consensus is, and who looked at each subject."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_CLIP = ("probability", "how_many_spread", "first_seen_spread_s", "entropy")
_FRAME = ("support_low", "support_high", "distance_px")


def upgrade() -> None:
    """Add the columns, empty in the runs that are there, and the table of subjects."""
    for table, columns in (("agg_annotations_clip", _CLIP), ("agg_annotations_frame", _FRAME)):
        for name in columns:
            op.add_column(table, sa.Column(name, sa.Double(), nullable=True))
    op.add_column("agg_annotations_clip", sa.Column("tied", sa.Boolean(), nullable=True))
    counts = ("people", "blanks", "labels", "species")
    op.create_table(
        "agg_subjects",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        *(sa.Column(name, _WHOLE, nullable=False) for name in counts),
        sa.Column("evenness", sa.Double(), nullable=False),
        sa.Column("entropy", sa.Double(), nullable=False),
        sa.Column("blank", sa.Boolean(), nullable=False),
        sa.CheckConstraint("blanks BETWEEN 0 AND people", name=op.f("ck_agg_subjects_blanks_range")),
        sa.ForeignKeyConstraint(["run_id"], ["agg_runs.id"], name=op.f("fk_agg_subjects_run_id_agg_runs")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_agg_subjects_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agg_subjects")),
    )
    op.create_index("ix_agg_subjects_run_id_subject_id", "agg_subjects", ["run_id", "subject_id"])
    op.create_index(op.f("ix_agg_subjects_subject_id"), "agg_subjects", ["subject_id"])
