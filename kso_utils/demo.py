"""The whole road once: on generated footage with known truth, or on movies of your own.

The demo calls the same steps as everybody else. What it adds is what a project brings from outside: footage, a
Zooniverse (the local sandbox) and volunteers (simulated ones, who know the truth and make mistakes).
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import user_cache, write_atomic
from kso_utils.ml.detection import open_run
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import FILE_NAME as SETTINGS_NAME
from kso_utils.project.settings import (
    ArchiveSettings,
    ClipSettings,
    ConsensusSettings,
    Settings,
)
from kso_utils.store import queries
from kso_utils.testing import scores
from kso_utils.testing.scene import Scene, generate_scene, survey_scene
from kso_utils.testing.truth import max_n_truth
from kso_utils.ui.content import gather
from kso_utils.ui.report import Figure, write_report
from kso_utils.version import __version__
from kso_utils.zooniverse import sandbox as local
from kso_utils.zooniverse.sandbox.perception import answer_clip, answer_frame
from kso_utils.zooniverse.sandbox.server import DEFAULT_USERS
from kso_utils.zooniverse.subjects import bare_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from kso_utils.ml.evaluation import Evaluation
    from kso_utils.zooniverse.session import Session

    Say = Callable[[str], None]

AGREEMENT = 0.6
PEOPLE = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a walk is."""

    clip_s: float
    clips_per_movie: int | None
    frames_per_clip: int
    epochs: int
    imgsz: int
    stride: int


