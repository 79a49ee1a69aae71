"""The first version of the tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# PostgreSQL's INTEGER has 32 bits, too few for sizes of files; its text is sorted as in a language, unless told.
_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table, those first to which others point."""
    _make_agg_runs()
    _make_analysis_runs()
    _make_logs()
    _make_models()
    _make_sites()
    _make_species()
    _make_duplicates_and_surveys()
    _make_journals()
    _make_analysis_inputs()
    _make_model_runs()
    _make_movies()
    _make_photos()
    _make_analysis_blocks()
    _make_model_annotations()
    _make_model_artifacts()
    _make_model_metrics()
    _make_subjects()
    _make_agg_annotations_clip()
    _make_agg_annotations_frame()
    _make_classifications()
    _make_annotations()


def _make_agg_runs() -> None:
    op.create_table(
        "agg_runs",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("inputs", sa.JSON(none_as_null=True), nullable=False),
        sa.CheckConstraint("kind IN ('clip', 'frame')", name=op.f("ck_agg_runs_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agg_runs")),
    )


def _make_analysis_runs() -> None:
    op.create_table(
        "analysis_runs",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("kernel", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("inputs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_analysis_runs_state_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_runs")),
    )


def _make_logs() -> None:
    op.create_table(
        "edit_log",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("edit_id", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("who", _TEXT, nullable=True),
        sa.Column("table_name", _TEXT, nullable=False),
        sa.Column("row_key", _TEXT, nullable=False),
        sa.Column("column_name", _TEXT, nullable=False),
        sa.Column("old_value", _TEXT, nullable=True),
        sa.Column("new_value", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edit_log")),
    )
    op.create_index(op.f("ix_edit_log_edit_id"), "edit_log", ["edit_id"], unique=False)
    op.create_index("ix_edit_log_table_name_row_key", "edit_log", ["table_name", "row_key"], unique=False)
    op.create_table(
        "taxa_cache",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("fetched_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_taxa_cache")),
        sa.UniqueConstraint("source", "name", name=op.f("uq_taxa_cache_source_name")),
    )


def _make_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("architecture", _TEXT, nullable=False),
        sa.Column("weights_path", _TEXT, nullable=False),
        sa.Column("weights_sha256", _TEXT, nullable=False),
        sa.Column("classes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("weights_sha256", name=op.f("uq_models_weights_sha256")),
    )


def _make_sites() -> None:
    op.create_table(
        "sites",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("locationID", _TEXT, nullable=True),
        sa.Column("locality", _TEXT, nullable=False),
        sa.Column("decimalLatitude", sa.Double(), nullable=True),
        sa.Column("decimalLongitude", sa.Double(), nullable=True),
        sa.Column("geodeticDatum", _TEXT, nullable=True),
        sa.Column("coordinateUncertaintyInMeters", sa.Double(), nullable=True),
        sa.Column("countryCode", _TEXT, nullable=True),
        sa.Column("minimumDepthInMeters", sa.Double(), nullable=True),
        sa.Column("maximumDepthInMeters", sa.Double(), nullable=True),
        sa.Column("footprintWKT", _TEXT, nullable=True),
        sa.Column("waterBody", _TEXT, nullable=True),
        sa.Column("habitat", _TEXT, nullable=True),
        sa.CheckConstraint(
            '("decimalLatitude" IS NULL) = ("decimalLongitude" IS NULL)', name=op.f("ck_sites_position_whole")
        ),
        sa.CheckConstraint('"coordinateUncertaintyInMeters" > 0', name=op.f("ck_sites_uncertainty_positive")),
        sa.CheckConstraint('"decimalLatitude" BETWEEN -90 AND 90', name=op.f("ck_sites_latitude_range")),
        sa.CheckConstraint('"decimalLongitude" BETWEEN -180 AND 180', name=op.f("ck_sites_longitude_range")),
        sa.CheckConstraint('length("countryCode") = 2', name=op.f("ck_sites_country_length")),
        sa.CheckConstraint('"minimumDepthInMeters" <= "maximumDepthInMeters"', name=op.f("ck_sites_depth_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sites")),
        sa.UniqueConstraint("locality", name=op.f("uq_sites_locality")),
        sa.UniqueConstraint("locationID", name=op.f("uq_sites_locationID")),
    )


def _make_species() -> None:
    op.create_table(
        "species",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("taxonID", _TEXT, nullable=True),
        sa.Column("vernacularName", _TEXT, nullable=False),
        sa.Column("zoo_label", _TEXT, nullable=False),
        sa.Column("scientificName", _TEXT, nullable=True),
        sa.Column("scientificNameID", _TEXT, nullable=True),
        sa.Column("taxonRank", _TEXT, nullable=True),
        sa.Column("kingdom", _TEXT, nullable=True),
        sa.Column("phylum", _TEXT, nullable=True),
        sa.Column("class", _TEXT, nullable=True),
        sa.Column("order", _TEXT, nullable=True),
        sa.Column("family", _TEXT, nullable=True),
        sa.Column("genus", _TEXT, nullable=True),
        sa.Column("is_taxon", sa.Boolean(), nullable=False),
        sa.Column("accepted_id", _WHOLE, nullable=True),
        sa.CheckConstraint('is_taxon = false OR "scientificName" IS NOT NULL', name=op.f("ck_species_taxon_named")),
        sa.ForeignKeyConstraint(["accepted_id"], ["species.id"], name=op.f("fk_species_accepted_id_species")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_species")),
        sa.UniqueConstraint("vernacularName", name=op.f("uq_species_vernacularName")),
        sa.UniqueConstraint("zoo_label", name=op.f("uq_species_zoo_label")),
    )


def _make_duplicates_and_surveys() -> None:
    op.create_table(
        "subject_duplicates",
        sa.Column("dupl_subject_id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("single_subject_id", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("dupl_subject_id", name=op.f("pk_subject_duplicates")),
    )
    op.create_index(
        op.f("ix_subject_duplicates_single_subject_id"), "subject_duplicates", ["single_subject_id"], unique=False
    )
    op.create_table(
        "surveys",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("eventID", _TEXT, nullable=False),
        sa.Column("eventDate", _TEXT, nullable=True),
        sa.Column("samplingProtocol", _TEXT, nullable=True),
        sa.Column("recordedBy", _TEXT, nullable=True),
        sa.Column("institutionCode", _TEXT, nullable=True),
        sa.Column("datasetName", _TEXT, nullable=True),
        sa.Column("license", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surveys")),
        sa.UniqueConstraint("eventID", name=op.f("uq_surveys_eventID")),
    )


def _make_journals() -> None:
    op.create_table(
        "transfer_journal",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("key", _TEXT, nullable=False),
        sa.Column("state", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("updated_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_journal")),
        sa.UniqueConstraint("key", name=op.f("uq_transfer_journal_key")),
    )
    op.create_table(
        "upload_journal",
        sa.Column("key", _TEXT, nullable=False),
        sa.Column("project_id", _TEXT, nullable=False),
        sa.Column("subject_set_id", _TEXT, nullable=False),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("sha256", _TEXT, nullable=False),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=True),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("updated_at", _TEXT, nullable=False),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'created', 'media_ok', 'linked', 'verified', 'failed')",
            name=op.f("ck_upload_journal_state_known"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_upload_journal")),
    )
    op.create_index(
        "ix_upload_journal_subject_set_id_state", "upload_journal", ["subject_set_id", "state"], unique=False
    )


def _make_analysis_inputs() -> None:
    op.create_table(
        "analysis_inputs",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("media_id", _TEXT, nullable=False),
        sa.Column("location", _TEXT, nullable=False),
        sa.Column("identity", _TEXT, nullable=False),
        sa.Column("identity_kind", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["analysis_runs.id"], name=op.f("fk_analysis_inputs_run_id_analysis_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_inputs")),
        sa.UniqueConstraint("run_id", "media_id", name=op.f("uq_analysis_inputs_run_id_media_id")),
    )


def _make_model_runs() -> None:
    op.create_table(
        "model_runs",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("model_id", _WHOLE, nullable=True),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("inputs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.CheckConstraint("kind IN ('train', 'evaluate', 'detect')", name=op.f("ck_model_runs_kind_known")),
        sa.CheckConstraint("state IN ('running', 'done', 'failed')", name=op.f("ck_model_runs_state_known")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_runs_model_id_models")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_runs")),
    )
    op.create_index(op.f("ix_model_runs_model_id"), "model_runs", ["model_id"], unique=False)


def _make_movies() -> None:
    op.create_table(
        "movies",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("filename", _TEXT, nullable=False),
        sa.Column("eventID", _TEXT, nullable=True),
        sa.Column("survey_id", _WHOLE, nullable=True),
        sa.Column("site_id", _WHOLE, nullable=False),
        sa.Column("eventDate", _TEXT, nullable=True),
        sa.Column("recordedBy", _TEXT, nullable=True),
        sa.Column("samplingProtocol", _TEXT, nullable=True),
        sa.Column("sampleSizeValue", sa.Double(), nullable=True),
        sa.Column("sampleSizeUnit", _TEXT, nullable=True),
        sa.Column("samplingEffort", _TEXT, nullable=True),
        sa.Column("associatedMedia", _TEXT, nullable=True),
        sa.Column("fps", sa.Double(), nullable=True),
        sa.Column("fps_num", _WHOLE, nullable=True),
        sa.Column("fps_den", _WHOLE, nullable=True),
        sa.Column("frames", _WHOLE, nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("width", _WHOLE, nullable=True),
        sa.Column("height", _WHOLE, nullable=True),
        sa.Column("codec", _TEXT, nullable=True),
        sa.Column("sampling_start_s", sa.Double(), nullable=True),
        sa.Column("sampling_end_s", sa.Double(), nullable=True),
        sa.Column("sha256", _TEXT, nullable=True),
        sa.Column("size_bytes", _WHOLE, nullable=True),
        sa.Column("is_bad_deployment", sa.Boolean(), nullable=False),
        sa.Column("status", _TEXT, nullable=True),
        sa.CheckConstraint("duration_s > 0", name=op.f("ck_movies_duration_positive")),
        sa.CheckConstraint("fps > 0 AND fps_num > 0 AND fps_den > 0", name=op.f("ck_movies_rate_positive")),
        sa.CheckConstraint("sampling_end_s > sampling_start_s", name=op.f("ck_movies_window_order")),
        sa.CheckConstraint("sampling_start_s >= 0", name=op.f("ck_movies_window_start")),
        sa.CheckConstraint(
            "size_bytes > 0 AND width > 0 AND height > 0 AND frames > 0", name=op.f("ck_movies_size_positive")
        ),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_movies_site_id_sites")),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_movies_survey_id_surveys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movies")),
        sa.UniqueConstraint("eventID", name=op.f("uq_movies_eventID")),
        sa.UniqueConstraint("filename", name=op.f("uq_movies_filename")),
    )
    op.create_index(op.f("ix_movies_site_id"), "movies", ["site_id"], unique=False)
    op.create_index(op.f("ix_movies_survey_id"), "movies", ["survey_id"], unique=False)


def _make_photos() -> None:
    op.create_table(
        "photos",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("filename", _TEXT, nullable=False),
        sa.Column("survey_id", _WHOLE, nullable=True),
        sa.Column("site_id", _WHOLE, nullable=False),
        sa.Column("captured_at", _TEXT, nullable=True),
        sa.Column("photo_position", _WHOLE, nullable=True),
        sa.Column("width", _WHOLE, nullable=True),
        sa.Column("height", _WHOLE, nullable=True),
        sa.Column("sha256", _TEXT, nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["sites.id"], name=op.f("fk_photos_site_id_sites")),
        sa.ForeignKeyConstraint(["survey_id"], ["surveys.id"], name=op.f("fk_photos_survey_id_surveys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
        sa.UniqueConstraint("filename", name=op.f("uq_photos_filename")),
    )
    op.create_index(op.f("ix_photos_site_id"), "photos", ["site_id"], unique=False)
    op.create_index(op.f("ix_photos_survey_id"), "photos", ["survey_id"], unique=False)


def _make_analysis_blocks() -> None:
    op.create_table(
        "analysis_blocks",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("input_id", _WHOLE, nullable=False),
        sa.Column("stage", _WHOLE, nullable=False),
        sa.Column("first", _WHOLE, nullable=False),
        sa.Column("last", _WHOLE, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("error", _TEXT, nullable=True),
        sa.Column("part", _TEXT, nullable=True),
        sa.Column("part_row0", _WHOLE, nullable=True),
        sa.Column("part_row1", _WHOLE, nullable=True),
        sa.Column("sha256", _TEXT, nullable=True),
        sa.CheckConstraint("last >= first AND first >= 0", name=op.f("ck_analysis_blocks_position_order")),
        sa.ForeignKeyConstraint(
            ["input_id"], ["analysis_inputs.id"], name=op.f("fk_analysis_blocks_input_id_analysis_inputs")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["analysis_runs.id"], name=op.f("fk_analysis_blocks_run_id_analysis_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_blocks")),
        sa.UniqueConstraint(
            "run_id",
            "input_id",
            "stage",
            "first",
            "last",
            name=op.f("uq_analysis_blocks_run_id_input_id_stage_first_last"),
        ),
    )


def _make_model_annotations() -> None:
    op.create_table(
        "model_annotations",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("movie_id", _WHOLE, nullable=False),
        sa.Column("frame_number", _WHOLE, nullable=False),
        sa.Column("pts_s", sa.Double(), nullable=True),
        sa.Column("track_id", _WHOLE, nullable=True),
        sa.Column("species_id", _WHOLE, nullable=True),
        sa.Column("label", _TEXT, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("width", sa.Double(), nullable=False),
        sa.Column("height", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "(width IS NULL OR width > 0) AND (height IS NULL OR height > 0)",
            name=op.f("ck_model_annotations_box_positive"),
        ),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_model_annotations_confidence_range")),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_model_annotations_movie_id_movies")),
        sa.ForeignKeyConstraint(["run_id"], ["model_runs.id"], name=op.f("fk_model_annotations_run_id_model_runs")),
        sa.ForeignKeyConstraint(["species_id"], ["species.id"], name=op.f("fk_model_annotations_species_id_species")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_annotations")),
    )
    op.create_index(
        "ix_model_annotations_place",
        "model_annotations",
        ["run_id", "movie_id", "frame_number", "species_id"],
        unique=False,
    )


def _make_model_artifacts() -> None:
    op.create_table(
        "model_artifacts",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("movie_id", _WHOLE, nullable=True),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("sha256", _TEXT, nullable=False),
        sa.Column("size_bytes", _WHOLE, nullable=False),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_model_artifacts_movie_id_movies")),
        sa.ForeignKeyConstraint(["run_id"], ["model_runs.id"], name=op.f("fk_model_artifacts_run_id_model_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_artifacts")),
        sa.UniqueConstraint("run_id", "path", name=op.f("uq_model_artifacts_run_id_path")),
    )


def _make_model_metrics() -> None:
    op.create_table(
        "model_metrics",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("label", _TEXT, nullable=True),
        sa.Column("step", _WHOLE, nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["model_runs.id"], name=op.f("fk_model_metrics_run_id_model_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_metrics")),
    )
    op.create_index("ix_model_metrics_run_id_name", "model_metrics", ["run_id", "name"], unique=False)


def _make_subjects() -> None:
    op.create_table(
        "subjects",
        sa.Column("id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("subject_type", _TEXT, nullable=False),
        sa.Column("subject_set_id", _TEXT, nullable=True),
        sa.Column("movie_id", _WHOLE, nullable=True),
        sa.Column("filename", _TEXT, nullable=True),
        sa.Column("clip_start_time", sa.Double(), nullable=True),
        sa.Column("clip_end_time", sa.Double(), nullable=True),
        sa.Column("frame_number", _WHOLE, nullable=True),
        sa.Column("frame_exp_sp_id", _WHOLE, nullable=True),
        sa.Column("modification", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("https_location", _TEXT, nullable=True),
        sa.Column("sha256", _TEXT, nullable=True),
        sa.Column("upload_state", _TEXT, nullable=True),
        sa.Column("created_at", _TEXT, nullable=True),
        sa.Column("retired_at", _TEXT, nullable=True),
        sa.Column("retirement_reason", _TEXT, nullable=True),
        sa.Column("classifications_count", _WHOLE, nullable=True),
        sa.CheckConstraint("subject_type IN ('clip', 'frame')", name=op.f("ck_subjects_subject_type_known")),
        sa.CheckConstraint(
            "clip_end_time > clip_start_time AND clip_start_time >= 0", name=op.f("ck_subjects_clip_order")
        ),
        sa.CheckConstraint("frame_number >= 0", name=op.f("ck_subjects_frame_number_range")),
        sa.ForeignKeyConstraint(["frame_exp_sp_id"], ["species.id"], name=op.f("fk_subjects_frame_exp_sp_id_species")),
        sa.ForeignKeyConstraint(["movie_id"], ["movies.id"], name=op.f("fk_subjects_movie_id_movies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subjects")),
    )
    op.create_index("ix_subjects_movie_id_subject_type", "subjects", ["movie_id", "subject_type"], unique=False)
    op.create_index(op.f("ix_subjects_subject_set_id"), "subjects", ["subject_set_id"], unique=False)


def _make_agg_annotations_clip() -> None:
    op.create_table(
        "agg_annotations_clip",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        sa.Column("label", _TEXT, nullable=False),
        sa.Column("species_id", _WHOLE, nullable=True),
        sa.Column("votes", _WHOLE, nullable=False),
        sa.Column("people", _WHOLE, nullable=False),
        sa.Column("support", sa.Double(), nullable=False),
        sa.Column("support_low", sa.Double(), nullable=True),
        sa.Column("support_high", sa.Double(), nullable=True),
        sa.Column("how_many", sa.Double(), nullable=True),
        sa.Column("first_seen_s", sa.Double(), nullable=True),
        sa.Column("evenness", sa.Double(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.CheckConstraint("support BETWEEN 0 AND 1", name=op.f("ck_agg_annotations_clip_support_range")),
        sa.CheckConstraint("votes BETWEEN 0 AND people", name=op.f("ck_agg_annotations_clip_votes_range")),
        sa.ForeignKeyConstraint(["run_id"], ["agg_runs.id"], name=op.f("fk_agg_annotations_clip_run_id_agg_runs")),
        sa.ForeignKeyConstraint(
            ["species_id"], ["species.id"], name=op.f("fk_agg_annotations_clip_species_id_species")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_agg_annotations_clip_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agg_annotations_clip")),
        sa.UniqueConstraint(
            "run_id", "subject_id", "label", name=op.f("uq_agg_annotations_clip_run_id_subject_id_label")
        ),
    )
    op.create_index(op.f("ix_agg_annotations_clip_species_id"), "agg_annotations_clip", ["species_id"], unique=False)
    op.create_index(op.f("ix_agg_annotations_clip_subject_id"), "agg_annotations_clip", ["subject_id"], unique=False)


def _make_agg_annotations_frame() -> None:
    op.create_table(
        "agg_annotations_frame",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        sa.Column("frame", _WHOLE, nullable=False),
        sa.Column("label", _TEXT, nullable=False),
        sa.Column("species_id", _WHOLE, nullable=True),
        sa.Column("shape", _TEXT, nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("width", sa.Double(), nullable=True),
        sa.Column("height", sa.Double(), nullable=True),
        sa.Column("angle", sa.Double(), nullable=True),
        sa.Column("geometry", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("people", _WHOLE, nullable=False),
        sa.Column("looked", _WHOLE, nullable=False),
        sa.Column("support", sa.Double(), nullable=False),
        sa.Column("iou_spread", sa.Double(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "(width IS NULL OR width > 0) AND (height IS NULL OR height > 0)",
            name=op.f("ck_agg_annotations_frame_box_positive"),
        ),
        sa.CheckConstraint("support BETWEEN 0 AND 1", name=op.f("ck_agg_annotations_frame_support_range")),
        sa.ForeignKeyConstraint(["run_id"], ["agg_runs.id"], name=op.f("fk_agg_annotations_frame_run_id_agg_runs")),
        sa.ForeignKeyConstraint(
            ["species_id"], ["species.id"], name=op.f("fk_agg_annotations_frame_species_id_species")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["subjects.id"], name=op.f("fk_agg_annotations_frame_subject_id_subjects")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agg_annotations_frame")),
    )
    op.create_index(
        "ix_agg_annotations_frame_run_id_subject_id", "agg_annotations_frame", ["run_id", "subject_id"], unique=False
    )
    op.create_index(op.f("ix_agg_annotations_frame_species_id"), "agg_annotations_frame", ["species_id"], unique=False)
    op.create_index(op.f("ix_agg_annotations_frame_subject_id"), "agg_annotations_frame", ["subject_id"], unique=False)


def _make_classifications() -> None:
    op.create_table(
        "classifications",
        sa.Column("id", _WHOLE, autoincrement=False, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        sa.Column("user", _TEXT, nullable=False),
        sa.Column("user_kind", _TEXT, nullable=False),
        sa.Column("workflow_id", _WHOLE, nullable=False),
        sa.Column("version_major", _WHOLE, nullable=False),
        sa.Column("version_minor", _WHOLE, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("seen_before", sa.Boolean(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("gold_standard", sa.Boolean(), nullable=False),
        sa.Column("expert", sa.Boolean(), nullable=False),
        sa.Column("annotations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("source_sha256", _TEXT, nullable=True),
        sa.CheckConstraint("user_kind IN ('registered', 'anonymous')", name=op.f("ck_classifications_user_kind_known")),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_classifications_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classifications")),
    )
    op.create_index(op.f("ix_classifications_subject_id"), "classifications", ["subject_id"], unique=False)
    op.create_index(op.f("ix_classifications_workflow_id"), "classifications", ["workflow_id"], unique=False)


def _make_annotations() -> None:
    op.create_table(
        "annotations",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("classification_id", _WHOLE, nullable=False),
        sa.Column("position", _WHOLE, nullable=False),
        sa.Column("subject_id", _WHOLE, nullable=False),
        sa.Column("task", _TEXT, nullable=True),
        sa.Column("label", _TEXT, nullable=True),
        sa.Column("labels_from", _TEXT, nullable=True),
        sa.Column("how_many", sa.Double(), nullable=True),
        sa.Column("first_seen_s", sa.Double(), nullable=True),
        sa.Column("frame", _WHOLE, nullable=True),
        sa.Column("shape", _TEXT, nullable=True),
        sa.Column("x", sa.Double(), nullable=True),
        sa.Column("y", sa.Double(), nullable=True),
        sa.Column("width", sa.Double(), nullable=True),
        sa.Column("height", sa.Double(), nullable=True),
        sa.Column("angle", sa.Double(), nullable=True),
        sa.Column("geometry", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("raw", _TEXT, nullable=True),
        sa.CheckConstraint(
            "(width IS NULL OR width > 0) AND (height IS NULL OR height > 0)", name=op.f("ck_annotations_box_positive")
        ),
        sa.ForeignKeyConstraint(
            ["classification_id"], ["classifications.id"], name=op.f("fk_annotations_classification_id_classifications")
        ),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name=op.f("fk_annotations_subject_id_subjects")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
        sa.UniqueConstraint("classification_id", "position", name=op.f("uq_annotations_classification_id_position")),
    )
    op.create_index("ix_annotations_subject_id_label", "annotations", ["subject_id", "label"], unique=False)
