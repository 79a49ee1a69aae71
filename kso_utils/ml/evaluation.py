"""How good a detector is, on images that it was not taught with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import sha256_file
from kso_utils.ml.backend import pick_device
from kso_utils.ml.runs import write_model
from kso_utils.ml.weights import architecture, image_size, load_model

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

    The operating threshold is chosen on the validation split, never on the one that is measured.

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
    detector = load_model(weights)
    if Path(weights).suffix != ".pt" or tuple(detector.names.values()) != dataset.classes:
        raise ConfigError(
            f"{weights} knows {', '.join(map(str, detector.names.values()))}, the training set has "
            f"{', '.join(dataset.classes)}. Give weights that were trained on these classes."
        )
    size = imgsz or image_size(detector)
    chosen = _validate(weights, dataset, "val", size)
    # The same images need not be looked at twice.
    again = dataset.used_for(split) == dataset.used_for("val")
    measured = chosen if again else _validate(weights, dataset, split, size)
    if not len(measured.box.ap_class_index):
        raise ConfigError(f"No image of the {split} split has a box, so nothing can be measured. Annotate more frames.")
    threshold = best_threshold(measured.box.px, chosen.box.f1_curve)
    per_class = _table(measured, dataset.classes, threshold)
    values = {
        "map50": float(measured.box.map50),
        "map50_95": float(measured.box.map),
        "threshold": threshold,
        **{name: float(per_class[name].mean()) for name in ("precision", "recall", "f1")},
    }
    images = int((dataset.manifest["split"] == dataset.used_for(split)).sum())
    params = {"weights_sha256": sha256_file(weights), "split": split, "imgsz": size, "iou": NMS_IOU}
    with store.atomic():
        model_id = write_model(store, Path(weights), architecture(detector), dataset.classes)
        rows = {"model_metrics": _metrics(values, per_class, images)}
        run_id = store.record_run("evaluate", params, {"dataset_sha256": dataset.sha256}, rows, model_id=model_id)
    return Evaluation(run_id=run_id, split=split, per_class=per_class, images=images, **values)


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
    detector = load_model(weights)  # anew: validating fuses layers
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


def _table(measured: Any, classes: tuple[str, ...], threshold: float) -> pd.DataFrame:
    box = measured.box
    at = int(np.abs(np.asarray(box.px) - threshold).argmin())
    table = pd.DataFrame(
        {
            "precision": np.asarray(box.p_curve)[:, at],
            "recall": np.asarray(box.r_curve)[:, at],
            "f1": np.asarray(box.f1_curve)[:, at],
            "ap50": np.asarray(box.ap50),
            "ap50_95": np.asarray(box.ap),
        },
        index=[classes[number] for number in box.ap_class_index],
    )
    boxes = pd.Series(np.asarray(measured.nt_per_class), index=list(classes), dtype="int64")
    table = table.reindex(list(classes))
    table.insert(0, "boxes", boxes)
    return table.rename_axis("label").reset_index()


def _metrics(values: dict[str, float], per_class: pd.DataFrame, images: int) -> pd.DataFrame:
    whole = pd.DataFrame({"name": [*values, "images"], "value": [*values.values(), float(images)]})
    classes = per_class.melt(id_vars="label", var_name="name", value_name="value")
    return pd.concat([whole, classes.dropna(subset=["value"])], ignore_index=True)
