"""Training sets on disk."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kso_utils.annotations.yolo import parse_labels
from kso_utils.archive.local import LocalArchive
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.paths import sha256_file
from kso_utils.ml.backend import load_ultralytics
from kso_utils.ml.datasets import Dataset, build_dataset, load_dataset
from tests.ml.conftest import FRAMES, LABELS, SIZE, World, draw_frame, record_marks


@pytest.fixture(scope="module")
def dataset(made: World, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return build_dataset(made.store, tmp_path_factory.mktemp("sets") / "set", footage=LocalArchive(made.footage))


def test_every_image_is_in_the_manifest_with_its_hash(dataset: Dataset) -> None:
    there = {p.relative_to(dataset.folder).as_posix(): sha256_file(p) for p in dataset.folder.glob("images/*/*.jpg")}

    assert dict(zip(dataset.manifest["image"], dataset.manifest["sha256"], strict=True)) == there
    assert len(there) == 6 * FRAMES


def test_labels_are_the_agreed_boxes(dataset: Dataset) -> None:
    for row in dataset.manifest.to_dict("records"):
        path = dataset.folder / row["image"].replace("images/", "labels/").replace(".jpg", ".txt")
        numbers, boxes = parse_labels(path.read_text().splitlines(), SIZE, SIZE)
        drawn = draw_frame(row["movie_id"], row["frame_number"])[1]
        assert [LABELS[n] for n in numbers] == [label for label, *_ in drawn]
        assert boxes == pytest.approx(pd.DataFrame([box for _, *box in drawn]).to_numpy().reshape(-1, 4), abs=1e-3)


def test_a_frame_found_empty_has_an_empty_label_file(dataset: Dataset) -> None:
    empty = dataset.manifest[dataset.manifest["boxes"] == 0]

    assert set(empty["frame_number"]) == {FRAMES - 1}
    assert len(empty) == 6


def test_whole_sites_are_held_out(dataset: Dataset) -> None:
    assert (dataset.manifest.groupby("site_id")["split"].nunique() == 1).all()
    assert set(dataset.manifest["split"]) == {"train", "val", "test"}
    assert dataset.report.codes()["SPLIT_BY_SITE"] == 1


def test_ultralytics_reads_it_unchanged(dataset: Dataset) -> None:
    load_ultralytics()
    from ultralytics.data.utils import check_det_dataset

    read = check_det_dataset(str(dataset.data_yaml), autodownload=False)

    assert tuple(read["names"].values()) == LABELS
    assert Path(read["test"]) == dataset.folder / "images" / "test"


def test_the_same_again_is_reused(made: World, dataset: Dataset) -> None:
    before = {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*")}

    again = build_dataset(made.store, dataset.folder, footage=LocalArchive(made.footage))

    assert again.sha256 == dataset.sha256
    assert {p: p.stat().st_mtime_ns for p in dataset.folder.rglob("*")} == before


def test_a_folder_with_another_training_set_is_refused(made: World, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="Give another folder"):
        build_dataset(made.store, dataset.folder, footage=LocalArchive(made.footage), labels=["Disc"])


def test_a_folder_with_something_else_is_refused_and_left_alone(made: World, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")

    with pytest.raises(ConfigError, match="no training set"):
        build_dataset(made.store, tmp_path, footage=LocalArchive(made.footage))

    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_only_the_labels_asked_for_are_learnt(made: World, tmp_path: Path) -> None:
    found = build_dataset(made.store, tmp_path / "set", footage=LocalArchive(made.footage), labels=["Square"])

    assert found.classes == ("Square",)
    assert found.manifest["boxes"].max() == 1


def test_labels_may_hold_any_character(world: World) -> None:
    label = 'Ål: "Anguilla" #1\nå'
    boxes = world.store.read("agg_annotations_frame")
    world.store.upsert("agg_annotations_frame", boxes.assign(label=label)[["id", "label"]], "id")
    dataset = build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    load_ultralytics()
    from ultralytics.utils import YAML

    assert YAML.load(dataset.data_yaml)["names"] == {0: label}


def test_two_movies_are_no_test(world: World) -> None:
    dataset = build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    assert dataset.used_for("test") == "val"
    assert "test: images/val" in dataset.data_yaml.read_text()
    assert [f.value for f in dataset.report if f.code == "SPLIT_SHARED"] == ["test"]


def test_a_frame_that_people_differ_about_is_left_out(world: World) -> None:
    doubtful = pd.DataFrame([{"subject_id": 105, "label": "Disc", "x": 1.0, "y": 1.0, "width": 9.0, "height": 9.0}])
    run = world.store.read("agg_annotations_frame").drop(columns=["id", "run_id"])
    rows = pd.concat([run, doubtful.assign(people=2, looked=3, support=0.67, agreed=False, frame=0, shape="rectangle")])
    record_marks(world.store, rows, world.store.read("agg_subjects", ["subject_id", "people"]))

    dataset = build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    assert 105 not in set(dataset.manifest["subject_id"])


def test_a_frame_that_one_person_saw_is_not_confirmed_empty(world: World) -> None:
    subject = {"id": 999, "subject_type": "frame", "movie_id": 1, "frame_number": 3}
    world.store.upsert("subjects", pd.DataFrame([subject | {"id": 998, "frame_number": 4}, subject]), "id")
    marks, looked = (world.store.read(name) for name in ("agg_annotations_frame", "agg_subjects"))
    lonely = pd.DataFrame({"subject_id": [999], "people": [1]})
    record_marks(
        world.store, marks.drop(columns=["id", "run_id"]), pd.concat([looked[["subject_id", "people"]], lonely])
    )

    dataset = build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    assert not {998, 999} & set(dataset.manifest["subject_id"])


def test_no_consensus_is_said(made: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aggregate"):
        build_dataset(made.store, tmp_path / "set", footage=LocalArchive(made.footage), run_id=99)


def test_a_label_without_boxes_is_named(made: World, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Whale\. There are: Disc, Square"):
        build_dataset(made.store, tmp_path / "set", footage=LocalArchive(made.footage), labels=["Disc", "Whale"])


def test_a_missing_movie_leaves_nothing_behind(world: World) -> None:
    (world.footage / "m2.mp4").unlink()

    with pytest.raises(NotFound, match=r"m2\.mp4"):
        build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    assert not list(world.folder.glob("*set*"))


def test_a_broken_movie_leaves_nothing_behind(world: World) -> None:
    (world.footage / "m2.mp4").write_bytes(b"no movie")

    with pytest.raises(Exception, match="m2"):
        build_dataset(world.store, world.folder / "set", footage=LocalArchive(world.footage))

    assert not list(world.folder.glob("*set*"))


def test_a_folder_without_a_training_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no training set"):
        load_dataset(tmp_path)
