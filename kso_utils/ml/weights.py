"""Models from files: local ones only, read without running what may be hidden in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, NotFound, UnsafeInput
from kso_utils.ml.backend import load_ultralytics

if TYPE_CHECKING:
    from ultralytics.models.yolo.model import YOLO

ARCHITECTURE = "yolo11n.yaml"
_UNREADABLE = (ValueError, KeyError, IndexError, AttributeError, RuntimeError, ModuleNotFoundError, EOFError)


def load_model(weights: str | Path) -> YOLO:
    """Return the detector in a weights file, or an untrained one of a named architecture.

    Nothing is ever downloaded. A weights file is a pickle, which can hold code; only tensors and the known classes of
    models are read from it, and a file that holds anything else is refused unread.

    Parameters
    ----------
    weights
        A `.pt` file, or the name of an architecture such as `yolo11n.yaml`.

    Returns
    -------
    ultralytics.YOLO
        A model for object detection.

    Raises
    ------
    NotFound
        If there is no such file.
    UnsafeInput
        If the file holds something else than a model's tensors and layers.
    ConfigError
        If the file is damaged or no detector, or the name is a published model that is not on this machine, or no
        known architecture.
    MissingExtra
        If ultralytics is not installed.
    """
    text, suffix = str(weights), Path(weights).suffix.lower()
    if suffix not in {".pt", ".yaml", ".yml"}:
        raise ConfigError(
            f"{text} is neither a weights file (.pt) nor an architecture (.yaml). Start from {ARCHITECTURE} or give "
            "the .pt file of a trained model."
        )
    if suffix == ".pt" and not Path(weights).is_file():
        raise _absent(text)
    load_ultralytics()
    from ultralytics.nn.tasks import DetectionModel

    # An absolute path: ultralytics deletes and downloads anew a damaged file that is given by a bare name.
    model = _open_file(Path(weights).resolve()) if suffix == ".pt" else _build(text)
    network: object = model.model  # typed as any network's; what a file holds is not known
    if isinstance(network, DetectionModel) and model.task == "detect":
        return model
    raise ConfigError(f"{text} is no detector: its task is '{model.task}'. Give a detection model.")


def load_trained(weights: str | Path) -> YOLO:
    """Return the detector in a weights file, as `load_model`, but never an untrained one.

    Raises
    ------
    ConfigError
        Also if `weights` is no `.pt` file.
    """
    if Path(weights).suffix.lower() != ".pt":
        raise ConfigError(f"{weights} is no weights file (.pt). Train a model first, or give the weights of one.")
    return load_model(weights)


def _absent(name: str) -> ConfigError | NotFound:
    if Path(name).name == name:
        return ConfigError(
            f"There is no file {name} here, and models are never downloaded. Start from an architecture "
            f"({ARCHITECTURE}), or give the path of a .pt file that you have."
        )
    return NotFound(f"There is no weights file {name}. Check the path.")


def _open_file(path: Path) -> YOLO:
    from ultralytics.models.yolo.model import YOLO
    from ultralytics.nn.tasks import torch_safe_load

    damaged = ConfigError(
        f"{path} is not a model that can be loaded: the file is damaged, cut off, or of another kind. Copy it again, "
        "or train anew."
    )
    try:
        # Checked here as well, for a caller who imported ultralytics before this package could close it.
        torch_safe_load(str(path), safe_only=True)  # type: ignore[no-untyped-call]
    except TypeError as error:
        if "outside the supported" not in str(error):
            raise damaged from error
        raise UnsafeInput(
            f"{path} holds more than a model's numbers and layers, and was not loaded: such a file can run code. Use "
            "a file that ultralytics or this package wrote."
        ) from error
    except _UNREADABLE as error:
        raise damaged from error
    try:
        return YOLO(str(path))
    except (TypeError, *_UNREADABLE) as error:
        raise damaged from error


def _build(name: str) -> YOLO:
    from ultralytics.models.yolo.model import YOLO

    try:
        return YOLO(name)
    except (FileNotFoundError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name} is no known architecture. {ARCHITECTURE} is one, small and fast.") from error


def image_size(model: YOLO) -> int:
    """Return the number of pixels that a model was trained with, 640 where its file does not say."""
    checkpoint: dict[str, Any] = model.ckpt
    return int((checkpoint or {}).get("train_args", {}).get("imgsz", 640))


def architecture(model: YOLO) -> str:
    """Return the name of a model's architecture, such as `yolo11n`."""
    described = getattr(model.model, "yaml", None) or {}
    return Path(str(described.get("yaml_file") or "unknown")).stem
