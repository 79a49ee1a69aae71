"""The joins of the road, as functions that return DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import aliased

from kso_utils.store.schema import (
    AggClip,
    AggFrame,
    AggRun,
    AggSubject,
    Annotation,
    Base,
    Classification,
    Edit,
    Movie,
    Site,
    Subject,
    SubjectDuplicate,
    UploadEntry,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray
    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute

    from kso_utils.store.engine import Store

_VOTE_COLUMNS = (
    (Annotation, "classification_id"),
    *((Classification, name) for name in ("user", "user_kind")),
    (Annotation, "subject_id"),
    *((Classification, name) for name in ("workflow_id", "version_major", "version_minor", "created_at")),
    *((Classification, name) for name in ("seen_before", "live", "gold_standard", "expert")),
    *((Annotation, name) for name in ("task", "label", "labels_from", "how_many", "first_seen_s")),
    *((Annotation, name) for name in ("frame", "shape", "x", "y", "width", "height", "angle", "geometry", "raw")),
    (Classification, "source_sha256"),
)
_LOOKED_UP = 5_000
_PAGE = 100_000
_Single = aliased(Subject)
_PLACE = (Movie.site_id, Site.locality)
_CLIP_COLUMNS = ("movie_id", "clip_start_time", "clip_end_time")


def clip_subjects(store: Store) -> pd.DataFrame:
    """Return the clips on Zooniverse: the columns of `subjects`, `movie_filename`, `site_id` and `locality`.

    A clip that was uploaded twice stands there once, as the subject that its classifications count for.
    """
    return _subjects(store, "clip")


def frame_subjects(store: Store) -> pd.DataFrame:
    """Return the frames on Zooniverse: the columns of `subjects`, `movie_filename`, `site_id` and `locality`.

    A frame that was uploaded twice stands there once, as the subject that its classifications count for.
    """
    return _subjects(store, "frame")


def votes(
    store: Store, subject_type: Literal["clip", "frame"], workflow_ids: Collection[int] | None = None
) -> pd.DataFrame:
    """Return what people marked on clips or frames, one row a choice, box, point or answer.

    Parameters
    ----------
    store
        The store.
    subject_type
        Which subjects.
    workflow_ids
        The workflows that count; all by default.

    Returns
    -------
    DataFrame
        The columns that `zooniverse.flatten` gives, in its order, and `source_sha256`, the file that each
        classification came in: who was not logged in is known within one file only. A classification that marks nothing
        has one row whose label is None. What was marked on a subject of `subject_duplicates` counts for the one that
        stands for it, where the store has that one.
    """
    counted = func.coalesce(_Single.id, Annotation.subject_id)
    columns = (counted.label(name) if name == "subject_id" else getattr(model, name) for model, name in _VOTE_COLUMNS)
    statement = (
        _count_for_single(select(*columns).select_from(Annotation), Annotation.subject_id)
        .join(Classification, Annotation.classification_id == Classification.id)
        .join(Subject, Subject.id == counted)
        .where(Subject.subject_type == subject_type)
        .order_by(Annotation.classification_id, Annotation.position)
    )
    if workflow_ids is not None:
        statement = statement.where(Classification.workflow_id.in_([int(one) for one in workflow_ids]))
    return store.select(statement)


def latest_run(store: Store, table: Literal["agg_runs", "model_runs"], kind: str) -> int | None:
    """Return the id of the last run of a kind that did not fail, None where there is none.

    Parameters
    ----------
    store
        The store.
    table
        Where runs of that kind are kept.
    kind
        `"clip"` or `"frame"`; `"train"`, `"evaluate"` or `"detect"`.
    """
    runs = Base.metadata.tables[table]
    statement = select(func.max(runs.c.id).label("id")).where(runs.c.kind == kind)
    if "state" in runs.c:
        statement = statement.where(runs.c.state == "done")
    found = store.select(statement)["id"].iloc[0]
    return None if pd.isna(found) else int(found)


def agreed_clips(store: Store, run_id: int | None = None, all_rows: bool = False) -> pd.DataFrame:
    """Return what people agreed to have seen in clips, with the clip's place in its movie.

    Parameters
    ----------
    store
        The store.
    run_id
        The run of consensus; the latest by default.
    all_rows
        Also what they did not agree on.

    Returns
    -------
    DataFrame
        The columns of `agg_annotations_clip`, then `movie_id, clip_start_time, clip_end_time, filename` (of the movie),
        `site_id, locality`. `first_seen_s` is in seconds of the movie, also where the clip was shown faster or slower.
    """
    clip = (Subject.movie_id, Subject.clip_start_time, Subject.clip_end_time, Movie.filename)
    statement = select(*AggClip.__table__.columns, *clip, *_PLACE, Subject.modification)
    rows = _agreed(store, statement, AggClip, "clip", run_id, all_rows)
    rows["first_seen_s"] *= [float((done or {}).get("speed", 1)) for done in rows.pop("modification")]
    return rows


def agreed_boxes(store: Store, run_id: int | None = None, all_rows: bool = False) -> pd.DataFrame:
    """Return the boxes on which people agreed, with the frame's place in its movie.

    Parameters
    ----------
    store
        The store.
    run_id
        The run of consensus; the latest by default.
    all_rows
        Also those on which they did not agree.

    Returns
    -------
    DataFrame
        The columns of `agg_annotations_frame`, then `movie_id, frame_number, filename` (of the movie),
        `site_id, locality`.
    """
    frame = (Subject.movie_id, Subject.frame_number)
    statement = select(*AggFrame.__table__.columns, *frame, Movie.filename, *_PLACE)
    return _agreed(store, statement, AggFrame, "frame", run_id, all_rows)


def looked_at(store: Store, run_id: int) -> pd.DataFrame:
    """Return the subjects at which people looked who count by the rule of a run of consensus.

    Parameters
    ----------
    store
        The store.
    run_id
        The run.

    Returns
    -------
    DataFrame
        `subject_id, movie_id, clip_start_time, clip_end_time, frame_number`, `people` (distinct ones, whether or not
        they marked anything) and `blanks` (those of them who marked nothing), by subject. Movie and place are missing
        where they are not known.
    """
    place = [getattr(Subject, name) for name in (*_CLIP_COLUMNS, "frame_number")]
    columns = (AggSubject.subject_id, *place, AggSubject.people, AggSubject.blanks)
    statement = select(*columns).join(Subject, AggSubject.subject_id == Subject.id)
    return store.select(statement.where(AggSubject.run_id == run_id).order_by(AggSubject.subject_id))


def movies_with_sites(store: Store) -> pd.DataFrame:
    """Return the movies with the columns of their sites (without the site's own `id`)."""
    place = [column for column in Site.__table__.columns if column.name != "id"]
    return store.select(
        select(*Movie.__table__.columns, *place).join(Site, Movie.site_id == Site.id).order_by(Movie.id)
    )


def good_movies(store: Store) -> pd.DataFrame:
    """Return the movies of `movies_with_sites` but those of bad deployments: what is planned, measured or published."""
    movies = movies_with_sites(store)
    return movies[~movies["is_bad_deployment"].astype(bool)].reset_index(drop=True)


def clips_taken(store: Store) -> pd.DataFrame:
    """Return the stretches of movies that are on Zooniverse, or on their way there.

    Returns
    -------
    DataFrame
        `movie_id` (int64), `clip_start_time`, `clip_end_time` (float64, seconds from the movie's start), each stretch
        once, sorted.
    """
    columns = [getattr(Subject, name) for name in _CLIP_COLUMNS]
    there = store.select(
        select(*columns).where(Subject.subject_type == "clip", *(column.is_not(None) for column in columns))
    )
    sent = store.read("upload_journal", columns=["metadata"])["metadata"]
    clips = [clip for clip in map(_clip_of, sent) if clip is not None]
    coming = pd.DataFrame(clips, columns=list(_CLIP_COLUMNS)).astype(
        dict(zip(_CLIP_COLUMNS, there.dtypes, strict=True))
    )
    taken = pd.concat([there, coming], ignore_index=True) if len(coming) else there
    return taken.drop_duplicates().sort_values(list(_CLIP_COLUMNS), ignore_index=True)


def unfinished_uploads(store: Store) -> pd.DataFrame:
    """Return the rows of `upload_journal` whose subject was not seen whole in its subject set, failed ones included."""
    statement = select(*UploadEntry.__table__.columns).where(UploadEntry.state != "verified")
    return store.select(statement.order_by(UploadEntry.updated_at, UploadEntry.key))


def _count_for_single(statement: Select[Any], subject_id: InstrumentedAttribute[int]) -> Select[Any]:
    """Join the subject that stands for a duplicate; there is none where the store does not have it."""
    return statement.outerjoin(SubjectDuplicate, SubjectDuplicate.dupl_subject_id == subject_id).outerjoin(
        _Single, _Single.id == SubjectDuplicate.single_subject_id
    )


def _subjects(store: Store, subject_type: str) -> pd.DataFrame:
    columns = (*Subject.__table__.columns, Movie.filename.label("movie_filename"), *_PLACE)
    statement = (
        _count_for_single(select(*columns).select_from(Subject), Subject.id)
        .join(Movie, Subject.movie_id == Movie.id, isouter=True)
        .join(Site, Movie.site_id == Site.id, isouter=True)
        .where(Subject.subject_type == subject_type, func.coalesce(_Single.id, Subject.id) == Subject.id)
        .order_by(Subject.id)
    )
    return store.select(statement)


def _agreed(
    store: Store,
    statement: Select[*tuple[Any, ...]],
    model: type[AggClip | AggFrame],
    kind: str,
    run_id: int | None,
    all_rows: bool,
) -> pd.DataFrame:
    run = latest_run(store, "agg_runs", kind) if run_id is None else run_id
    statement = (
        statement.join(Subject, model.subject_id == Subject.id)
        .join(AggRun, model.run_id == AggRun.id)
        .join(Movie, Subject.movie_id == Movie.id, isouter=True)
        .join(Site, Movie.site_id == Site.id, isouter=True)
        .where(model.run_id == run)
        .order_by(model.id)
    )
    return store.select(statement if all_rows else statement.where(model.agreed))


def _clip_of(metadata: dict[str, Any]) -> tuple[int, float, float] | None:
    """Zooniverse hides metadata whose name begins with #, // or !; the name is the same without it."""
    named = {key.lstrip("#/!"): value for key, value in metadata.items()}
    try:
        return int(named["movie_id"]), float(named["clip_start_time"]), float(named["clip_end_time"])
    except (KeyError, TypeError, ValueError):
        return None


def last_edits(store: Store) -> pd.DataFrame:
    """Return the last row of `edit_log` of each table: what the store knows of the table's file."""
    newest = select(func.max(Edit.id)).group_by(Edit.table_name)
    return store.select(select(*Edit.__table__.columns).where(Edit.id.in_(newest)).order_by(Edit.id))


def tables_taken_in(store: Store) -> set[str]:
    """Return the tables whose files the store has taken in."""
    taken = select(Edit.table_name).where(Edit.kind == "take_in").distinct()
    return set(store.select(taken)["table_name"])


def count_references(store: Store, table: str, ids: Collection[int]) -> pd.DataFrame:
    """Return how many rows of other tables refer to rows of one: columns `id`, `table` and `rows`."""
    found = []
    for other in Base.metadata.sorted_tables:
        for key in other.foreign_keys:
            if key.column.table.name == table:
                listed = sorted(ids)
                for start in range(0, len(listed), _LOOKED_UP):
                    among = key.parent.in_(listed[start : start + _LOOKED_UP])
                    counted = select(key.parent.label("id"), func.count().label("rows")).where(among)
                    found.append(store.select(counted.group_by(key.parent)).assign(table=other.name))
    counts = pd.concat(found) if found else pd.DataFrame({"id": [], "rows": [], "table": []})
    return counts.groupby(["id", "table"])[["rows"]].sum().reset_index()


def subject_ids(store: Store) -> NDArray[np.int64]:
    """Return the ids of all subjects, sorted."""
    return _read_ids(store, Subject.id, select(Subject.id))


def classification_ids(store: Store, versions: Collection[tuple[int, int, int]] | None = None) -> NDArray[np.int64]:
    """Return the ids of all classifications, sorted; or of those that answered one of some versions of workflows.

    Parameters
    ----------
    store
        The store.
    versions
        As `answered_versions` gives them.
    """
    statement = select(Classification.id)
    if versions is not None:
        version = tuple_(Classification.workflow_id, Classification.version_major, Classification.version_minor)
        statement = statement.where(version.in_(sorted(versions)))
    return _read_ids(store, Classification.id, statement)


def answered_versions(store: Store) -> set[tuple[int, int, int]]:
    """Return workflow, major and minor version of all that was answered."""
    version = (Classification.workflow_id, Classification.version_major, Classification.version_minor)
    return set(store.select(select(*version).distinct()).itertuples(index=False, name=None))


def _read_ids(store: Store, column: InstrumentedAttribute[int], statement: Select[Any]) -> NDArray[np.int64]:
    # Page by page: millions of rows at once would need more memory than all else that is done with them.
    pages = [np.empty(0, dtype=np.int64)]
    following = statement
    while True:
        page = store.select(following.order_by(column).limit(_PAGE))["id"].to_numpy(dtype=np.int64)
        pages.append(page)
        if len(page) < _PAGE:
            return np.concatenate(pages)
        following = statement.where(column > int(page[-1]))