DEMO = Size(clip_s=4.0, clips_per_movie=None, frames_per_clip=5, epochs=45, imgsz=256, stride=5)
REAL = Size(clip_s=4.0, clips_per_movie=10, frames_per_clip=8, epochs=40, imgsz=256, stride=5)
FIXTURE = Size(clip_s=3.0, clips_per_movie=None, frames_per_clip=2, epochs=2, imgsz=96, stride=10)


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk of the road gives."""

    figures: list[Figure]
    report: Path

    @property
    def ok(self) -> bool:
        """Whether every figure keeps its limit."""
        return all(f.ok is not False for f in self.figures)

    def __str__(self) -> str:
        """Return the figures and the path of the report."""
        words = {True: "ok  ", False: "FAIL", None: "    "}
        lines = [f"{words[f.ok]}  {f.name}: {f.value:.3f}" + (f" ({f.limit})" if f.limit else "") for f in self.figures]
        return "\n".join([*lines, f"Report: {self.report}"])


def walk(
    out: Path,
    footage: Path | None = None,
    level: Literal["easy", "hard"] = "easy",
    seed: int = 0,
    say: Say = lambda text: None,
) -> Walk:
    """Walk the whole road; a second walk into the same folder goes on where the first one stopped.

    Parameters
    ----------
    out
        The project's folder; everything that is made goes there.
    footage
        A folder of movies; None generates footage.
    level, seed
        Of the generated footage; the seed is that of everything random.
    say
        Told what happens, a line at a time.

    Raises
    ------
    ConfigError
        If `out` holds something else than an earlier walk of the same kind.
    KsoError
        As the steps raise.
    """
    out = out.resolve()
    _claim(out, {"level": level, "seed": seed, "footage": str(footage.resolve()) if footage else None})
    size = DEMO if footage is None else REAL
    say("Footage: " + ("generating movies with known truth" if footage is None else f"looking at {footage}"))
    scene = generate_scene(out, level, seed) if footage is None else survey_scene(out, footage.resolve(), size.stride)
    with _open(out, footage, size) as project:
        evaluation = take_the_road(project, scene, size, seed, say)
        figures = _measure(project, scene, evaluation)
        say("Writing the report")
        return Walk(figures, _report(project, scene, figures))


def make_fixture(folder: Path) -> Path:
    """Make a small finished project: subjects, classifications, consensus and a model, on generated footage.

    It is made once a machine and version, kept in the user's cache, and copied from there.

    Raises
    ------
    ConfigError
        If `folder` is there and not empty.
    """
    target = folder.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already and not empty. Give a new folder.")
    kept = user_cache("fixtures") / f"fixture-{__version__}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
            made = Path(temporary) / "project"
            scene = generate_scene(made, sites=3, movies_per_site=1, duration_s=6.0)
            with _open(made, None, FIXTURE) as project:
                take_the_road(project, scene, FIXTURE)
            _keep(made, kept)
    shutil.copytree(kept, target, dirs_exist_ok=True)
    return target


def _claim(out: Path, asked: dict[str, Any]) -> None:
    """Note in the folder what is walked in it, so that nothing else is ever mixed with it."""
    note = out / "demo.json"
    if out.exists() and (not out.is_dir() or any(path != note for path in out.iterdir())):
        if not note.is_file():
            raise ConfigError(f"{out} is there already and no demo made it. Give another folder with --out.")
        if note.read_text(encoding="utf-8") != json.dumps(asked):
            raise ConfigError(f"{out} holds a demo with other footage, level or seed. Give another folder with --out.")
    with write_atomic(note) as temporary:
        temporary.write_text(json.dumps(asked), encoding="utf-8")


def _keep(made: Path, kept: Path) -> None:
    """Move what was made to where it is kept, unless another process has been faster."""
    try:
        made.replace(kept)
    except OSError:
        if not kept.exists():
            raise


def _open(out: Path, footage: Path | None, size: Size) -> Project:
    if not (out / SETTINGS_NAME).exists():
        settings = Settings(
            name=out.name,
            archive=ArchiveSettings(str(footage.resolve()) if footage else "movies"),
            clips=ClipSettings(size.clip_s, size.frames_per_clip),
            consensus=ConsensusSettings(AGREEMENT, min_people=3),
        )
        Project(out, settings).save_settings(settings)
    return Project.open(out)


def take_the_road(
    project: Project, scene: Scene, size: Size, seed: int = 0, say: Say = lambda text: None
) -> Evaluation:
    """Take every step from the tables to the counts; what was done before is not done again."""
    say("Tables: checking them and filling the store")
    steps.fill_store(project)
    with local.serve(project.folder / "sandbox.db") as sandbox:
        steps.join_sandbox(project, sandbox, scene.labels, size.clip_s, PEOPLE)
        with project.zooniverse(*next(iter(DEFAULT_USERS.items()))) as session:
            say("Clips: cutting, uploading, volunteers at work, consensus")
            steps.cut_clips(project, per_movie=size.clips_per_movie)
            _ask_people(project, sandbox, session, scene, "clip", seed)
            say("Frames: saving, uploading, volunteers at work, consensus")
            steps.extract_frames(project)
            _ask_people(project, sandbox, session, scene, "frame", seed)
    evaluation, weights = _learn(project, scene, size, seed, say)
    say("Detections and counts")
    steps.detect(project, weights, stride=size.stride)
    steps.count(project)
    return evaluation


def _learn(project: Project, scene: Scene, size: Size, seed: int, say: Say) -> tuple[Evaluation, Path]:
    """Train and judge; return the judgement and the weights to look for animals with.

    What is judged is named each time: on a second walk "the latest model" would be the one that saw everything.
    """
    say("Model: training set, training, evaluation at places that it never saw")
    dataset = steps.build_dataset(project, seed)
    weights = steps.train(project, dataset, epochs=size.epochs, imgsz=size.imgsz, seed=seed).weights
    evaluation = steps.evaluate(project, dataset, weights)
    if scene.movies is not None:
        say("Model: with so few movies, the one that looks for animals learns from all of them")
        whole = steps.build_dataset(project, seed, hold_out=False)
        weights = steps.train(project, whole, epochs=size.epochs, imgsz=size.imgsz, seed=seed).weights
        steps.evaluate(project, whole, weights)
    return evaluation, weights


def _ask_people(
    project: Project,
    sandbox: local.Sandbox,
    session: Session,
    scene: Scene,
    kind: Literal["clip", "frame"],
    seed: int,
) -> None:
    states = steps.upload(project, session, kind)
    failed = states[states["state"] == "failed"]
    if len(failed):
        raise ConfigError(f"{len(failed)} of {len(states)} {kind}s could not be uploaded: {failed['reason'].iloc[0]}")
    shown = _shown(project, kind)
    tell: Any = answer_clip if kind == "clip" else answer_frame
    if kind == "clip":
        seen = scene.in_clips(shown)
    else:
        seen = shown[["subject_id", "filename", "frame_number"]].merge(scene.in_frames(shown))
    known = dict(list(seen.groupby("subject_id")))

    def answer(subject: dict[str, Any], person: int) -> list[dict[str, Any]]:
        # The subject's number depends on which upload was faster; what it shows does not.
        told = {bare_name(key): value for key, value in subject["metadata"].items()}
        place = [str(told.get(name)) for name in ("VideoFilename", "clip_start_time", "frame_number")]
        chance = np.random.default_rng([seed, zlib.crc32("/".join(place).encode()), person])
        return list(tell(known.get(int(subject["id"]), seen.iloc[:0]), scene.labels, chance))

    for workflow in project.settings.workflows(kind):
        local.simulate(sandbox, workflow.id, answer, people=PEOPLE, seed=seed)
    steps.pull(project, session).report.raise_if_errors()
    steps.aggregate(project, kind)


def _shown(project: Project, kind: Literal["clip", "frame"]) -> pd.DataFrame:
    """Return the subjects that people were shown, with `subject_id` and the `filename` of the movie."""
    subjects = queries.clip_subjects(project.store) if kind == "clip" else queries.frame_subjects(project.store)
    return subjects.assign(filename=subjects["movie_filename"]).rename(columns={"id": "subject_id"})


def _measure(project: Project, scene: Scene, evaluation: Evaluation) -> list[Figure]:
    """Compare what came out with the truth, by code that is independent of the road."""
    found, truth = _named(project, queries.agreed_clips(project.store)), scene.in_clips(_shown(project, "clip"))
    labels = scores.compare_rows(found, truth, ["filename", "clip_start_time", "label"])
    boxes = _named(project, queries.agreed_boxes(project.store))
    overlaps = scores.match_boxes(
        boxes, scene.in_frames(_shown(project, "frame")), ["filename", "frame_number", "label"]
    )
    shared = [
        judge("Consensus boxes", len(boxes), "Boxes on which the volunteers agree."),
    ]
    if scene.movies is not None:
        return [
            *shared,
            judge("Species in clips, F1", labels.f1, "Volunteers' consensus beside what moves in the clips."),
            judge("Consensus boxes, mean IoU", float(overlaps.mean()), "How well agreed boxes cover what moves."),
            judge("mAP50 on movies that the model never saw", evaluation.map50, "1 is perfect, 0 is useless."),
        ]
    counted, wrong, error = _compare_counts(project, scene)
    return [
        judge(
            "Species in clips, F1", labels.f1, "Volunteers' consensus beside the truth; 1 is perfect.", at_least=0.95
        ),
        judge(
            "Consensus boxes, mean IoU",
            float(overlaps.mean()),
            "How well agreed boxes cover the animals: intersection over union, 1 is perfect.",
            at_least=0.85,
        ),
        judge(
            "Model at sites that it never saw, mAP50",
            evaluation.map50,
            "Mean average precision of boxes that overlap by half or more; 1 is perfect.",
            at_least=0.85,
        ),
        judge("MaxN that differs from an independent count", wrong, f"Of {counted} counts compared.", at_most=0),
        judge(
            "MaxN, mean absolute error",
            error,
            "Animals by which the count of a species in a movie differs from the truth.",
            at_most=0.5,
        ),
        *shared,
    ]


def _named(project: Project, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the species' name in place of the answer code."""
    names = project.store.read("species").set_index("id")["vernacularName"]
    return rows.assign(label=rows["species_id"].map(names).fillna(rows["label"]))


