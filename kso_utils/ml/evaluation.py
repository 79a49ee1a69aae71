"""How good a detector is, on images that it was not taught with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.paths import sha256_file
from kso_utils.ml.backend import pick_device
from kso_utils.ml.runs import find_runs, write_model
from kso_utils.ml.weights import architecture, image_size, load_trained

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.ml.datasets import Dataset
    from kso_utils.ml.splits import Split
    from kso_utils.store.engine import Store

# Far below any useful threshold: a higher one cuts the precision-recall curve off, and mAP with it.
_CURVE_CONF = 0.001
# Confidences whose F1 is this near the best are as good as the best: the top of the curve is flat and uneven.
_F1_TOLERANCE = 0.03
NMS_IOU = 0.5
"""Of two boxes of one class that overlap by more, the less confident goes. On generated reefs 0.7, the backend's own
choice, left animals boxed twice and doubled the error of MaxN at the same mAP."""
DEFAULT_THRESHOLD = 0.25
"""The confidence from which a box counts where no evaluation has chosen one."""

_WHOLE = ["precision", "recall", "f1", "map50", "map50_95", "threshold"]
_PER_CLASS = ["boxes", "precision", "recall", "f1", "ap50", "ap50_95"]


@dataclass(frozen=True)
class Evaluation:
    """What a detector was found to be worth.

    Attributes
    ----------
    run_id
        Its row in `model_runs`.
    split
        The split whose images were used.
    map50, map50_95
        Mean over classes of the average precision, at an IoU of 0.5 and averaged over 0.5 to 0.95 (COCO).
    threshold
        The confidence from which a box counts, chosen on the validation split: see `best_threshold`.
    precision, recall, f1
        At the threshold; means over classes.
    per_class
        `label`, `boxes` (in the images), `precision`, `recall`, `f1` (at the threshold), `ap50`, `ap50_95`. NaN for
        a class of which the images have no box.
    images
        How many.
    """

    run_id: int
    split: str
    map50: float
    map50_95: float
    threshold: float
    precision: float
    recall: float
    f1: float
    per_class: pd.DataFrame = field(repr=False)
    images: int


def evaluate(
    weights: str | Path, dataset: Dataset, *, store: Store, split: Split = "test", imgsz: int | None = None
) -> Evaluation:
    """Measure a detector on a split of a training set, and write the run to the store.

    The operating threshold is chosen on the validation split, never on the one that is measured. An evaluation of
    the same weights on the same images that is in the store already is returned, not repeated.

    Parameters
    ----------
    weights
        A weights file.
    dataset
        From `build_dataset`; its classes must be the model's.
    store
        The store.
    split
        `"test"`, `"val"` or `"train"`.
    imgsz
        Pixels of the longer side; by default what the model was trained with.

    Returns
    -------
    Evaluation

    Raises
    ------
    ConfigError
        If the model cannot be used, has other classes, or the split has no box.
    NotFound
        If there is no such file.
    """
    detector = load_trained(weights)
    if tuple(detector.names.values()) != dataset.classes:
        raise ConfigError(
            f"{weights} knows {', '.join(map(str, detector.names.values()))}, the training set has "
            f"{', '.join(dataset.classes)}. Give weights that were trained on these classes."
        )
    size = imgsz or image_size(detector)
    params = {"weights_sha256": sha256_file(weights), "split": split, "imgsz": size, "iou": NMS_IOU}
    inputs = {"dataset_sha256": dataset.sha256}
    known = find_runs(store, "evaluate", params)
    known = known[known["inputs"].map(lambda given: given == inputs).astype(bool)]
    if not known.empty:
        return read_evaluation(store, int(known["id"].iloc[0]))
    rows = _measure(weights, dataset, split, size)
    with store.atomic():
        model_id = write_model(store, Path(weights), architecture(detector), dataset.classes)
        run_id = store.record_run("evaluate", params, inputs, {"model_metrics": rows}, model_id=model_id)
    return read_evaluation(store, run_id)


def read_evaluation(store: Store, run_id: int) -> Evaluation:
    """Return an evaluation that is in the store.

    Raises
    ------
    NotFound
        If there is no such evaluation.
    """
    runs = store.read("model_runs", ["params"], where={"id": run_id, "kind": "evaluate"})
    if runs.empty:
        raise NotFound(f"The store has no evaluation {run_id}. Evaluate a model first.")
    rows = store.read("model_metrics", ["label", "name", "value"], where={"run_id": run_id}, order_by="id")
    whole = rows[rows["label"].isna()].set_index("name")["value"]
    classes = rows.dropna(subset=["label"]).pivot_table(index="label", columns="name", values="value", sort=False)
    per_class = classes.reindex(columns=_PER_CLASS).astype({"boxes": "int64"}).reset_index()
    return Evaluation(
        run_id=run_id,
        split=str(runs["params"].iloc[0]["split"]),
        per_class=per_class.rename_axis(columns=None),
        images=int(whole["images"]),
        **{name: float(whole[name]) for name in _WHOLE},
    )


def best_threshold(confidences: NDArray[np.float64], f1: NDArray[np.float64]) -> float:
    """Return the highest confidence whose mean F1 is within 3 % of the best, 0.25 where there is nothing to choose by.

    The curve is flat at its top, so the very best point is a matter of chance; of points as good the strictest is
    taken, because a single false box in a movie can decide its MaxN.

    Parameters
    ----------
    confidences
        (n,) increasing.
    f1
        (classes, n).

    """
    if not np.size(f1):
        return DEFAULT_THRESHOLD
    mean = np.asarray(f1, dtype=float).mean(axis=0)
    if mean.max() <= 0:
        return DEFAULT_THRESHOLD
    return float(confidences[np.flatnonzero(mean >= (1 - _F1_TOLERANCE) * mean.max())[-1]])


def _validate(weights: str | Path, dataset: Dataset, split: Split, imgsz: int) -> Any:
    detector = load_trained(weights)  # anew: validating fuses layers
    with tempfile.TemporaryDirectory() as folder:
        return detector.val(
            data=str(dataset.data_yaml),
            split=split,
            imgsz=imgsz,
            conf=_CURVE_CONF,
            iou=NMS_IOU,
            project=folder,
            name="run",
            device=pick_device(),
            workers=0,
            plots=False,
            verbose=False,
        )


def _measure(weights: str | Path, dataset: Dataset, split: Split, imgsz: int) -> pd.DataFrame:
    """Return what an evaluation gives, as rows of metrics."""
    images = dataset.manifest[dataset.manifest["split"] == dataset.used_for(split)]
    if not images["boxes"].sum():
        raise ConfigError(f"No image of the {split} split has a box, so nothing can be measured. Annotate more frames.")
    chosen = _validate(weights, dataset, "val", imgsz)
    # The same images need not be looked at twice.
    again = dataset.used_for(split) == dataset.used_for("val")
    measured = chosen if again else _validate(weights, dataset, split, imgsz)
    threshold = best_threshold(measured.box.px, chosen.box.f1_curve)
    per_class = _table(measured, dataset.classes, threshold)
    means = per_class.set_index("label")[["precision", "recall", "f1", "ap50", "ap50_95"]].mean().to_numpy()
    whole = pd.DataFrame({"name": [*_WHOLE, "images"], "value": [*means, threshold, float(len(images))]})
    classes = per_class.melt(id_vars="label", var_name="name", value_name="value")
    return pd.concat([whole, classes.dropna(subset=["value"])], ignore_index=True)


def _table(measured: Any, classes: tuple[str, ...], threshold: float) -> pd.DataFrame:
    """Return the measures of each class at the threshold; NaN where the images have no box of it."""
    box = measured.box
    at = int(np.abs(np.asarray(box.px) - threshold).argmin())
    at_threshold = [np.asarray(curve)[:, at] for curve in (box.p_curve, box.r_curve, box.f1_curve)]
    values = np.column_stack([*at_threshold, box.ap50, box.ap])
    table = pd.DataFrame(values, [classes[number] for number in box.ap_class_index], columns=_PER_CLASS[1:])
    table = table.reindex(list(classes))
    table.insert(0, "boxes", np.asarray(measured.nt_per_class, dtype="int64"))
    return table.rename_axis("label").reset_index()
