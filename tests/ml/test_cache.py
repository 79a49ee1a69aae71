"""Where the backend keeps what it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import user_cache


def test_the_cache_can_be_put_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSO_CACHE", str(tmp_path / "cache"))

    assert user_cache("yolo") == tmp_path / "cache" / "yolo"
    assert (tmp_path / "cache" / "yolo").is_dir()


def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KSO_CACHE", str(tmp_path / "file"))

    with pytest.raises(ConfigError, match="Set KSO_CACHE"):
        user_cache("yolo")