def _compare_counts(project: Project, scene: Scene) -> tuple[int, int, float]:
    """Return how many counts of MaxN there are, how many a second count contradicts, and the mean error."""
    again = scores.count_max_n(_latest_detections(project))
    counted = steps.count(project)
    ours = dict(zip(zip(counted["movie_id"], counted["label"], strict=True), counted["max_n"], strict=True))
    wrong = sum(ours.get(key) != again.get(key) for key in {*ours, *again})
    both = counted.merge(max_n_truth(scene.truth), on=["filename", "label"], how="outer", suffixes=("", "_truth"))
    error = (both["max_n"].fillna(0) - both["max_n_truth"].fillna(0)).abs().mean()
    return len(ours), wrong, float(error)


def judge(name: str, value: float, meaning: str, at_least: float | None = None, at_most: float | None = None) -> Figure:
    """Return a number with the limit that it must keep, and whether it does (not a number never does)."""
    if at_least is not None:
        return Figure(name, value, f"at least {at_least:g}", "", value >= at_least, meaning)
    if at_most is not None:
        return Figure(name, value, f"at most {at_most:g}", "", value <= at_most, meaning)
    return Figure(name, value, meaning=meaning)


def _report(project: Project, scene: Scene, figures: list[Figure]) -> Path:
    if scene.movies is None:
        content = gather(
            project,
            "generated",
            "The footage was generated, so that the truth about every frame is known; the volunteers are simulated: "
            "they know that truth, and miss, invent, confuse and draw sloppily at stated rates.",
            figures,
            truth=scene.truth,
        )
    else:
        content = gather(
            project,
            "generated",
            "The movies are real, the volunteers are not: they are simulated, and box whatever moves. "
            "What they call an animal may be a bubble or a passing particle; no count here is of a species. "
            "One model was judged on a movie that it never saw; with so few movies, the one whose detections are shown "
            "learned from all of them.",
            figures,
            moving=_find_again(project, scene),
        )
    return write_report(project.folder / "report.html", content)


def _find_again(project: Project, scene: Scene) -> pd.DataFrame:
    """Return how many of the moving regions of each movie a detection met: `filename, regions, found`."""
    names = queries.movies_with_sites(project.store).set_index("id")["filename"]
    detections = _latest_detections(project)
    detections["filename"] = detections["movie_id"].map(names)
    rows = []
    for filename in sorted(scene.movies or ()):
        ours, truth = (f[f["filename"] == filename] for f in (detections, scene.truth))
        ours = ours[ours["frame_number"].isin(truth["frame_number"])]
        met = scores.count_hits(ours, truth, ["filename", "frame_number", "label"], at_least=0.3)
        rows.append({"filename": filename, "regions": len(truth), "found": met.hits})
    return pd.DataFrame(rows)


def _latest_detections(project: Project) -> pd.DataFrame:
    run = queries.latest_run(project.store, "model_runs", "detect")
    if run is None:
        raise ConfigError("There is no detection run. Make one with: kso detect")
    return open_run(project.store, run).read()
