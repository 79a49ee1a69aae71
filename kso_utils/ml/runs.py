"""What the store knows of models and their runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from kso_utils.core.clock import utc_now
from kso_utils.core.errors import NotFound
from kso_utils.core.paths import sha256_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kso_utils.store.engine import Store

ModelRunKind = Literal["train", "evaluate", "detect"]


def latest_model(store: Store) -> dict[str, Any]:
    """Return the row of `models` whose training ended last, with the file's full path as `weights`.

    Raises
    ------
    NotFound
        If no model has been trained.
    """
    runs = store.read("model_runs", ["id", "model_id"], where={"kind": "train", "state": "done"}, order_by="id")
    runs = runs.dropna(subset=["model_id"])
    if runs.empty:
        raise NotFound("The project has no trained model yet. Train one first.")
    row = store.read("models", where={"id": int(runs["model_id"].iloc[-1])}).iloc[0]
    return {**{str(name): value for name, value in row.items()}, "weights": find_file(store, row["weights_path"])}


def curves(store: Store, run_id: int) -> pd.DataFrame:
    """Return what a training run measured in each epoch.

    Returns
    -------
    DataFrame
        `epoch` (int64, from 1), `name`, `value` (float64), in the order of epochs.
    """
    rows = store.read("model_metrics", ["id", "step", "name", "value"], where={"run_id": run_id}, order_by="id")
    rows = rows.dropna(subset=["step"]).rename(columns={"step": "epoch"}).astype({"epoch": "int64", "value": "float64"})
    return rows.sort_values(["epoch", "id"])[["epoch", "name", "value"]].reset_index(drop=True)


def read_threshold(store: Store, sha256: str) -> float | None:
    """Return the operating threshold that the latest evaluation chose for some weights, None if there is none."""
    models = store.read("models", ["id"], where={"weights_sha256": sha256})
    runs = store.read(
        "model_runs", ["id"], where={"kind": "evaluate", "state": "done", "model_id": models["id"]}, order_by="id"
    )
    chosen = store.read(
        "model_metrics", ["run_id", "value"], where={"run_id": runs["id"], "name": "threshold"}, order_by="run_id"
    )
    return None if chosen.empty else float(chosen["value"].iloc[-1])


def find_runs(
    store: Store, kind: ModelRunKind, params: Mapping[str, Any], states: Sequence[str] = ("done",)
) -> pd.DataFrame:
    """Return the runs of a kind that were told exactly `params`, the newest first, as rows of `model_runs`."""
    runs = store.read("model_runs", where={"kind": kind, "state": list(states)}, order_by="id")
    same = runs["params"].map(lambda told: told == params).astype(bool)
    return runs[same].iloc[::-1].reset_index(drop=True)


def write_model(store: Store, path: Path, architecture: str, classes: Sequence[str]) -> int:
    """Write a weights file to `models` unless its content is known already; return its id."""
    sha256 = sha256_file(path)
    row = {
        "name": path.stem,
        "architecture": architecture,
        "weights_path": name_file(store, path),
        "weights_sha256": sha256,
        "classes": list(classes),
        "created_at": utc_now(),
    }
    if store.read("models", ["id"], where={"weights_sha256": sha256}).empty:
        store.upsert("models", pd.DataFrame([row]), "weights_sha256")
    return int(store.read("models", ["id"], where={"weights_sha256": sha256})["id"].iloc[0])


def artifact(store: Store, kind: str, path: Path, movie_id: int | None = None) -> dict[str, Any]:
    """Return the row of `model_artifacts` (without its run) that names a finished file."""
    name, sha256, size = name_file(store, path), sha256_file(path), path.stat().st_size
    return {"kind": kind, "movie_id": movie_id, "path": name, "sha256": sha256, "size_bytes": size}


def name_file(store: Store, path: Path) -> str:
    """Return the name under which the store knows a file: relative to the store's folder where it lies below that."""
    whole = path.absolute()
    root = None if store.path is None else store.path.absolute().parent
    return whole.relative_to(root).as_posix() if root is not None and root in whole.parents else str(whole)


def find_file(store: Store, name: str) -> Path:
    """Return the path of a file that the store names."""
    return Path(name) if store.path is None else store.path.absolute().parent / name
