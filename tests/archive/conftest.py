from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kso_utils.core import retries
from kso_utils.testing.range_server import RangeServer, serve_ranges


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "movies"
    path.mkdir()
    return path


@pytest.fixture
def write(folder: Path) -> Callable[[str, bytes], None]:
    """Write a file of the folder."""

    def write(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


@pytest.fixture
def server(folder: Path) -> Iterator[RangeServer]:
    """The folder on a web server."""
    with serve_ranges(folder) as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between attempts, which are not waited."""
    slept: list[float] = []
    monkeypatch.setattr(retries.time, "sleep", slept.append)
    return slept
