"""Training a detector."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kso_utils.core.errors import ConfigError, KsoError
from kso_utils.core.paths import sha256_file, write_atomic
from kso_utils.core.progress import Bar, bar
from kso_utils.ml.backend import pick_device
from kso_utils.ml.evaluation import NMS_IOU
from kso_utils.ml.runs import artifact, curves, find_file, find_runs, write_model
from kso_utils.ml.weights import ARCHITECTURE, architecture, load_model

if TYPE_CHECKING:
    from kso_utils.ml.datasets import Dataset
    from kso_utils.store.engine import Store

# Chosen on about a hundred frames of generated reefs; stated, for ultralytics' own choice ignores the rate given.
_OPTIMISER: dict[str, Any] = {
    "optimizer": "AdamW",
    "lr0": 0.002,
    "lrf": 0.01,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 2,
}


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes
    ----------
    run_id
        Its row in `model_runs`.
    weights
        The weights file.
    sha256
        Of the weights file.
    curves
        What was measured in each epoch: `epoch` (from 1), `name`, `value`.
    """

    run_id: int
    weights: Path
    sha256: str
    curves: pd.DataFrame = field(repr=False)


def train(
    dataset: Dataset,
    model: str | Path = ARCHITECTURE,
    *,
    store: Store,
    out_dir: str | Path,
    epochs: int = 100,
    imgsz: int = 640,
    seed: int = 0,
    batch: int = 16,
) -> Run:
    """Train a detector and write the run, its curves and its weights to the store.

    The weights kept are those of the epoch that did best on the validation split. A training with the same images,
    model and settings that is in the store already is returned, not repeated: on one machine it would give the same
    weights.

    Parameters
    ----------
    dataset
        From `build_dataset`.
    model
        An architecture (`yolo11n.yaml`), to start from nothing, or a weights file, to start from that.
    store
        The store.
    out_dir
        The folder that the weights file goes to.
    epochs
        How often each image is shown.
    imgsz
        Pixels of the longer side that images are scaled to, a multiple of 32.
    seed
        Of the first weights and of the order and changes of the images.
    batch
        Images a step.

    Returns
    -------
    Run

    Raises
    ------
    ConfigError
        If a setting is out of range, or the model cannot be used.
    KsoError
        If training breaks off; the run is in the store as failed, with the reason.
    """
    if epochs < 1 or batch < 1 or imgsz < 32 or imgsz % 32:
        raise ConfigError(
            f"epochs is {epochs}, batch {batch}, imgsz {imgsz}; give at least 1, 1 and 32, imgsz as a multiple of 32."
        )
    detector = load_model(model)
    params = {
        "model": sha256_file(model) if Path(model).suffix == ".pt" else str(model),
        **{"epochs": epochs, "imgsz": imgsz, "seed": seed, "batch": batch, "iou": NMS_IOU},
        **_OPTIMISER,
        "nbs": batch,  # a step of the optimiser each batch: a small set has few batches
        "close_mosaic": min(10, epochs // 5),  # the last epochs see whole images, as detection will
    }
    inputs = {"dataset_sha256": dataset.sha256, "images": len(dataset.manifest)}
    known = _find_finished(store, params, inputs)
    if known is not None:
        return known
    name = architecture(detector)
    try:
        weights, rows = _fit(detector, dataset, Path(out_dir).absolute() / name, params)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        store.record_run("train", params, inputs, {}, state="failed", error=message[:2000])
        raise KsoError(
            f"Training broke off ({message}). Where memory ran out, give a smaller batch or imgsz; what was done so "
            "far is not kept."
        ) from error
    with store.atomic():
        model_id = write_model(store, weights, name, dataset.classes)
        found = {"model_metrics": rows, "model_artifacts": pd.DataFrame([artifact(store, "weights", weights)])}
        run_id = store.record_run("train", params, inputs, found, model_id=model_id)
    return Run(run_id, weights, sha256_file(weights), curves(store, run_id))


def _find_finished(store: Store, params: dict[str, Any], inputs: dict[str, Any]) -> Run | None:
    for run in find_runs(store, "train", params).to_dict("records"):
        files = store.read("model_artifacts", where={"run_id": run["id"], "kind": "weights"}).to_dict("records")
        path = find_file(store, files[0]["path"]) if files else None
        if run["inputs"] == inputs and path is not None and path.is_file() and sha256_file(path) == files[0]["sha256"]:
            return Run(int(run["id"]), path, files[0]["sha256"], curves(store, int(run["id"])))
    return None


def _fit(detector: Any, dataset: Dataset, target: Path, params: dict[str, Any]) -> tuple[Path, pd.DataFrame]:
    """Train in a folder that is thrown away, keep the weights as `<target>-<sha256>.pt`; return them and the curves."""
    work = target.with_name(f".{secrets.token_hex(6)}.part")
    rows: list[dict[str, Any]] = []
    try:
        with bar("Training", params["epochs"]) as shown:
            _watch(detector, rows, shown)
            detector.train(
                **{name: value for name, value in params.items() if name != "model"},
                data=str(dataset.data_yaml),
                project=str(work),
                name="run",
                device=pick_device(),
                workers=0,
                cache="ram",
                deterministic=True,
                # The check that ultralytics makes before it mixes precisions needs a model to download.
                amp=False,
                plots=False,
                verbose=False,
            )
        best = Path(detector.trainer.best)
        weights = target.with_name(f"{target.name}-{sha256_file(best)[:12]}.pt")
        with write_atomic(weights) as temporary:
            shutil.copyfile(best, temporary)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return weights, pd.DataFrame(rows, columns=["name", "step", "value"])


def _watch(detector: Any, rows: list[dict[str, Any]], shown: Bar) -> None:
    """Note what each epoch measured; lay tensors out as the processor likes them."""
    import torch

    def arrange(trainer: Any) -> None:
        """Lay the weights out before the first step."""
        if trainer.device.type == "cpu":
            trainer.model.to(memory_format=torch.channels_last)  # a quarter less time for a step than the default

    def note(trainer: Any) -> None:
        """Note an epoch."""
        epoch = trainer.epoch + 1
        if epoch > trainer.epochs:
            return  # the closing look at the best weights
        measured = {**trainer.label_loss_items(trainer.tloss, prefix="train"), **trainer.metrics, **trainer.lr}
        rows.extend({"name": name, "step": epoch, "value": float(value)} for name, value in measured.items())
        shown.advance()

    detector.add_callback("on_pretrain_routine_end", arrange)
    detector.add_callback("on_fit_epoch_end", note)
