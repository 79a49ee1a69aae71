"""From agreed boxes to a trained detector, and from movies to detections.

Everything here needs the extra `ml`. Its backend, ultralytics, is licensed under AGPL-3.0.
"""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.ml.datasets import Dataset as Dataset
    from kso_utils.ml.datasets import build_dataset as build_dataset
    from kso_utils.ml.datasets import load_dataset as load_dataset
    from kso_utils.ml.detection import DetectionRun as DetectionRun
    from kso_utils.ml.detection import detect as detect
    from kso_utils.ml.evaluation import Evaluation as Evaluation
    from kso_utils.ml.evaluation import evaluate as evaluate
    from kso_utils.ml.training import Run as Run
    from kso_utils.ml.training import train as train
    from kso_utils.ml.weights import load_model as load_model

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Dataset": "datasets",
        "DetectionRun": "detection",
        "Evaluation": "evaluation",
        "Run": "training",
        "build_dataset": "datasets",
        "detect": "detection",
        "evaluate": "evaluation",
        "load_dataset": "datasets",
        "load_model": "weights",
        "train": "training",
    },
    modules=("runs",),
)
