"""Detections: what a model sees in movies, one Parquet part a movie."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.archive.local import LocalFile
from kso_utils.core.errors import ConfigError, KsoError, MissingExtra, NotFound, StoreError
from kso_utils.core.log import logger
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.core.progress import track
from kso_utils.media.frames import read_frames
from kso_utils.media.sampling import sample_frames
from kso_utils.media.sources import file_name, resolve
from kso_utils.metadata.taxa import match_labels
from kso_utils.ml.backend import pick_device
from kso_utils.ml.evaluation import DEFAULT_THRESHOLD, NMS_IOU
from kso_utils.ml.runs import artifact, find_file, find_runs, read_threshold, write_model
from kso_utils.ml.weights import architecture, image_size, load_trained

if TYPE_CHECKING:
    from kso_utils.archive.base import RangeFile
    from kso_utils.store.engine import Store

_log = logger(__name__)

COLUMNS = {
    "movie_id": "int64",
    "frame_number": "int64",
    "pts_s": "float64",
    "species_id": "Int64",
    "label": "str",
    "confidence": "float64",
    "x": "float64",
    "y": "float64",
    "width": "float64",
    "height": "float64",
}
_FRAMES_KEY = b"kso_frames"
_BATCH = 16
_RAW = ["frame_number", "pts_s", "x", "y", "width", "height", "confidence", "class"]  # first with the lower corner


@dataclass(frozen=True)
class DetectionRun:
    """What a model saw in some movies.

    Attributes
    ----------
    run_id
        Its row in `model_runs`.
    conf
        The confidence from which boxes were kept.
    status
        One row a movie: `movie_id`, `state` (`done`, `kept` from an earlier run, `failed`), `error` (its kind and
        message, None unless failed), `frames` (how many were looked at).
    parts
        Movie -> its Parquet file.
    """

    run_id: int
    conf: float
    status: pd.DataFrame
    parts: dict[int, Path] = field(repr=False)

    def read(self, movie_id: int | None = None) -> pd.DataFrame:
        """Return the detections of one movie, or of all.

        Returns
        -------
        DataFrame
            `movie_id, frame_number, pts_s` (seconds from the first frame), `species_id` (Int64, missing where the
            label is no species of the store), `label, confidence, x, y, width, height` (pixels of the movie). Sorted
            by movie and frame. A frame without a row had no animal, or was not looked at.

        Raises
        ------
        NotFound
            If the movie has no detections in this run, not even none: it failed or was not asked for.
        """
        if movie_id is not None and movie_id not in self.parts:
            raise NotFound(f"Run {self.run_id} has no detections for the movie {movie_id}. Look at its status.")
        wanted = sorted(self.parts) if movie_id is None else [movie_id]
        tables = [pd.read_parquet(self.parts[number]) for number in wanted]
        return pd.concat([_empty(), *tables], ignore_index=True).astype(COLUMNS)


def detect(
    movies: pd.DataFrame,
    weights: str | Path,
    *,
    store: Store,
    out_dir: str | Path,
    stride: int = 1,
    conf: float | None = None,
    imgsz: int | None = None,
    iou: float = NMS_IOU,
    index_cache: str | Path | None = None,
) -> DetectionRun:
    """Look for animals in movies; write the run and a part a movie.

    A movie that cannot be read is a row in the status, and the others go on. What an earlier run finished with the
    same weights and settings on the same file is kept, also where that run was cut off.

    Parameters
    ----------
    movies
        `id` (of `movies` in the store) and `path`.
    weights
        A weights file.
    store
        The store; its species give `species_id`.
    out_dir
        The folder that the parts go to.
    stride
        Every how many frames to look.
    conf
        The confidence from which boxes are kept, 0 to 1; by default the operating threshold that the latest
        evaluation of these weights chose, 0.25 where there is none.
    imgsz
        Pixels of the longer side; by default what the model was trained with.
    iou
        Of two boxes of one class that overlap by more than this, only the more confident one stays.
    index_cache
        A folder in which packet indexes of movies are kept between runs.

    Returns
    -------
    DetectionRun

    Raises
    ------
    ConfigError
        If a setting is out of range, a movie has two rows, or the model cannot be used.
    NotFound
        If there is no such weights file.
    """
    _check_arguments(movies, stride, conf, iou)
    detector = load_trained(weights)
    digest = sha256_file(weights)
    threshold = conf if conf is not None else read_threshold(store, digest)
    params = {
        "weights_sha256": digest,
        "stride": stride,
        "conf": DEFAULT_THRESHOLD if threshold is None else float(threshold),
        "imgsz": imgsz or image_size(detector),
        "iou": iou,
    }
    files = {int(row["id"]): resolve(row["path"]) for row in movies.to_dict("records")}
    inputs = {str(number): _identity(path) for number, path in files.items()}
    model_id = write_model(store, Path(weights), architecture(detector), list(detector.names.values()))
    folder = Path(out_dir).absolute() / sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]
    run = _Work(store, detector, _find_species(store, detector), params, folder, index_cache)
    run.begin(inputs, model_id)
    for number, path in files.items():
        run.look(number, path, inputs[str(number)])
    return run.end()


def open_run(store: Store, run_id: int) -> DetectionRun:
    """Return an earlier run.

    Raises
    ------
    NotFound
        If the store has no such detection run, or one of its parts is no longer there.
    """
    run = store.read("model_runs", where={"id": run_id, "kind": "detect"})
    if run.empty:
        raise NotFound(f"The store has no detection run {run_id}.")
    named = store.read("model_artifacts", where={"run_id": run_id, "kind": "detections"}).to_dict("records")
    parts = {int(row["movie_id"]): find_file(store, row["path"]) for row in named}
    for part in parts.values():
        if not part.is_file():
            raise NotFound(f"The detections {part} of run {run_id} are gone. Run the detection again.")
    status = [{"movie_id": m, "state": "done", "error": None, "frames": _read_frame_count(p)} for m, p in parts.items()]
    conf = float(run["params"].iloc[0]["conf"])
    return DetectionRun(run_id, conf, pd.DataFrame(status, columns=["movie_id", "state", "error", "frames"]), parts)


class _Work:
    """One run under way."""

    def __init__(
        self,
        store: Store,
        detector: Any,
        species: dict[str, int],
        params: dict[str, Any],
        folder: Path,
        index_cache: str | Path | None,
    ) -> None:
        self.index_cache = index_cache
        self.store, self.detector, self.species, self.params, self.folder = store, detector, species, params, folder
        self.device = pick_device()
        self.run_id = 0
        self.parts: dict[int, Path] = {}
        self.status: list[dict[str, Any]] = []
        self.finished: dict[tuple[str, str], dict[Any, Any]] = {}

    def begin(self, inputs: dict[str, str], model_id: int) -> None:
        """Go on with the latest run of these settings and movies, or begin one; learn which parts there are."""
        runs = find_runs(self.store, "detect", self.params, ("running", "done", "failed"))
        named = self.store.read("model_artifacts", where={"run_id": runs["id"], "kind": "detections"})
        told = dict(zip(runs["id"], runs["inputs"], strict=True))
        for row in named.to_dict("records"):
            movie = str(int(row["movie_id"]))
            self.finished[movie, told[row["run_id"]].get(movie, "")] = row
        same = runs[runs["inputs"].map(lambda given: given == inputs).astype(bool)]
        if same.empty:
            self.run_id = self.store.record_run("detect", self.params, inputs, {}, model_id=model_id, state="running")
        else:
            self.run_id = int(same["id"].iloc[0])

    def look(self, movie_id: int, path: Path | RangeFile, identity: str) -> None:
        """Detect in one movie, unless there is a whole part already; what goes wrong with the movie is noted."""
        earlier = self.finished.get((str(movie_id), identity))
        part = None if earlier is None else find_file(self.store, earlier["path"])
        row: dict[str, Any] = {"movie_id": movie_id, "state": "done", "error": None, "frames": 0}
        try:
            if earlier is not None and part is not None and part.is_file() and sha256_file(part) == earlier["sha256"]:
                row["state"] = "kept"
            else:
                part = self.folder / f"movie_{movie_id}_{sha256(identity.encode()).hexdigest()[:12]}.parquet"
                _save_part(part, *self._detect(movie_id, path))
            row["frames"] = _read_frame_count(part)
            named = pd.DataFrame([{**artifact(self.store, "detections", part, movie_id), "run_id": self.run_id}])
            self.store.upsert("model_artifacts", named, ["run_id", "path"])
            self.parts[movie_id] = part
        except (MissingExtra, StoreError):
            raise
        except KsoError as error:
            row |= {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        self.status.append(row)

    def end(self) -> DetectionRun:
        """Write how the run ended."""
        status = pd.DataFrame(self.status, columns=["movie_id", "state", "error", "frames"])
        status = status.astype({"movie_id": "int64", "frames": "int64", "error": "object"})
        failed = status[status["state"] == "failed"]
        error = None if failed.empty else f"{len(failed)} of {len(status)} movies failed: {failed['error'].iloc[0]}"
        state = "failed" if len(status) and len(failed) == len(status) else "done"
        self.store.upsert("model_runs", pd.DataFrame([{"id": self.run_id, "state": state, "error": error}]), "id")
        return DetectionRun(self.run_id, self.params["conf"], status, self.parts)

    def _detect(self, movie_id: int, path: Path | RangeFile) -> tuple[pd.DataFrame, int]:
        """Return the detections in a movie, and how many frames were looked at."""
        found = [np.empty((0, len(_RAW)))]
        cache = self.index_cache
        numbers = sample_frames(path, stride=self.params["stride"], index_cache=cache)["frame_number"].tolist()
        frames = read_frames(path, numbers, pixels="bgr24", index_cache=cache)
        pictures = track(frames, f"Detecting in {file_name(path)}", len(numbers))
        # bgr24 is the order of colours that ultralytics expects of arrays.
        while some := list(islice(pictures, _BATCH)):
            results = self.detector.predict(
                [picture for _, _, picture in some],
                conf=self.params["conf"],
                iou=self.params["iou"],
                imgsz=self.params["imgsz"],
                device=self.device,
                verbose=False,
                save=False,
            )
            for (number, pts_s, _), result in zip(some, results, strict=True):
                boxes = result.boxes.cpu().numpy()
                when = np.tile([number, pts_s], (len(boxes), 1))
                found.append(np.column_stack([when, boxes.xyxy, boxes.conf, boxes.cls]))
        table = pd.DataFrame(np.vstack(found), columns=_RAW)
        label = table["class"].astype(int).map(self.detector.names)
        table = table.assign(movie_id=movie_id, label=label, species_id=label.map(self.species))
        table["width"] -= table["x"]
        table["height"] -= table["y"]
        return table[list(COLUMNS)].astype(COLUMNS), len(numbers)


def _check_arguments(movies: pd.DataFrame, stride: int, conf: float | None, iou: float) -> None:
    if stride < 1 or not (conf is None or 0 <= conf <= 1) or not 0 < iou <= 1:
        raise ConfigError(f"stride is {stride}, conf {conf}, iou {iou}; give at least 1, 0 to 1, and above 0 to 1.")
    missing = [column for column in ("id", "path") if column not in movies.columns]
    if missing:
        raise ConfigError(f"The table of movies has no column {', '.join(missing)}. Give id and path.")
    twice = movies.loc[movies["id"].duplicated(), "id"]
    if len(twice):
        raise ConfigError(f"The movie {twice.iloc[0]} is in the table twice. Give each movie once.")


def _identity(path: Path | RangeFile) -> str:
    """Return what a movie file is known by without reading it: a file that was changed has another time."""
    if not isinstance(path, Path):
        return f"{path.address} {path.identity}"
    try:
        return LocalFile(path).identity
    except OSError:
        return "missing"


def _find_species(store: Store, detector: Any) -> dict[str, int]:
    matched = match_labels(list(detector.names.values()), store.read("species"))
    found = matched.dropna(subset=["species_id"])
    if len(found) < len(matched):
        lost = ", ".join(matched.loc[matched["species_id"].isna(), "label"])
        _log.warning("Labels of the model that name no species of the store, or several: %s. They stay labels.", lost)
    return {label: int(number) for label, number in zip(found["label"], found["species_id"], strict=True)}


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)


def _save_part(path: Path, table: pd.DataFrame, frames: int) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "ml") from error
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), _FRAMES_KEY: str(frames).encode()})
    with write_atomic(path) as temporary:
        parquet.write_table(arrow, temporary)


def _read_frame_count(path: Path) -> int:
    from pyarrow import parquet

    return int(parquet.read_schema(path).metadata[_FRAMES_KEY])
