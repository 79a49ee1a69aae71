"""A training set on disk, in the layout that ultralytics reads: made from the boxes on which people agreed."""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.annotations.outlines import bounding_boxes
from kso_utils.annotations.volunteers import read_looked, read_run
from kso_utils.annotations.yolo import format_labels
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.paths import flush_folder, safe_name
from kso_utils.core.progress import track
from kso_utils.core.report import Finding, Report
from kso_utils.media.frames import save_frames
from kso_utils.media.movie import find_movie
from kso_utils.media.sources import file_name, size_of
from kso_utils.ml.frames import BOX, choose_frames, choose_labels
from kso_utils.ml.splits import SPLITS, Split, assign_splits, choose_group, count_classes, describe_splits, stand_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.archive.base import Archive, RangeFile
    from kso_utils.store.engine import Store

MANIFEST = ["image", "movie_id", "site_id", "subject_id", "frame_number", "split", "sha256", "boxes"]
_ABOUT = "dataset.json"


@dataclass(frozen=True)
class Dataset:
    """A training set on disk.

    Attributes
    ----------
    folder
        Holds `images/{train,val,test}`, `labels/{train,val,test}`, `data.yaml`, `manifest.csv` and `dataset.json`.
    classes
        The labels; a class's number is its place.
    manifest
        One row an image: `image` (relative to the folder), `movie_id`, `site_id`, `subject_id`, `frame_number`,
        `split`, `sha256`, `boxes` (how many).
    sha256
        Known by this: hash of what the training set was made from.
    report
        How it was split, the boxes of each class in each split, and warnings.
    """

    folder: Path
    classes: tuple[str, ...]
    manifest: pd.DataFrame = field(repr=False)
    sha256: str
    report: Report = field(repr=False)

    @property
    def data_yaml(self) -> Path:
        """The file that ultralytics reads."""
        return self.folder / "data.yaml"

    def used_for(self, split: Split) -> Split:
        """Return the split whose images stand for `split`: another one where it has none of its own."""
        return stand_in(split, list(self.manifest["split"].unique()))


def build_dataset(
    store: Store,
    out_dir: str | Path,
    *,
    footage: Archive,
    labels: Sequence[str] | None = None,
    split: Sequence[float] = (0.7, 0.15, 0.15),
    group: str = "auto",
    seed: int = 0,
    run_id: int | None = None,
    index_cache: str | Path | None = None,
) -> Dataset:
    """Make a training set from the boxes on which people agreed.

    Circles, ellipses and outlines are learned as the boxes around them; frames with an animal that has none, as one
    marked by a point, are left out.
    Frames that enough people looked at and found empty are part of it. Whole sites are held out for validation and
    test where at least six sites have frames, whole movies elsewhere. The folder appears when it is complete; one
    that exists is never touched: made from the same, it is returned, else refused.

    Parameters
    ----------
    store
        The store.
    out_dir
        The folder to make.
    footage
        The archive in which `movies.associatedMedia` or `movies.filename` are found.
    labels
        The classes to learn; all labels with an agreed box by default.
    split
        Shares of train, val and test.
    group
        `"site"`, `"movie"` or `"auto"`.
    seed
        Decides among groups of one size.
    run_id
        The run of consensus; the latest of frames by default.
    index_cache
        A folder in which packet indexes of movies are kept between runs.

    Returns
    -------
    Dataset

    Raises
    ------
    ConfigError
        If nothing is agreed, a label has no box, or `out_dir` holds something else.
    NotFound
        If a movie is not in `footage`.
    MediaError
        If a movie cannot be read.
    """
    folder = Path(out_dir).absolute()
    frames, boxes, classes = _choose(store, labels, run_id)
    group_column = choose_group(frames, group)
    groups = assign_splits(frames[group_column].value_counts(), split, seed)
    frames["split"] = frames[group_column].map(groups)
    report = Report("Training set")
    report.extend(describe_splits(frames, count_classes(frames, boxes, classes), group_column, group))
    movies = store.read("movies", where={"id": sorted(set(frames["movie_id"]))})
    paths = {int(movie["id"]): find_movie(movie, footage) for movie in movies.to_dict("records")}
    identity = _identify(frames, boxes, classes, paths)
    if folder.exists():
        return _reuse(folder, identity)
    about = {"sha256": identity, "classes": list(classes), "findings": report.rows()}
    _write_whole(folder, frames, boxes, classes, paths, about, index_cache)
    return load_dataset(folder)


def load_dataset(folder: str | Path) -> Dataset:
    """Return a training set that `build_dataset` made.

    Raises
    ------
    NotFound
        If there is none in the folder.
    """
    path = Path(folder).absolute()
    try:
        about = json.loads((path / _ABOUT).read_text(encoding="utf-8"))
        manifest = pd.read_csv(path / "manifest.csv")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no training set in {path}. Build one first.") from error
    report = Report("Training set", [Finding(**row) for row in about["findings"]])
    return Dataset(path, tuple(about["classes"]), manifest, about["sha256"], report)


