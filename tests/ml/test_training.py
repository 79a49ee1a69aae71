"""From a training set to detections, through a real store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import ConfigError, KsoError, NotFound
from kso_utils.core.paths import sha256_file
from kso_utils.ml.datasets import Dataset, build_dataset
from kso_utils.ml.detection import COLUMNS, DetectionRun, detect
from kso_utils.ml.evaluation import Evaluation, best_threshold, evaluate, read_evaluation
from kso_utils.ml.runs import curves, find_file, latest_model, name_file, read_threshold
from kso_utils.ml.training import Run, train
from kso_utils.store.engine import open_store
from tests.ml.conftest import FRAMES, LABELS, World

QUICK = {"epochs": 2, "imgsz": 64}


@pytest.fixture(scope="module")
def dataset(made: World) -> Dataset:
    return build_dataset(made.store, made.folder / "set", footage=LocalArchive(made.footage))


@pytest.fixture(scope="module")
def run(made: World, dataset: Dataset) -> Run:
    return train(dataset, store=made.store, out_dir=made.folder / "models", **QUICK)


@pytest.fixture(scope="module")
def measured(made: World, dataset: Dataset, run: Run) -> Evaluation:
    return evaluate(run.weights, dataset, store=made.store)


@pytest.fixture(scope="module")
def found(made: World, run: Run) -> DetectionRun:
    return detect(movies_of(made), run.weights, store=made.store, out_dir=made.folder / "found", conf=0.0005)


def movies_of(world: World) -> pd.DataFrame:
    movies = world.store.read("movies", ["id", "filename"])
    return movies.assign(path=[str(world.footage / name) for name in movies["filename"]])[["id", "path"]]


def test_a_training_leaves_its_weights_and_nothing_else(made: World, run: Run) -> None:
    assert [p.name for p in (made.folder / "models").iterdir()] == [run.weights.name]
    assert sha256_file(run.weights) == run.sha256


def test_the_store_knows_the_model(made: World, run: Run) -> None:
    model = latest_model(made.store)

    assert model["weights"] == run.weights
    assert model["weights_path"] == f"models/{run.weights.name}"
    assert (model["architecture"], tuple(model["classes"])) == ("yolo11n", LABELS)


def test_each_epoch_is_in_the_curves(made: World, run: Run) -> None:
    assert set(run.curves["epoch"]) == {1, 2}
    assert {"train/box_loss", "val/box_loss", "metrics/mAP50(B)"} <= set(run.curves["name"])
    assert not run.curves.duplicated(["epoch", "name"]).any()
    pd.testing.assert_frame_equal(curves(made.store, run.run_id), run.curves)


def test_the_same_training_is_not_repeated(made: World, dataset: Dataset, run: Run) -> None:
    again = train(dataset, store=made.store, out_dir=made.folder / "models", **QUICK)

    assert (again.run_id, again.weights, again.sha256) == (run.run_id, run.weights, run.sha256)
    assert (made.store.read("model_runs")["kind"] == "train").sum() == 1


def test_training_depends_on_the_seed_alone(made: World, dataset: Dataset, run: Run, tmp_path: Path) -> None:
    import torch

    with open_store(tmp_path / "other.sqlite") as store:
        torch.rand(7)
        again = train(dataset, store=store, out_dir=tmp_path / "models", **QUICK)

    losses = [r.curves.query("name.str.startswith('train/')")["value"].to_numpy() for r in (run, again)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"imgsz": 100}, {"imgsz": 0}, {"batch": 0}])
def test_settings_out_of_range_are_refused(made: World, dataset: Dataset, wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="imgsz as a multiple of 32"):
        train(dataset, store=made.store, out_dir=made.folder / "models", **wrong)


def test_a_training_that_breaks_off_is_in_the_store_as_failed(world: World) -> None:
    dataset = build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))
    for label in dataset.folder.glob("images/train/*"):
        label.unlink()

    with pytest.raises(KsoError, match="Training broke off"):
        train(dataset, store=world.store, out_dir=world.folder / "models", **QUICK)

    runs = world.store.read("model_runs")
    assert runs["state"].tolist() == ["failed"]
    assert runs["error"].iloc[0]
    assert not list((world.folder / "models").glob("*"))


def test_an_evaluation_is_in_the_store(made: World, measured: Evaluation) -> None:
    rows = made.store.read("model_metrics", where={"run_id": measured.run_id})
    whole = rows[rows["label"].isna()].set_index("name")["value"]

    assert whole["map50"] == measured.map50
    assert whole["threshold"] == measured.threshold
    assert set(rows["label"].dropna()) == set(LABELS)
    assert list(measured.per_class.columns) == ["label", "boxes", "precision", "recall", "f1", "ap50", "ap50_95"]


def test_an_evaluation_counts_the_boxes_of_its_split(measured: Evaluation, dataset: Dataset) -> None:
    images = dataset.manifest[dataset.manifest["split"] == "test"]

    assert measured.images == len(images)
    assert measured.per_class["boxes"].sum() == images["boxes"].sum()


def test_the_same_evaluation_is_not_repeated(made: World, dataset: Dataset, run: Run, measured: Evaluation) -> None:
    again = evaluate(run.weights, dataset, store=made.store)

    assert again.run_id == measured.run_id
    pd.testing.assert_frame_equal(again.per_class, measured.per_class)


def test_an_evaluation_that_is_not_there_is_said(made: World, run: Run) -> None:
    with pytest.raises(NotFound, match="no evaluation"):
        read_evaluation(made.store, run.run_id)


def test_the_threshold_of_an_evaluation_is_what_detection_uses(made: World, run: Run, measured: Evaluation) -> None:
    assert read_threshold(made.store, run.sha256) == measured.threshold
    assert (
        detect(movies_of(made).head(0), run.weights, store=made.store, out_dir=made.folder).conf == measured.threshold
    )


def test_a_model_with_other_classes_cannot_be_evaluated(made: World, run: Run, tmp_path: Path) -> None:
    other = build_dataset(made.store, tmp_path / "set", footage=LocalArchive(made.footage), labels=["Disc"])

    with pytest.raises(ConfigError, match="Disc, Square"):
        evaluate(run.weights, other, store=made.store)


def test_the_threshold_is_the_strictest_that_is_as_good_as_the_best() -> None:
    confidences = np.linspace(0, 1, 6)
    f1 = np.array([[0, 0.80, 0.76, 0.79, 0.77, 0], [0.2, 0.80, 0.76, 0.79, 0.77, 0]])

    assert best_threshold(confidences, f1) == pytest.approx(0.6)


@pytest.mark.parametrize("f1", [np.empty((0, 11)), np.zeros((2, 11))])
def test_without_anything_to_choose_by_the_threshold_is_a_quarter(f1: np.ndarray) -> None:
    assert best_threshold(np.linspace(0, 1, 11), f1) == 0.25


def test_detections_have_the_promised_columns(found: DetectionRun) -> None:
    rows = found.read()

    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == COLUMNS
    assert len(rows) > 0
    assert rows["confidence"].between(0.0005, 1).all()
    assert (rows["x"] >= 0).all() and (rows["x"] + rows["width"] <= 96.01).all()
    assert np.allclose(rows["pts_s"], rows["frame_number"] / 5)


def test_detections_name_the_species_that_the_store_knows(found: DetectionRun) -> None:
    rows = found.read()

    assert (rows["species_id"].isna() == (rows["label"] == "Square")).all()
    assert set(rows["species_id"].dropna()) <= {7}


def test_each_movie_has_a_part_named_in_the_store(made: World, found: DetectionRun) -> None:
    named = made.store.read("model_artifacts", where={"run_id": found.run_id}).set_index("movie_id")

    assert found.status["frames"].tolist() == [FRAMES] * 6
    assert found.status["state"].tolist() == ["done"] * 6
    for movie, part in found.parts.items():
        assert find_file(made.store, named.loc[movie, "path"]) == part
        assert sha256_file(part) == named.loc[movie, "sha256"]


def test_detections_of_one_movie_are_its_own(found: DetectionRun) -> None:
    assert set(found.read(3)["movie_id"]) <= {3}
    with pytest.raises(NotFound, match="77"):
        found.read(77)


def test_a_second_run_keeps_all_and_adds_nothing(made: World, run: Run, found: DetectionRun) -> None:
    before = {p: p.stat().st_mtime_ns for p in found.parts.values()}
    rows = len(made.store.read("model_artifacts"))

    again = detect(movies_of(made), run.weights, store=made.store, out_dir=made.folder / "found", conf=0.0005)

    assert again.run_id == found.run_id
    assert again.status["state"].tolist() == ["kept"] * 6
    assert again.status["frames"].tolist() == [FRAMES] * 6
    assert {p: p.stat().st_mtime_ns for p in again.parts.values()} == before
    assert len(made.store.read("model_artifacts")) == rows


def test_a_damaged_part_is_made_anew(made: World, run: Run, found: DetectionRun) -> None:
    whole = found.read()
    found.parts[2].write_bytes(b"half")

    again = detect(movies_of(made), run.weights, store=made.store, out_dir=made.folder / "found", conf=0.0005)

    assert again.status.set_index("movie_id")["state"].to_dict()[2] == "done"
    pd.testing.assert_frame_equal(again.read(), whole)


def test_a_bad_movie_does_not_stop_the_others(world: World, run: Run) -> None:
    (world.footage / "m1.mp4").write_bytes(b"no movie at all")

    seen = detect(movies_of(world), run.weights, store=world.store, out_dir=world.folder / "found", conf=0.9)

    assert seen.status["state"].tolist() == ["failed", "done"]
    assert seen.status["error"].iloc[0].startswith("Media")
    assert "1 of 2 movies failed" in world.store.read("model_runs")["error"].iloc[0]
    assert set(seen.parts) == {2}


def test_a_mended_movie_is_all_that_a_second_run_looks_at(world: World, run: Run) -> None:
    movies, good = movies_of(world), (world.footage / "m1.mp4").read_bytes()
    (world.footage / "m1.mp4").unlink()
    detect(movies, run.weights, store=world.store, out_dir=world.folder / "found", conf=0.9)
    (world.footage / "m1.mp4").write_bytes(good)

    again = detect(movies, run.weights, store=world.store, out_dir=world.folder / "found", conf=0.9)

    assert again.status["state"].tolist() == ["done", "kept"]
    assert len(again.read(1)) == 0


def test_what_was_cut_off_is_gone_on_with(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import kso_utils.ml.detection as module

    movies, real = movies_of(world), module.read_frames

    def cut(path: Path, *args: object, **kwargs: object) -> object:
        if path.name == "m2.mp4":
            raise KeyboardInterrupt
        return real(path, *args, **kwargs)

    monkeypatch.setattr(module, "read_frames", cut)
    with pytest.raises(KeyboardInterrupt):
        detect(movies, run.weights, store=world.store, out_dir=world.folder / "found", conf=0.9)
    monkeypatch.setattr(module, "read_frames", real)

    again = detect(movies, run.weights, store=world.store, out_dir=world.folder / "found", conf=0.9)

    assert again.status["state"].tolist() == ["kept", "done"]
    assert world.store.read("model_runs")["state"].tolist() == ["done"]


def test_a_stride_looks_at_fewer_frames(world: World, run: Run) -> None:
    seen = detect(
        movies_of(world), run.weights, store=world.store, out_dir=world.folder / "found", stride=4, conf=0.0005
    )

    assert seen.status["frames"].tolist() == [2, 2]
    assert set(seen.read()["frame_number"]) <= {0, 4}


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"conf": 2.0}, {"iou": 0.0}])
def test_wrong_settings_of_a_detection_are_refused(world: World, run: Run, wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="stride is"):
        detect(movies_of(world), run.weights, store=world.store, out_dir=world.folder, **wrong)


def test_a_movie_given_twice_is_refused(world: World, run: Run) -> None:
    twice = pd.concat([movies_of(world)] * 2)

    with pytest.raises(ConfigError, match="twice"):
        detect(twice, run.weights, store=world.store, out_dir=world.folder)


def test_a_project_without_a_model_says_so(world: World) -> None:
    with pytest.raises(NotFound, match="Train one first"):
        latest_model(world.store)


def test_a_file_outside_the_store_is_named_in_full(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "a.pt"

    assert find_file(world.store, name_file(world.store, outside)) == outside
