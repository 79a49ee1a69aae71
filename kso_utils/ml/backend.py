"""The one door to ultralytics (AGPL-3.0): offline, silent, without telemetry, and with or without torchvision.

Nothing else in the package imports ultralytics or torch before `load_ultralytics` has been called.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys
import threading
from types import ModuleType
from typing import Any

from kso_utils.core.errors import MissingExtra
from kso_utils.core.paths import user_cache

_SWITCHES = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "ULTRALYTICS_SAFE_LOAD": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_INTEGRATIONS = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb", "vscode_msg")
_lock = threading.Lock()
_ready = False


def load_ultralytics() -> ModuleType:
    """Import ultralytics with every way to the network closed, and return it.

    Calling it again costs nothing. Its configuration lives in a folder of this package's own below the user's
    cache, so that the settings of the user's other projects are neither read nor changed.

    Raises
    ------
    MissingExtra
        If torch, torchvision's distribution or ultralytics is not installed.
    """
    global _ready
    with _lock:
        if not _ready:
            _require("torch", "ultralytics")
            _close_network()
            _mend_torchvision()
            _import_ultralytics()
            _ready = True
    return importlib.import_module("ultralytics")


def usable_cores() -> int:
    """Return the number of processor cores that this process may use, or `OMP_NUM_THREADS` where that is set."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pick_device() -> str:
    """Return `cuda:0` where torch finds a CUDA device, else `cpu`."""
    load_ultralytics()
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _require(*packages: str) -> None:
    for package in packages:
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise MissingExtra(package, "ml")
    try:
        # ultralytics reads the version from the package's metadata when it is imported.
        importlib.metadata.version("torchvision")
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtra("torchvision", "ml") from error


def _close_network() -> None:
    """Set what ultralytics reads when it is imported; where the caller imported it before, it is too late for that."""
    if "torch" not in sys.modules:
        # By default threads that wait keep a core busy, which on a machine with other work slows training tenfold.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if "ultralytics" in sys.modules:
        return
    os.environ.update(_SWITCHES, YOLO_CONFIG_DIR=str(user_cache("yolo")))


def _import_ultralytics() -> None:
    threads, asked = usable_cores(), os.environ.get("OMP_NUM_THREADS")
    importlib.import_module("ultralytics")
    if asked is None:
        os.environ.pop("OMP_NUM_THREADS", None)  # ultralytics sets it to 1, for every library of this process
    # It would otherwise leave one core idle: half of a small machine.
    vars(importlib.import_module("ultralytics.utils.torch_utils"))["NUM_THREADS"] = threads
    # Read in one place only, where any rank but the first keeps a bar from being drawn.
    vars(importlib.import_module("ultralytics.data.base"))["LOCAL_RANK"] = 1
    # Before each training a font is looked for, and downloaded, that only its plots need; none is ever asked for.
    vars(importlib.import_module("ultralytics.data.utils"))["check_font"] = lambda _font: None
    settings = importlib.import_module("ultralytics.utils").SETTINGS
    dict.update(settings, dict.fromkeys(_INTEGRATIONS, False))  # in memory: `settings.update` would write the file


def _mend_torchvision() -> None:
    """Put a small stand-in where torchvision cannot be imported.

    The torchvision of PyPI is built for CUDA and fails beside a CPU build of torch, with a RuntimeError. ultralytics
    needs it for one function only, non-maximum suppression, of which it has its own; other parts of torchvision
    (transforms, backbones) then say what they lack.
    """
    if "torchvision" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except Exception:  # its reason varies with the build; whatever it is, the stand-in serves
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules.update(_torchvision_stand_in())


def _torchvision_stand_in() -> dict[str, ModuleType]:
    root, ops = ModuleType("torchvision"), ModuleType("torchvision.ops")
    for module in (root, ops):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None, is_package=True)
        module.__path__ = []

    def nms(boxes: Any, scores: Any, iou_threshold: float) -> Any:
        """Do what torchvision's function of that name does."""
        from ultralytics.utils.nms import TorchNMS

        return TorchNMS.nms(boxes, scores, iou_threshold)

    def missing(name: str) -> Any:
        """Say what is not there."""
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingExtra(f"torchvision.{name} (a torchvision that matches this torch)", "ml")

    ops.nms = nms  # type: ignore[attr-defined]
    root.ops = ops  # type: ignore[attr-defined]
    root.__version__ = importlib.metadata.version("torchvision")  # type: ignore[attr-defined]
    root.__getattr__ = missing  # type: ignore[method-assign]
    return {"torchvision": root, "torchvision.ops": ops}
