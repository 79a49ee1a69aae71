"""Training sets, models and what they find."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError
from kso_utils.ml import datasets, detection, evaluation, runs, training
from kso_utils.project.steps.footage import usable_movies
from kso_utils.store import queries

if TYPE_CHECKING:
    from kso_utils.ml.splits import Split
    from kso_utils.project.opening import Project


SHARES = (0.7, 0.15, 0.15)
"""Shares of frames for training, validation and test."""


def build_dataset(project: Project, seed: int = 0, hold_out: bool = True) -> datasets.Dataset:
    """Make a YOLO training set from the latest consensus on frames, in `datasets/`.

    Parameters
    ----------
    project
        The project.
    seed
        Decides which sites or movies are held out, among equally large ones.
    hold_out
        False puts every frame into training: for the final model, after another one has been judged on what was
        held out.

    Raises
    ------
    ConfigError
        If there is no consensus on frames yet.
    """
    run_id = queries.latest_run(project.store, "agg_runs", "frame")
    if run_id is None:
        raise ConfigError("There is no consensus on frames. Pull classifications, then run: kso aggregate frame")
    name = f"consensus_{run_id}_seed_{seed}" if hold_out else f"consensus_{run_id}_whole"
    split = SHARES if hold_out else (1.0, 0.0, 0.0)
    out_dir = project.folder / "datasets" / name
    return datasets.build_dataset(
        project.store,
        out_dir,
        footage=project.archive,
        split=split,
        run_id=run_id,
        seed=seed,
        index_cache=project.index_cache,
    )


def train(
    project: Project,
    dataset: datasets.Dataset | None = None,
    model: str = "yolo11n.yaml",
    epochs: int = 100,
    imgsz: int = 640,
    seed: int = 0,
) -> training.Run:
    """Train a model on a training set, by default the latest."""
    chosen = dataset or latest_dataset(project)
    return training.train(
        chosen, model, store=project.store, out_dir=project.folder / "models", epochs=epochs, imgsz=imgsz, seed=seed
    )


def evaluate(
    project: Project, dataset: datasets.Dataset | None = None, weights: str | Path | None = None, split: Split = "test"
) -> evaluation.Evaluation:
    """Evaluate a model, by default the latest, on a part of a training set that it never saw."""
    return evaluation.evaluate(
        weights or latest_weights(project), dataset or latest_dataset(project), store=project.store, split=split
    )


def detect(
    project: Project, weights: str | Path | None = None, stride: int = 1, conf: float | None = None
) -> detection.DetectionRun:
    """Run a model, by default the latest, over every movie of the project."""
    movies = usable_movies(project)
    return detection.detect(
        movies,
        weights or latest_weights(project),
        store=project.store,
        out_dir=project.folder / "detections",
        stride=stride,
        conf=conf,
        index_cache=project.index_cache,
    )


def latest_dataset(project: Project) -> datasets.Dataset:
    """Return the training set that was made last."""
    found = sorted((project.folder / "datasets").glob("*/data.yaml"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ConfigError("There is no training set. Make one with: kso dataset")
    return datasets.load_dataset(found[-1].parent)


def latest_weights(project: Project) -> Path:
    """Return the weights of the model that was trained last."""
    return Path(runs.latest_model(project.store)["weights"])
