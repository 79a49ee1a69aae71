"""Models from files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError, KsoError, NotFound, UnsafeInput
from kso_utils.ml.weights import architecture, image_size, load_model, load_trained


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch '{self.mark}'",)


def save(content: object, path: Path) -> Path:
    import torch

    torch.save(content, path)
    return path


def test_an_architecture_is_built_untrained() -> None:
    model = load_model("yolo11n.yaml")

    assert model.task == "detect"
    assert architecture(model) == "yolo11n"
    assert image_size(model) == 640


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = save({"model": Evil(mark)}, tmp_path / "evil.pt")

    with warnings.catch_warnings(), pytest.raises(UnsafeInput, match="not loaded"):
        warnings.simplefilter("ignore")
        load_model(path)

    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"hello" * 100, b"PK\x03\x04 half an archive"])
def test_a_damaged_file_is_said_to_be_damaged_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """By its bare name a published model would be deleted and downloaded anew."""
    monkeypatch.chdir(tmp_path)
    Path("yolo11n.pt").write_bytes(content)

    with pytest.raises(ConfigError, match="damaged"):
        load_model("yolo11n.pt")

    assert Path("yolo11n.pt").read_bytes() == content


def test_a_file_without_a_model_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a model"):
        load_model(save({"a": 1}, tmp_path / "numbers.pt"))


def test_another_network_is_no_detector(tmp_path: Path) -> None:
    import torch

    with pytest.raises(KsoError, match="detector"):
        load_model(save({"model": torch.nn.Linear(2, 2)}, tmp_path / "linear.pt"))


def test_a_model_for_another_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="'segment'"):
        load_model("yolo11n-seg.yaml")


def test_a_published_model_that_is_not_here_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"Start from an architecture \(yolo11n\.yaml\)"):
        load_model("yolo11n.pt")


def test_an_architecture_is_no_trained_model() -> None:
    with pytest.raises(ConfigError, match="Train a model first"):
        load_trained("yolo11n.yaml")


@pytest.mark.parametrize("name", ["folder/best.pt", "https://example.org/best.pt"])
def test_a_missing_file_is_not_found(name: str) -> None:
    with pytest.raises(NotFound, match=r"best\.pt"):
        load_model(name)


@pytest.mark.parametrize("name", ["model.onnx", "yolo11n", "nonsense.yaml"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"yolo11n\.yaml"):
        load_model(name)
