from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kso_utils.archive.http import HttpArchive, HttpFile
from kso_utils.archive.local import LocalArchive, LocalFile
from kso_utils.archive.opening import is_remote, open_archive, open_file
from kso_utils.archive.s3 import S3Archive
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.testing.range_server import RangeServer

Write = Callable[[str, bytes], None]


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("s3://bucket/a.mp4", True),
        ("https://host/a.mp4", True),
        ("HTTP://host/a.mp4", True),
        ("file:///a.mp4", False),
        ("a.mp4", False),
        ("s3:/a.mp4", False),
        (Path("s3://a"), False),
        (None, False),
    ],
)
def test_what_is_remote(address: object, remote: bool) -> None:
    assert is_remote(address) is remote


@pytest.mark.parametrize(
    ("address", "kind"),
    [("movies", LocalArchive), ("s3://bucket/movies", S3Archive), ("https://host/movies", HttpArchive)],
)
def test_an_address_names_its_archive(address: str, kind: type) -> None:
    assert type(open_archive(address)) is kind


def test_a_folder_may_be_a_file_address(folder: Path) -> None:
    (folder / "a b").mkdir()
    assert open_archive((folder / "a b").as_uri()).url == str(folder / "a b")


@pytest.mark.parametrize("address", ["ftp://host/a", "gopher://host", "C://a"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="no archive that is known"):
        open_archive(address)


@pytest.mark.parametrize("scheme", ["s3", "http", "https"])
@pytest.mark.parametrize("call", [open_archive, open_file])
def test_an_address_with_a_password_is_refused_and_not_told(scheme: str, call: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match="password") as caught:
        call(f"{scheme}://me:hush@host/a.mp4")
    assert "hush" not in str(caught.value)


def test_a_local_file_is_opened_by_path_or_address(folder: Path, write: Write, monkeypatch) -> None:
    write("a b#1%.mp4", b"abc")
    path = folder / "a b#1%.mp4"
    monkeypatch.chdir(folder)
    for address in (path, str(path), path.as_uri(), "a b#1%.mp4", path.as_uri().replace("file://", "file://localhost")):
        file = open_file(address)
        assert isinstance(file, LocalFile)
        assert (file.path, file.read(0, 3)) == (path, b"abc")


def test_a_local_file_is_opened_in_either_unicode_form(folder: Path, write: Write) -> None:
    write("ra\u0308ka.mp4", b"abc")
    assert open_file(folder / "r\xe4ka.mp4").read(0, 3) == b"abc"


def test_a_local_file_may_be_a_link_that_leads_anywhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"abc")
    (folder / "b.mp4").symlink_to(tmp_path / "a.mp4")
    assert open_file(folder / "b.mp4").read(0, 3) == b"abc"


def test_what_is_not_there_is_not_found(folder: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.mp4"):
        open_file(folder / "none.mp4")


def test_the_disk_of_another_computer_is_refused() -> None:
    with pytest.raises(ConfigError, match="computer elsewhere"):
        open_file("file://elsewhere/a.mp4")


def test_a_signed_address_is_used_and_not_told(server: RangeServer, write: Write) -> None:
    write("a b.mp4", b"abc")
    server.query = "X-Amz-Signature=hush%2Fhush&x=a/b"
    file = open_file(server.address("a b.mp4"))
    assert isinstance(file, HttpFile)
    assert file.read(0, 3) == b"abc"
    assert file.address == f"{server.url}/a%20b.mp4"
