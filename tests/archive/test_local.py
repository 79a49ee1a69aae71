from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kso_utils.archive.local import LocalArchive
from kso_utils.testing.archive_contract import ArchiveContract


class TestLocalArchive(ArchiveContract):
    @pytest.fixture
    def archive(self, folder: Path) -> LocalArchive:
        return LocalArchive(folder)

    @pytest.fixture
    def put(self, write: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        return write
