from __future__ import annotations

from collections.abc import Callable

import pytest

from kso_utils.archive.http import HttpArchive
from kso_utils.testing.archive_contract import ArchiveContract
from kso_utils.testing.range_server import RangeServer


@pytest.mark.usefixtures("waits")
class TestHttpArchive(ArchiveContract):
    writable = False
    many = 120  # an index page has all names

    @pytest.fixture
    def archive(self, server: RangeServer) -> HttpArchive:
        return HttpArchive(server.url)

    @pytest.fixture
    def put(self, write: Callable[[str, bytes], None]) -> Callable[[str, bytes], None]:
        return write

    @pytest.fixture
    def interrupt(self, server: RangeServer) -> Callable[[int | None], None]:
        def interrupt(after: int | None) -> None:
            server.hang_up_after = None if after is None else server.sent_bytes + after

        return interrupt
