"""What a project's settings know of its subjects, on the way from a pull to the store."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kso_utils.core.errors import MetadataError
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.zooniverse import sandbox as local
from kso_utils.zooniverse.matching.eras import Era
from kso_utils.zooniverse.pulls import Pulled
from kso_utils.zooniverse.session import Session

Add = Callable[..., int]


@pytest.fixture
def project(reef_project: Path) -> Iterator[Project]:
    with Project.open(reef_project) as opened:
        yield opened


@pytest.fixture
def sandbox(project: Project) -> Iterator[local.Sandbox]:
    with local.serve() as running:
        number, _ = running.add_project("demo/reef", "Reef", {"clip": local.survey_task(["Atlantic cod"])})
        settings = replace(project.settings.zooniverse, project_id=number, endpoint=running.url)
        project.change_settings(zooniverse=settings)
        yield running


@pytest.fixture
def session(project: Project, sandbox: local.Sandbox) -> Iterator[Session]:
    with project.zooniverse("demo", "demo") as opened:
        yield opened


@pytest.fixture
def add(project: Project, session: Session) -> Add:
    """Return a function that puts a clip with metadata on Zooniverse, in a set of its own making."""
    number = project.settings.zooniverse.project_id

    def put(**metadata: Any) -> int:
        subject_id, link = session.create_subject(number, "video/mp4", metadata)
        session.put_media(link, b"anything", "video/mp4")
        session.link_subjects(session.create_subject_set(number, json.dumps(metadata)), [subject_id])
        return int(subject_id)

    return put


def change(project: Project, **values: Any) -> None:
    project.change_settings(zooniverse=replace(project.settings.zooniverse, **values))


def place_of(project: Project, subject_id: int) -> list[Any]:
    columns = ["movie_id", "clip_start_time", "clip_end_time"]
    row = project.store.read("subjects", columns, where={"id": subject_id}).astype(object)
    return list(row.where(row.notna(), None).iloc[0])


def movie(project: Project, number: int = 0) -> tuple[int, str]:
    row = project.store.read("movies", ["id", "filename"], order_by="id").iloc[number]
    return int(row["id"]), str(row["filename"])


def test_names_of_an_era_and_of_renamed_movies_reach_the_pull(project: Project, session: Session, add: Add) -> None:
    steps.fill_store(project)
    (first, name), (second, other) = movie(project), movie(project, 1)
    (project.tables_folder / "new_names.csv").write_text(f"OLD,NEW\nbefore.mp4,{other}\n")
    project.change_settings(tables=replace(project.settings.tables, renames="new_names.csv"))
    change(project, eras=[Era("{movie}_{start}.mov", 2.0, since="2020-01-01", ending=".mp4")])
    stem = name.rsplit(".", 1)[0]
    named, renamed = add(Filename=f"{stem}_1.mov"), add(Filename="before.mp4", upl_seconds=1, clip_length=1)
    pulled = steps.pull(project, session)
    assert pulled.report.codes()["ORIGIN_BY_NAME"] == 1
    assert place_of(project, named) == [first, 1.0, 3.0]
    assert place_of(project, renamed) == [second, 1.0, 2.0]


def test_subjects_pulled_before_their_movie_find_it_when_the_store_is_filled(
    project: Project, session: Session, add: Add
) -> None:
    steps.fill_store(project)
    number, name = movie(project)
    with project.store.atomic():
        project.store.remove("movies", {"id": number})
    early, never = (add(VideoFilename=one, upl_seconds=0, clip_length=1) for one in (name, "never.mp4"))
    assert steps.pull(project, session).report.codes()["UNKNOWN_MOVIE"] == 2
    assert place_of(project, early) == [None, 0.0, 1.0]
    assert steps.fill_store(project)["subjects"].updated == 1
    assert place_of(project, early) == [number, 0.0, 1.0]
    assert place_of(project, never) == [None, 0.0, 1.0]
    assert "subjects" not in steps.fill_store(project)
    counts, report = steps.match_subjects(project)
    assert (counts.updated, report.codes()) == (0, {"UNKNOWN_MOVIE": 1})


def test_the_table_of_duplicates_is_taken_in_with_a_pull(
    project: Project, sandbox: local.Sandbox, session: Session, add: Add
) -> None:
    steps.fill_store(project)
    number, _ = movie(project)
    place = {"#movie_id": number, "clip_start_time": 0, "clip_end_time": 1}
    first, second = add(n=1, **place), add(n=2, **place)
    (project.tables_folder / "twice.csv").write_text(
        f"dupl_subject_id,single_subject_id\n{second},{first}\n{first},7\n"
    )
    change(project, duplicates="twice.csv")
    pulled = steps.pull(project, session)
    assert isinstance(pulled, Pulled)
    assert pulled.counts["subject_duplicates"].inserted == 2
    columns = ["dupl_subject_id", "single_subject_id"]
    stands = project.store.read("subject_duplicates", columns).values.tolist()
    assert sorted(stands) == sorted([[second, 7], [first, 7]])
    assert pulled.report.codes()["UNKNOWN_SUBJECT"] == 2
    change(project, duplicates="")
    assert steps.pull(project, session).counts["subject_duplicates"].removed == 2
    assert project.store.read("subject_duplicates").empty


def test_a_wrong_table_of_duplicates_stops_a_pull_before_anything_is_fetched(
    project: Project, sandbox: local.Sandbox, session: Session
) -> None:
    (project.tables_folder / "twice.csv").write_text("dupl_subject_id,single_subject_id\n1,2\n2,1\n")
    change(project, duplicates="twice.csv")
    before = dict(sandbox.hits)
    with pytest.raises(MetadataError, match="circle"):
        steps.pull(project, session)
    assert dict(sandbox.hits) == before
