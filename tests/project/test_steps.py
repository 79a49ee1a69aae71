"""The steps from footage to counts: what each gives, and that a second run changes nothing."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from kso_utils.core import retries
from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.media import index as index_module
from kso_utils.media.index import load_index
from kso_utils.media.safety import run_ffmpeg
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings, ConsensusSettings, WorkflowSettings, ZooniverseSettings
from kso_utils.project.steps import counting, footage
from kso_utils.project.steps.footage import read_manifest, usable_movies
from kso_utils.store import queries
from kso_utils.testing.range_server import serve_ranges
from kso_utils.zooniverse import sandbox as local
from kso_utils.zooniverse.sandbox import Fault
from kso_utils.zooniverse.session import Session

COD = "Atlantic cod"
FIRST_SEEN = "0S"


@dataclass
class World:
    """A project, the sandbox that it is joined with, and a login."""

    project: Project
    sandbox: local.Sandbox
    session: Session

    def classify(self, kind: str) -> None:
        """Let three people say the same of every subject."""
        for workflow in self.project.settings.workflows(kind):  # type: ignore[arg-type]
            local.simulate(self.sandbox, workflow.id, _see_cod if kind == "clip" else _box_cod, people=3)

    def rows(self) -> dict[str, list[Any]]:
        """Everything that the store holds, but for the files that were taken in: no export is made twice the same."""
        path = self.project.store.path
        assert path is not None
        with sqlite3.connect(path) as connection:
            listed = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'export_files'"
            )
            names = [row[0] for row in listed]
            return {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}  # noqa: S608


def _see_cod(subject: dict[str, Any], person: int) -> list[dict[str, Any]]:
    choice = {"choice": "ATLANTICCOD", "answers": {"HOWMANY": "2", "FIRSTSEEN": FIRST_SEEN}, "filters": {}}
    return [{"task": "T0", "value": [choice]}]


def _box_cod(subject: dict[str, Any], person: int) -> list[dict[str, Any]]:
    box = {"x": 100 + person, "y": 80, "width": 60, "height": 40}
    return [{"task": "T0", "value": [{**box, "tool": 0, "frame": 0, "toolType": "rectangle", "details": []}]}]


@pytest.fixture
def world(reef_project: Path) -> Iterator[World]:
    with local.serve() as sandbox, Project.open(reef_project) as project:
        tasks = {"clip": local.survey_task([COD, "Edible crab", "Nothing here"]), "frame": local.drawing_task([COD])}
        number, workflows = sandbox.add_project("demo/reef", "Reef", tasks, retire_after=3)
        joined = [WorkflowSettings(workflows["clip"], "clip"), WorkflowSettings(workflows["frame"], "frame")]
        project.change_settings(zooniverse=ZooniverseSettings(number, sandbox.url, joined))
        with project.zooniverse("demo", "demo") as session:
            yield World(project, sandbox, session)


def test_the_road_to_frames_and_a_second_walk_that_changes_nothing(world: World) -> None:
    project = world.project
    steps.fill_store(project)
    steps.cut_clips(project, per_movie=2)
    steps.upload(project, world.session, "clip")
    world.classify("clip")
    steps.pull(project, world.session)
    first = steps.aggregate(project, "clip")
    assert set(first.rows["label"]) == {COD}
    assert first.rows["agreed"].all()
    assert first.rows["species_id"].notna().all()
    assert first.unmatched == []

    frames = steps.extract_frames(project)
    assert len(frames) == len(first.rows)
    steps.upload(project, world.session, "frame")
    world.classify("frame")
    steps.pull(project, world.session)
    boxes = steps.aggregate(project, "frame").rows
    assert len(boxes) == len(frames)
    assert boxes["people"].eq(3).all()
    assert boxes["x"].eq(101).all()

    before, listed = world.rows(), _files(project)
    steps.fill_store(project)
    assert steps.upload(project, world.session, "clip")["state"].eq("verified").all()
    assert steps.upload(project, world.session, "frame")["state"].eq("verified").all()
    world.classify("clip")
    steps.pull(project, world.session)
    assert steps.aggregate(project, "clip").reused
    assert steps.aggregate(project, "frame").reused
    assert steps.extract_frames(project).empty
    assert world.rows() == before
    assert _files(project) == listed
    assert len(world.sandbox.state.find("subjects")) == len(first.rows) + len(frames)


def _files(project: Project) -> dict[Path, bytes]:
    return {p: p.read_bytes() for kind in ("clips", "frames") for p in (project.folder / kind).iterdir()}


def test_new_clips_never_overlap_earlier_ones(world: World) -> None:
    steps.fill_store(world.project)
    made = [steps.cut_clips(world.project, per_movie=n, seed=n) for n in (1, 2, 3)]
    together = pd.concat(made).sort_values(["movie_id", "clip_start_time"])
    assert together["state"].eq("done").all()
    follows = together["movie_id"].eq(together["movie_id"].shift())
    assert together["clip_start_time"].ge(together["clip_end_time"].shift() - 1e-9)[follows].all()
    listed = read_manifest(world.project, "clip")
    assert len(listed) == len(together)
    assert [p for p in listed["path"] if not Path(p).is_file()] == []


def test_the_indexes_of_movies_are_kept_in_the_project(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.fill_store(world.project)
    made = steps.cut_clips(world.project, per_movie=1)
    assert len(list(world.project.index_cache.iterdir())) == made["movie_id"].nunique()
    scan, scanned = index_module._scan, []
    monkeypatch.setattr(index_module, "_scan", lambda movie, size: scanned.append(movie) or scan(movie, size))
    index_module._load.cache_clear()
    assert len(steps.cut_clips(world.project, per_movie=2)) > 0
    assert not {Path(p).resolve() for p in usable_movies(world.project)["path"]} & {Path(p).resolve() for p in scanned}


def test_nothing_is_left_to_cut_where_clips_fill_the_movies(world: World) -> None:
    steps.fill_store(world.project)
    assert len(steps.cut_clips(world.project, length_s=2.0)) == 4
    before = _bytes(world.project)
    assert steps.cut_clips(world.project, length_s=2.0).empty
    assert _bytes(world.project) == before


def _bytes(project: Project) -> bytes:
    return (project.folder / "clips" / "clips.csv").read_bytes()


def test_clips_that_are_on_their_way_are_not_cut_again_without_the_list(world: World) -> None:
    steps.fill_store(world.project)
    steps.cut_clips(world.project, length_s=2.0)
    steps.upload(world.project, world.session, "clip")
    (world.project.folder / "clips" / "clips.csv").unlink()
    assert steps.cut_clips(world.project, length_s=2.0).empty


def test_a_list_of_clips_that_was_spoiled_is_named(world: World) -> None:
    file = world.project.folder / "clips" / "clips.csv"
    file.parent.mkdir()
    for text, says in ((b"", "can no longer be read"), (b"a,b\n1,2\n", "lacks the columns clip_end_time")):
        file.write_bytes(text)
        with pytest.raises(ConfigError, match=says):
            read_manifest(world.project, "clip")


def test_a_dry_run_sends_nothing_and_needs_no_login(world: World) -> None:
    steps.fill_store(world.project)
    steps.cut_clips(world.project, per_movie=1)
    before = world.rows()
    states = steps.upload(world.project, None, "clip", dry_run=True)
    assert states["state"].tolist() == ["planned", "planned"]
    assert world.rows() == before
    assert world.sandbox.state.find("subjects") == []


def test_a_set_is_shown_in_its_workflow_though_the_answer_was_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    steps.fill_store(world.project)
    steps.cut_clips(world.project, per_movie=1)
    world.sandbox.faults.append(Fault("POST /api/workflows/", 504, 1, after=True))
    assert steps.upload(world.project, world.session, "clip")["state"].eq("verified").all()
    (workflow,) = world.project.settings.workflows("clip")
    assert len(world.sandbox.state.rows("SELECT * FROM workflow_sets WHERE workflow_id = ?", (workflow.id,))) == 1


def test_clips_are_uploaded_though_the_footage_is_elsewhere_by_then(world: World) -> None:
    steps.fill_store(world.project)
    steps.cut_clips(world.project, per_movie=1)
    Path(world.project.archive.url).rename(world.project.folder / "unplugged")
    assert steps.upload(world.project, world.session, "clip")["state"].eq("verified").all()


def test_another_rule_and_other_species_are_other_runs(world: World) -> None:
    project = world.project
    steps.fill_store(project)
    steps.cut_clips(project, per_movie=1)
    steps.upload(project, world.session, "clip")
    world.classify("clip")
    steps.pull(project, world.session)
    first = steps.aggregate(project, "clip")
    assert steps.aggregate(project, "clip", agreement=0.5).run_id != first.run_id
    project.change_settings(consensus=ConsensusSettings(min_people=4))
    strict = steps.aggregate(project, "clip")
    assert not strict.reused
    assert not strict.rows["agreed"].any()
    project.store.upsert("species", pd.DataFrame({"vernacularName": [COD], "zoo_label": ["Torsk"]}), "vernacularName")
    project.store.upsert(
        "species",
        pd.DataFrame({"vernacularName": ["Another"], "zoo_label": [COD], "scientificName": ["Alius alius"]}),
        "vernacularName",
    )
    assert not steps.aggregate(project, "clip").reused


def test_a_store_that_holds_an_error_free_project_is_not_changed_by_wrong_tables(world: World) -> None:
    steps.fill_store(world.project)
    before = world.rows()
    sites = world.project.folder / "sites.csv"
    sites.write_text(sites.read_text().replace("Torskgrundet", "Elsewhere"))
    with pytest.raises(MetadataError):
        steps.fill_store(world.project)
    assert world.rows() == before


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda p: steps.cut_clips(p), "kso movies"),
        (lambda p: steps.extract_frames(p), "kso aggregate clip"),
        (lambda p: steps.upload(p, None, "clip", dry_run=True), "kso clips"),
        (lambda p: steps.aggregate(p, "frame"), "kso pull"),
        (lambda p: steps.build_dataset(p), "kso aggregate frame"),
        (lambda p: steps.train(p), "kso dataset"),
        (lambda p: steps.count(p), "kso detect"),
    ],
)
def test_a_step_too_early_names_the_step_before_it(reef_project: Path, step: Any, says: str) -> None:
    with Project.open(reef_project) as project, pytest.raises(ConfigError, match=says):
        step(project)


def test_counts_are_written_beside_the_project(fixture_project: Path) -> None:
    with Project.open(fixture_project) as project:
        counted = steps.count(project)
        run = queries.latest_run(project.store, "model_runs", "detect")
        again = steps.count(project, run)
    assert list(pd.read_csv(fixture_project / "counts.csv").columns) == list(counted.columns)
    pd.testing.assert_frame_equal(counted, again)


def _spoil(project: Project, number: int = 0) -> int:
    """Say that a movie is of a bad deployment, and return its id."""
    movie = project.store.read("movies", ["id", "filename"], order_by="id").iloc[number]
    bad = pd.DataFrame({"filename": [movie["filename"]], "is_bad_deployment": [True]})
    project.store.upsert("movies", bad, "filename")
    return int(movie["id"])


def test_bad_deployments_are_left_out_of_every_plan(world: World) -> None:
    project = world.project
    steps.fill_store(project)
    steps.cut_clips(project, per_movie=1)
    steps.upload(project, world.session, "clip")
    world.classify("clip")
    steps.pull(project, world.session)
    steps.aggregate(project, "clip")
    bad = _spoil(project)
    assert bad not in set(usable_movies(project)["id"])
    assert bad not in set(steps.cut_clips(project, per_movie=3)["movie_id"])
    assert bad not in set(steps.extract_frames(project)["movie_id"])


def test_clips_of_a_deployment_that_turned_out_bad_are_not_uploaded(world: World) -> None:
    steps.fill_store(world.project)
    made = steps.cut_clips(world.project, per_movie=1)
    bad = _spoil(world.project)
    steps.upload(world.project, world.session, "clip")
    assert len(world.sandbox.state.find("subjects")) == (made["movie_id"] != bad).sum() == 1
    assert bad not in set(queries.clips_taken(world.project.store)["movie_id"])


def test_a_project_of_bad_deployments_alone_has_nothing_to_do(world: World) -> None:
    steps.fill_store(world.project)
    steps.cut_clips(world.project, per_movie=1)
    for number in range(2):
        _spoil(world.project, number)
    with pytest.raises(ConfigError, match="no movie of a good deployment"):
        steps.cut_clips(world.project)
    with pytest.raises(ConfigError, match="no clip of a good deployment"):
        steps.upload(world.project, world.session, "clip")


def test_bad_deployments_are_not_counted(fixture_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Project.open(fixture_project) as project:
        ids = project.store.read("movies", ["id"], order_by="id")["id"]
        seen = pd.DataFrame({"movie_id": ids, "label": COD, "frame_number": 3, "pts_s": 0.1, "confidence": 0.9})
        monkeypatch.setattr(counting, "open_run", lambda store, run_id: SimpleNamespace(read=lambda: seen))
        assert set(steps.count(project)["movie_id"]) == set(ids)
        bad = _spoil(project)
        assert set(steps.count(project)["movie_id"]) == set(ids) - {bad}


def test_bad_deployments_are_no_training_data(fixture_project: Path) -> None:
    with Project.open(fixture_project) as project:
        bad = _spoil(project)
        dataset = steps.build_dataset(project, seed=7)
        assert len(dataset.manifest)
        assert bad not in set(dataset.manifest["movie_id"])
        every = project.store.read("movies", ["id"]).assign(is_bad_deployment=True)
        project.store.upsert("movies", every, "id")
        with pytest.raises(ConfigError, match="good deployment"):
            steps.build_dataset(project, seed=8)


def test_the_settings_of_tables_reach_the_tables(world: World) -> None:
    folder, settings = world.project.folder, world.project.settings.tables
    movies = pd.read_csv(folder / "movies.csv")
    name = movies["filename"][0]
    old = movies.assign(filename=["old.mp4", *movies["filename"][1:]], created_on="13/08/2021 10:15")
    old.to_csv(folder / "movies.csv", index=False)
    (folder / "new_names.csv").write_text(f"OLD,NEW\nold.mp4,{name}\n")
    said = replace(settings, dates="DD/MM/YYYY", time_zone="Europe/Stockholm", renames="new_names.csv", decimal=",")
    world.project.change_settings(tables=said)
    steps.fill_store(world.project)
    stored = world.project.store.read("movies", order_by="id")
    assert stored["filename"].tolist() == movies["filename"].tolist()
    assert set(stored["eventDate"]) == {"2021-08-13T10:15+02:00"}


def _seen(project: Project, monkeypatch: pytest.MonkeyPatch, pts_s: list[float]) -> int:
    """Let a detection run have seen something in the first movie, and return its id."""
    first = int(project.store.read("movies", ["id"], order_by="id")["id"][0])
    seen = pd.DataFrame({"movie_id": first, "pts_s": pts_s, "confidence": 0.5})
    monkeypatch.setattr(counting, "open_run", lambda store, run_id: SimpleNamespace(read=lambda: seen))
    return first


def test_clips_lie_where_a_model_saw_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps.fill_store(world.project)
    first = _seen(world.project, monkeypatch, [0.3, 2.5, 2.7])
    made = steps.cut_clips(world.project, by_detections=7)
    assert made["movie_id"].tolist() == [first, first]
    assert made["clip_start_time"].round(3).tolist() == [2.1, 0.0]
    assert steps.cut_clips(world.project, by_detections=7).empty


def test_without_a_detection_run_no_clip_is_chosen_by_it(world: World) -> None:
    steps.fill_store(world.project)
    with pytest.raises(ConfigError, match="kso detect"):
        steps.cut_clips(world.project, by_detections="latest")


def test_what_was_done_to_clips_travels_with_them(world: World) -> None:
    project = world.project
    steps.fill_store(project)
    modifications: list[dict[str, dict[str, Any]]] = [{"curves": {}}, {"speed": {"factor": 2}}]
    project.change_settings(clips=replace(project.settings.clips, modifications=modifications))
    (told,) = steps.cut_clips(project, per_movie=1)["modification"][:1]
    assert read_manifest(project, "clip")["modification"].tolist() == [told] * 2
    assert [next(iter(step)) for step in told["steps"]] == ["curves", "speed"]
    steps.upload(project, world.session, "clip")
    world.classify("clip")
    steps.pull(project, world.session)
    assert project.store.read("subjects")["modification"].tolist() == [told] * 2


def test_times_in_a_clip_that_was_shown_faster_are_those_of_the_movie(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project
    steps.fill_store(project)
    steps.cut_clips(project, length_s=2.0, per_movie=1, modifications=[{"speed": {"factor": 2}}])
    steps.upload(project, world.session, "clip")
    monkeypatch.setitem(_see_cod.__globals__, "FIRST_SEEN", "1S")
    world.classify("clip")
    steps.pull(project, world.session)
    votes = queries.votes(project.store, "clip")
    steps.aggregate(project, "clip")
    agreed = queries.agreed_clips(project.store)
    assert agreed["first_seen_s"].tolist() == [2 * votes["first_seen_s"].max()] * len(agreed)


def test_clips_are_no_larger_than_asked(world: World) -> None:
    steps.fill_store(world.project)
    made = steps.cut_clips(world.project, per_movie=1, max_mb=0.03)
    assert made["state"].eq("done").all(), made["error"].tolist()
    assert made["size_bytes"].le(30_000).all()


def test_a_walk_that_was_cut_off_is_gone_on_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    steps.fill_store(world.project)
    with monkeypatch.context() as patch:
        patch.setattr(footage, "_add_to_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            steps.cut_clips(world.project, per_movie=2)
    assert read_manifest(world.project, "clip").empty
    monkeypatch.setattr("kso_utils.media.clips.run_ffmpeg", None)
    assert steps.cut_clips(world.project, per_movie=2)["state"].eq("done").all()
    assert len(read_manifest(world.project, "clip")) == 4


def _agree(world: World) -> None:
    """Let volunteers agree on clips."""
    steps.fill_store(world.project)
    steps.cut_clips(world.project, per_movie=2)
    steps.upload(world.project, world.session, "clip")
    world.classify("clip")
    steps.pull(world.project, world.session)
    steps.aggregate(world.project, "clip")


def test_frames_of_a_variable_rate_are_those_on_screen(world: World) -> None:
    _agree(world)
    for path in usable_movies(world.project)["path"]:
        uneven = Path(path).with_suffix(".new.mp4")
        times = {"expr": "(N+10*gt(N,20))*0.03/TB"}
        options = {"fps_mode": "passthrough", "enc_time_base": "1/1000", "c:v": "libx264", "preset": "ultrafast"}
        run_ffmpeg(path, uneven, filters=[("setpts", times)], output_options={**options, "f": "mp4"})
        uneven.replace(path)
    made = steps.extract_frames(world.project)
    agreed = queries.agreed_clips(world.project.store)
    wanted = (agreed["clip_start_time"] + agreed["clip_end_time"]) / 2
    shown = made["pts_s"].to_numpy()
    index = load_index(usable_movies(world.project)["path"][0]).pts_s
    assert len(made) == len(agreed)
    assert sorted(shown) == pytest.approx(sorted(index[index <= at + 1e-6].max() for at in wanted))


def test_clips_and_frames_come_from_a_web_server(world: World) -> None:
    with serve_ranges(world.project.folder / "movies") as server:
        world.project.change_settings(archive=ArchiveSettings(url=server.url))
        with Project.open(world.project.folder) as project:
            _agree(World(project, world.sandbox, world.session))
            assert read_manifest(project, "clip")["path"].map(lambda p: Path(p).exists()).all()
            assert len(steps.extract_frames(project)) == len(queries.agreed_clips(project.store))