def _choose(
    store: Store, labels: Sequence[str] | None, run_id: int | None
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    run = read_run(store, "frame", run_id)
    if run is None:
        raise ConfigError("There is no consensus about frames yet. Pull the classifications and aggregate them first.")
    drawn = store.read("agg_annotations_frame", where={"run_id": run["id"], "frame": 0})
    drawn[BOX] = bounding_boxes(drawn)
    boxes = drawn[drawn["agreed"].astype(bool)].dropna(subset=BOX)
    classes = choose_labels(boxes, labels)
    subjects = store.read("subjects", ["id", "movie_id", "frame_number"], where={"subject_type": "frame"})
    frames = choose_frames(subjects, drawn, read_looked(store, run).set_index("subject_id")["people"])
    movies = store.read("movies", ["id", "site_id"], where={"is_bad_deployment": False})
    frames = frames[frames["movie_id"].isin(movies["id"])].reset_index(drop=True)
    if frames.empty:
        raise ConfigError("No frame that people looked at is of a good deployment. Upload frames of other movies.")
    frames["site_id"] = frames["movie_id"].map(movies.set_index("id")["site_id"])
    boxes = boxes[boxes["label"].isin(classes) & boxes["subject_id"].isin(frames["subject_id"])]
    return frames, boxes[["subject_id", "label", *BOX]].reset_index(drop=True), classes


def _identify(
    frames: pd.DataFrame, boxes: pd.DataFrame, classes: tuple[str, ...], paths: Mapping[int, Path | RangeFile]
) -> str:
    """Return a hash of all that the training set's content depends on; movies by name and size."""
    parts = [
        json.dumps([classes, sorted((number, file_name(path), size_of(path)) for number, path in paths.items())]),
        frames.to_csv(index=False),
        boxes.sort_values(["subject_id", "label", *BOX]).to_csv(index=False),
    ]
    return sha256("\n".join(parts).encode()).hexdigest()


def _reuse(folder: Path, identity: str) -> Dataset:
    try:
        dataset = load_dataset(folder)
    except (NotFound, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} exists and is no training set. Give a folder that does not exist.") from error
    if dataset.sha256 != identity:
        raise ConfigError(
            f"{folder} holds a training set made from other boxes, frames or settings. Give another folder; nothing "
            "was changed."
        )
    return dataset


def _write_whole(
    folder: Path,
    frames: pd.DataFrame,
    boxes: pd.DataFrame,
    classes: tuple[str, ...],
    paths: Mapping[int, Path | RangeFile],
    about: dict[str, Any],
    index_cache: str | Path | None,
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.part"
    try:
        rows: list[dict[Any, Any]] = []
        for movie_id, path in track(paths.items(), "Training set"):
            here = frames[frames["movie_id"] == movie_id]
            rows += _write_movie(temporary, path, here, boxes, classes, index_cache)
        pd.DataFrame(rows, columns=MANIFEST).to_csv(temporary / "manifest.csv", index=False)
        (temporary / "data.yaml").write_text(_data_yaml(frames, classes), encoding="utf-8")
        (temporary / _ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.rename(folder)
        flush_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_movie(
    folder: Path,
    path: Path | RangeFile,
    wanted: pd.DataFrame,
    boxes: pd.DataFrame,
    classes: tuple[str, ...],
    index_cache: str | Path | None,
) -> list[dict[Any, Any]]:
    """Save the frames of one movie and their labels; all of a movie are in one split."""
    rows = []
    split, movie_id = wanted["split"].iloc[0], wanted["movie_id"].iloc[0]
    stem = f"{movie_id}_{safe_name(Path(file_name(path)).stem)}"  # two movies of one name may lie in different folders
    saved = save_frames(path, wanted["frame_number"].tolist(), folder / "images" / split, stem, index_cache)
    labels = folder / "labels" / split
    labels.mkdir(parents=True, exist_ok=True)
    for frame, picture in zip(
        wanted.sort_values("frame_number").to_dict("records"),
        saved.sort_values("frame_number").to_dict("records"),
        strict=True,
    ):
        here = boxes[boxes["subject_id"] == frame["subject_id"]]
        numbers = here["label"].map({label: number for number, label in enumerate(classes)})
        lines = format_labels(here[BOX].to_numpy(float), numbers.to_numpy(int), picture["width"], picture["height"])
        name = Path(picture["path"])
        (labels / f"{name.stem}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        image = f"images/{split}/{name.name}"
        rows.append({**frame, "image": image, "sha256": picture["sha256"], "boxes": len(lines)})
    return rows


def _data_yaml(frames: pd.DataFrame, classes: tuple[str, ...]) -> str:
    """Return the description that ultralytics reads; without `path` it takes the folder of the file itself.

    JSON strings are YAML strings, whatever characters a label holds.
    """
    filled = list(frames["split"].unique())
    places = [f"{name}: images/{stand_in(name, filled)}" for name in SPLITS]
    names = [f"  {number}: {json.dumps(label, ensure_ascii=False)}" for number, label in enumerate(classes)]
    return "\n".join([*places, "names:", *names, ""])
