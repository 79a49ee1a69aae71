from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kso_utils.archive.local import LocalArchive
from kso_utils.testing.archive_contract import ArchiveContract


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "movies"
    path.mkdir()
    return path


@pytest.fixture
def put(folder: Path) -> Callable[[str, bytes], None]:
    def write(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return write


class TestLocalArchive(ArchiveContract):
    @pytest.fixture
    def archive(self, folder: Path) -> LocalArchive:
        return LocalArchive(folder)

    @pytest.fixture
    def put(self, put: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        return put
