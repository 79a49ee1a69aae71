"""The tables of the store, as SQLAlchemy typed models.

Darwin Core terms keep their spelling; all other columns are snake_case with the unit as suffix. What must hold is
a constraint in the database, so that no writer can break it, ours or another.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from kso_utils.store.base import BOX_POSITIVE, check, one_of
from kso_utils.store.base import Base as Base  # with Base come its tables


class Survey(Base):
    """A survey: the parent event of its movies and photos."""

    __tablename__ = "surveys"
    id: Mapped[int] = mapped_column(primary_key=True)
    eventID: Mapped[str] = mapped_column(unique=True)
    eventDate: Mapped[str | None]
    samplingProtocol: Mapped[str | None]
    recordedBy: Mapped[str | None]
    institutionCode: Mapped[str | None]
    datasetName: Mapped[str | None]
    license: Mapped[str | None]


class Site(Base):
    """A place (dcterms:Location). A site whose position is unknown has neither latitude nor longitude."""

    __tablename__ = "sites"
    __table_args__ = (
        check("latitude_range", '"decimalLatitude" BETWEEN -90 AND 90'),
        check("longitude_range", '"decimalLongitude" BETWEEN -180 AND 180'),
        check("position_whole", '("decimalLatitude" IS NULL) = ("decimalLongitude" IS NULL)'),
        check("country_length", 'length("countryCode") = 2'),
        check("depth_order", '"minimumDepthInMeters" <= "maximumDepthInMeters"'),
        check("uncertainty_positive", '"coordinateUncertaintyInMeters" > 0'),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    locationID: Mapped[str | None] = mapped_column(unique=True)
    locality: Mapped[str] = mapped_column(unique=True)
    decimalLatitude: Mapped[float | None]
    decimalLongitude: Mapped[float | None]
    geodeticDatum: Mapped[str | None]
    coordinateUncertaintyInMeters: Mapped[float | None]
    countryCode: Mapped[str | None]
    minimumDepthInMeters: Mapped[float | None]
    maximumDepthInMeters: Mapped[float | None]
    footprintWKT: Mapped[str | None]
    waterBody: Mapped[str | None]
    habitat: Mapped[str | None]


class Movie(Base):
    """A movie: one sampling event and its file."""

    __tablename__ = "movies"
    __table_args__ = (
        check("rate_positive", "fps > 0 AND fps_num > 0 AND fps_den > 0"),
        check("duration_positive", "duration_s > 0"),
        check("window_start", "sampling_start_s >= 0"),
        check("window_order", "sampling_end_s > sampling_start_s"),
        check("size_positive", "size_bytes > 0 AND width > 0 AND height > 0 AND frames > 0"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    filename: Mapped[str] = mapped_column(unique=True)
    eventID: Mapped[str | None] = mapped_column(unique=True)
    survey_id: Mapped[int | None] = mapped_column(ForeignKey("surveys.id"), index=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    eventDate: Mapped[str | None]
    recordedBy: Mapped[str | None]
    samplingProtocol: Mapped[str | None]
    sampleSizeValue: Mapped[float | None]
    sampleSizeUnit: Mapped[str | None]
    samplingEffort: Mapped[str | None]
    associatedMedia: Mapped[str | None]
    chapters: Mapped[list[Any] | None]
    fps: Mapped[float | None]
    fps_num: Mapped[int | None]
    fps_den: Mapped[int | None]
    frames: Mapped[int | None]
    duration_s: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    codec: Mapped[str | None]
    sampling_start_s: Mapped[float | None]
    sampling_end_s: Mapped[float | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None]
    is_bad_deployment: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str | None]


class Photo(Base):
    """A still photo."""

    __tablename__ = "photos"
    id: Mapped[int] = mapped_column(primary_key=True)
    filename: Mapped[str] = mapped_column(unique=True)
    survey_id: Mapped[int | None] = mapped_column(ForeignKey("surveys.id"), index=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("sites.id"), index=True)
    captured_at: Mapped[str | None]
    photo_position: Mapped[int | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    sha256: Mapped[str | None]


class Species(Base):
    """A label that people and models may give: a taxon, or explicitly none (`is_taxon` false: "Nothing here")."""

    __tablename__ = "species"
    __table_args__ = (check("taxon_named", 'is_taxon = false OR "scientificName" IS NOT NULL'),)
    id: Mapped[int] = mapped_column(primary_key=True)
    taxonID: Mapped[str | None]
    vernacularName: Mapped[str] = mapped_column(unique=True)
    zoo_label: Mapped[str] = mapped_column(unique=True)
    scientificName: Mapped[str | None]
    scientificNameID: Mapped[str | None]
    taxonRank: Mapped[str | None]
    kingdom: Mapped[str | None]
    phylum: Mapped[str | None]
    class_: Mapped[str | None] = mapped_column("class")
    order: Mapped[str | None]
    family: Mapped[str | None]
    genus: Mapped[str | None]
    is_taxon: Mapped[bool] = mapped_column(default=True)
    accepted_id: Mapped[int | None] = mapped_column(ForeignKey("species.id"))


class Subject(Base):
    """A clip or frame on Zooniverse; `id` is Zooniverse's own subject id."""

    __tablename__ = "subjects"
    __table_args__ = (
        one_of("subject_type", "clip", "frame"),
        check("clip_order", "clip_end_time > clip_start_time AND clip_start_time >= 0"),
        check("frame_number_range", "frame_number >= 0"),
        Index("ix_subjects_movie_id_subject_type", "movie_id", "subject_type"),
    )
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject_type: Mapped[str]
    subject_set_id: Mapped[str | None] = mapped_column(index=True)
    movie_id: Mapped[int | None] = mapped_column(ForeignKey("movies.id"))
    filename: Mapped[str | None]
    clip_start_time: Mapped[float | None]
    clip_end_time: Mapped[float | None]
    frame_number: Mapped[int | None]
    frame_exp_sp_id: Mapped[int | None] = mapped_column(ForeignKey("species.id"))
    modification: Mapped[dict[str, Any] | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    https_location: Mapped[str | None]
    sha256: Mapped[str | None]
    upload_state: Mapped[str | None]
    created_at: Mapped[str | None]
    retired_at: Mapped[str | None]
    retirement_reason: Mapped[str | None]
    classifications_count: Mapped[int | None]


class SubjectWorkflow(Base):
    """How far a subject is in one workflow, and through which set it came there."""

    __tablename__ = "subject_workflows"
    __table_args__ = (UniqueConstraint("subject_id", "workflow_id", "subject_set_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"))
    workflow_id: Mapped[int] = mapped_column(index=True)
    subject_set_id: Mapped[str]
    classifications_count: Mapped[int | None]
    retired_at: Mapped[str | None]
    retirement_reason: Mapped[str | None]


class SubjectDuplicate(Base):
    """A subject that was uploaded twice, and the one that stands for it; `listed` in the project's own table."""

    __tablename__ = "subject_duplicates"
    dupl_subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    single_subject_id: Mapped[int] = mapped_column(index=True)
    listed: Mapped[bool | None]


class Classification(Base):
    """One person's whole answer to one subject, as exported; addresses and user agents are not kept."""

    __tablename__ = "classifications"
    __table_args__ = (one_of("user_kind", "registered", "anonymous"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"), index=True)
    user: Mapped[str]
    user_kind: Mapped[str]
    workflow_id: Mapped[int] = mapped_column(index=True)
    version_major: Mapped[int]
    version_minor: Mapped[int]
    created_at: Mapped[str]
    seen_before: Mapped[bool] = mapped_column(default=False)
    live: Mapped[bool] = mapped_column(default=True)
    gold_standard: Mapped[bool] = mapped_column(default=False)
    expert: Mapped[bool] = mapped_column(default=False)
    annotations: Mapped[list[Any]]
    source_sha256: Mapped[str | None]
    started_at: Mapped[str | None]
    finished_at: Mapped[str | None]
    subject_ids: Mapped[list[Any] | None]


class ExportFile(Base):
    """A file of exported classifications, subjects or workflows whose rows were taken in; it is kept unchanged.

    `params` tells how the answers that are in the store now were read; it is empty in files of earlier times.
    """

    __tablename__ = "export_files"
    __table_args__ = (one_of("kind", "classifications", "subjects", "workflows"),)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    size_bytes: Mapped[int]
    rows: Mapped[int]
    exported_at: Mapped[str | None]
    taken_in_at: Mapped[str]
    params: Mapped[dict[str, Any] | None]


class Annotation(Base):
    """One choice, box, point or answer of a classification; one row without label where nothing was marked."""

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("classification_id", "position"),
        check(*BOX_POSITIVE),
        Index("ix_annotations_subject_id_label", "subject_id", "label"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    classification_id: Mapped[int] = mapped_column(ForeignKey("classifications.id"))
    position: Mapped[int]
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"))
    task: Mapped[str | None]
    label: Mapped[str | None]
    labels_from: Mapped[str | None]
    how_many: Mapped[float | None]
    first_seen_s: Mapped[float | None]
    frame: Mapped[int | None]
    shape: Mapped[str | None]
    x: Mapped[float | None]
    y: Mapped[float | None]
    width: Mapped[float | None]
    height: Mapped[float | None]
    angle: Mapped[float | None]
    geometry: Mapped[dict[str, Any] | None]
    raw: Mapped[str | None]


class AggRun(Base):
    """One computation of consensus: its parameters, version and input."""

    __tablename__ = "agg_runs"
    __table_args__ = (one_of("kind", "clip", "frame"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    created_at: Mapped[str]
    version: Mapped[str]
    params: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any] | None]


class AggClip(Base):
    """What people agree, or fail to agree, to have seen in a clip: one row a subject and label."""

    __tablename__ = "agg_annotations_clip"
    __table_args__ = (
        UniqueConstraint("run_id", "subject_id", "label"),
        check("support_range", "support BETWEEN 0 AND 1"),
        check("votes_range", "votes BETWEEN 0 AND people"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("agg_runs.id"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"), index=True)
    label: Mapped[str]
    species_id: Mapped[int | None] = mapped_column(ForeignKey("species.id"), index=True)
    votes: Mapped[int]
    people: Mapped[int]
    support: Mapped[float]
    support_low: Mapped[float | None]
    support_high: Mapped[float | None]
    how_many: Mapped[float | None]
    first_seen_s: Mapped[float | None]
    evenness: Mapped[float | None]
    agreed: Mapped[bool]
    probability: Mapped[float | None]
    how_many_spread: Mapped[float | None]
    first_seen_spread_s: Mapped[float | None]
    entropy: Mapped[float | None]
    tied: Mapped[bool | None]


class AggFrame(Base):
    """A box (or other mark) on which people agree, or fail to: natural-image pixels, top-left corner and size."""

    __tablename__ = "agg_annotations_frame"
    __table_args__ = (
        check(*BOX_POSITIVE),
        check("support_range", "support BETWEEN 0 AND 1"),
        Index("ix_agg_annotations_frame_run_id_subject_id", "run_id", "subject_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("agg_runs.id"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"), index=True)
    frame: Mapped[int] = mapped_column(default=0)
    label: Mapped[str]
    species_id: Mapped[int | None] = mapped_column(ForeignKey("species.id"), index=True)
    shape: Mapped[str] = mapped_column(default="rectangle")
    x: Mapped[float]
    y: Mapped[float]
    width: Mapped[float | None]
    height: Mapped[float | None]
    angle: Mapped[float | None]
    geometry: Mapped[dict[str, Any] | None]
    people: Mapped[int]
    looked: Mapped[int]
    support: Mapped[float]
    iou_spread: Mapped[float | None]
    agreed: Mapped[bool]
    support_low: Mapped[float | None]
    support_high: Mapped[float | None]
    distance_px: Mapped[float | None]


class AggSubject(Base):
    """How many people looked at a subject in a run of consensus, and how far they were of one mind."""

    __tablename__ = "agg_subjects"
    __table_args__ = (
        check("blanks_range", "blanks BETWEEN 0 AND people"),
        Index("ix_agg_subjects_run_id_subject_id", "run_id", "subject_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("agg_runs.id"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subjects.id"), index=True)
    people: Mapped[int]
    blanks: Mapped[int]
    labels: Mapped[int]
    species: Mapped[int]
    evenness: Mapped[float]
    entropy: Mapped[float]
    blank: Mapped[bool]


class Model(Base):
    """A trained model: a weights file, known by its content."""

    __tablename__ = "models"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    architecture: Mapped[str]
    weights_path: Mapped[str]
    weights_sha256: Mapped[str] = mapped_column(unique=True)
    classes: Mapped[list[Any]]
    created_at: Mapped[str]


class ModelRun(Base):
    """A training, evaluation or detection run."""

    __tablename__ = "model_runs"
    __table_args__ = (
        one_of("kind", "train", "evaluate", "detect"),
        one_of("state", "running", "done", "failed"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"), index=True)
    created_at: Mapped[str]
    version: Mapped[str]
    params: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(default="done")
    error: Mapped[str | None]


class ModelMetric(Base):
    """A number that a run gave: of one class (`label`) or all, at one epoch (`step`) or at the end."""

    __tablename__ = "model_metrics"
    __table_args__ = (Index("ix_model_metrics_run_id_name", "run_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("model_runs.id"))
    name: Mapped[str]
    label: Mapped[str | None]
    step: Mapped[int | None]
    value: Mapped[float | None]


class ModelArtifact(Base):
    """A file that a run made, named only after it was complete; `path` is relative to the project folder."""

    __tablename__ = "model_artifacts"
    __table_args__ = (UniqueConstraint("run_id", "path"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("model_runs.id"))
    kind: Mapped[str]
    movie_id: Mapped[int | None] = mapped_column(ForeignKey("movies.id"))
    path: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int]


class ModelAnnotation(Base):
    """A detection kept in the store itself; whole runs live in Parquet parts, named by `model_artifacts`."""

    __tablename__ = "model_annotations"
    __table_args__ = (
        check(*BOX_POSITIVE),
        check("confidence_range", "confidence BETWEEN 0 AND 1"),
        Index("ix_model_annotations_place", "run_id", "movie_id", "frame_number", "species_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("model_runs.id"))
    movie_id: Mapped[int] = mapped_column(ForeignKey("movies.id"))
    frame_number: Mapped[int]
    pts_s: Mapped[float | None]
    track_id: Mapped[int | None]
    species_id: Mapped[int | None] = mapped_column(ForeignKey("species.id"))
    label: Mapped[str]
    confidence: Mapped[float]
    x: Mapped[float]
    y: Mapped[float]
    width: Mapped[float]
    height: Mapped[float]


class AnalysisRun(Base):
    """One run of an analysis kernel."""

    __tablename__ = "analysis_runs"
    __table_args__ = (one_of("state", "running", "done", "failed"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    kernel: Mapped[str]
    created_at: Mapped[str]
    version: Mapped[str]
    params: Mapped[dict[str, Any]]
    inputs: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(default="running")
    error: Mapped[str | None]


class AnalysisInput(Base):
    """One input of an analysis run, with the identity that its results are stored under."""

    __tablename__ = "analysis_inputs"
    __table_args__ = (UniqueConstraint("run_id", "media_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id"))
    media_id: Mapped[str]
    location: Mapped[str]
    identity: Mapped[str]
    identity_kind: Mapped[str]
    state: Mapped[str]
    error: Mapped[str | None]


class AnalysisBlock(Base):
    """A measured block and the rows of the part file that hold it."""

    __tablename__ = "analysis_blocks"
    __table_args__ = (
        UniqueConstraint("run_id", "input_id", "stage", "first", "last"),
        check("position_order", "last >= first AND first >= 0"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id"))
    input_id: Mapped[int] = mapped_column(ForeignKey("analysis_inputs.id"))
    stage: Mapped[int]
    first: Mapped[int]
    last: Mapped[int]
    state: Mapped[str]
    error: Mapped[str | None]
    part: Mapped[str | None]
    part_row0: Mapped[int | None]
    part_row1: Mapped[int | None]
    sha256: Mapped[str | None]


class UploadEntry(Base):
    """A subject that is to be on Zooniverse exactly once, and how far it has come."""

    __tablename__ = "upload_journal"
    __table_args__ = (
        one_of("state", "planned", "sending", "created", "media_ok", "linked", "verified", "failed"),
        Index("ix_upload_journal_subject_set_id_state", "subject_set_id", "state"),
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    subject_set_id: Mapped[str]
    path: Mapped[str]
    sha256: Mapped[str]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    state: Mapped[str]
    subject_id: Mapped[int | None]
    reason: Mapped[str | None]
    updated_at: Mapped[str]
    begun_at: Mapped[str | None]
    location: Mapped[str | None]


class TransferEntry(Base):
    """A transfer between archives that was begun."""

    __tablename__ = "transfer_journal"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    state: Mapped[dict[str, Any]]
    updated_at: Mapped[str]


class Edit(Base):
    """What one edit changed in one table, or that a table's file was taken in; the file itself is written after it.

    `changes` lists what was done, a row or cell each; `sha256_before` and `sha256_after` are those of the file, so that
    a file that was not written yet, or was changed by hand, is known by its content.
    """

    __tablename__ = "edit_log"
    __table_args__ = (
        UniqueConstraint("edit_id", "table_name"),
        one_of("kind", "edit", "undo", "take_in", "set_aside"),
        Index("ix_edit_log_table_name_id", "table_name", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    edit_id: Mapped[str]
    kind: Mapped[str]
    created_at: Mapped[str]
    version: Mapped[str]
    who: Mapped[str | None]
    reason: Mapped[str | None]
    table_name: Mapped[str]
    changes: Mapped[list[Any]]
    undoes: Mapped[str | None]
    file: Mapped[str | None]
    sha256_before: Mapped[str | None]
    sha256_after: Mapped[str | None]
    written: Mapped[bool] = mapped_column(default=False)


class TaxonRecord(Base):
    """An answer of a taxonomic service, kept for work offline."""

    __tablename__ = "taxa_cache"
    __table_args__ = (UniqueConstraint("source", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    name: Mapped[str]
    answer: Mapped[dict[str, Any] | None]
    fetched_at: Mapped[str]
