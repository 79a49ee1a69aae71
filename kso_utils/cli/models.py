"""Commands that train and judge models, and count with them."""

from __future__ import annotations

import argparse

from kso_utils.cli.answers import COUNT, POSITIVE, SEED, SHARE, Answer, Commands, count_failures, open_project


def _dataset(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        dataset = steps.build_dataset(project, args.seed)
    return Answer(f"Training set in {dataset.folder}\n{dataset.report}", dataset, dataset.report.ok)


def _train(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        run = steps.train(project, None, args.model, args.epochs, args.imgsz, args.seed)
    return Answer(f"Run {run.run_id}: weights in {run.weights}", {"run_id": run.run_id, "weights": str(run.weights)})


def _evaluate(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        result = steps.evaluate(project, None, args.weights, args.split)
    text = (
        f"On the {args.split} part: mAP50 {result.map50:.3f}, mAP50-95 {result.map50_95:.3f}; "
        f"operating threshold {result.threshold:.3f}\n{result.per_class.to_string(index=False)}"
    )
    return Answer(text, result)


def _detect(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        run = steps.detect(project, args.weights, args.stride, args.conf)
    failed = run.status[run.status["state"] == "failed"]
    text = f"Run {run.run_id}:\n{run.status.to_string(index=False)}"
    return Answer(text, run.status, trouble=count_failures(failed["error"], "movie"))


def _counts(args: argparse.Namespace) -> Answer:
    from kso_utils.project import steps

    with open_project(args) as project:
        counted = steps.count(project, args.run, args.bin)
    return Answer(counted.to_string(index=False) if len(counted) else "No animal was detected.", counted)


_WEIGHTS = (("--weights",), {"metavar": "FILE", "help": "weights file (default: the latest model)"})

COMMANDS: Commands = {
    "dataset": ("Make a training set from the agreed boxes.", _dataset, [SEED]),
    "train": (
        "Train a model on the latest training set.",
        _train,
        [
            (("--model",), {"default": "yolo11n.yaml", "help": "architecture or weights file (default: yolo11n.yaml)"}),
            (("--epochs",), {"type": COUNT, "default": 100, "help": "passes over the training set (default: 100)"}),
            (("--imgsz",), {"type": COUNT, "default": 640, "help": "picture size in pixels (default: 640)"}),
            SEED,
        ],
    ),
    "evaluate": (
        "Measure a model on footage that it never saw.",
        _evaluate,
        [_WEIGHTS, (("--split",), {"choices": ["val", "test"], "default": "test", "help": "part (default: test)"})],
    ),
    "detect": (
        "Run a model over every movie of the project.",
        _detect,
        [
            _WEIGHTS,
            (("--stride",), {"type": COUNT, "default": 1, "help": "look at every Nth frame (default: 1)"}),
            (("--conf",), {"type": SHARE, "help": "confidence threshold (default: the model's own)"}),
        ],
    ),
    "counts": (
        "Count the most animals of each species seen at once (MaxN).",
        _counts,
        [
            (("--run",), {"type": COUNT, "metavar": "ID", "help": "detection run (default: the latest)"}),
            (("--bin",), {"type": POSITIVE, "metavar": "S", "help": "count in bins of so many seconds"}),
        ],
    ),
}
