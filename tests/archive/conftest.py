from __future__ import annotations

import resource
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from kso_utils.core import progress, retries
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
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """The certificate of a server on this computer, which nobody trusts but who names `tmp_path/server.pem`."""
    pem = tmp_path / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*new, "-keyout", str(pem), "-out", str(tmp_path / "only.pem")], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + (tmp_path / "only.pem").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds between attempts, which are not waited."""
    slept: list[float] = []
    # Only those between attempts: servers of the test sleep too.
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=slept.append, monotonic=time.monotonic))
    return slept


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Let no file grow beyond a size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Meanwhile:
    """Does something as soon as the first progress is shown."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act

    def show(self, label: str, done: int, total: int | None, elapsed_s: float, finished: bool) -> None:
        act, self.act = self.act, None
        if act:
            act()


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], object]], object]]:
    """Let something happen in the middle of a copy."""
    before = progress.use(progress.Silent())
    yield lambda act: progress.use(Meanwhile(act))
    progress.use(before)
