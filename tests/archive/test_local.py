from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kso_utils.archive.local import LocalArchive, LocalFile
from kso_utils.core.errors import ArchiveError, ConfigError, Denied, NotFound, UnsafeInput
from kso_utils.core.paths import write_atomic
from kso_utils.testing.archive_contract import ArchiveContract

Write = Callable[[str, bytes], None]


@pytest.fixture
def archive(folder: Path) -> LocalArchive:
    return LocalArchive(folder)


class TestLocalArchive(ArchiveContract):
    @pytest.fixture
    def archive(self, archive: LocalArchive) -> LocalArchive:
        return archive

    @pytest.fixture
    def put(self, write: Write) -> Write:
        return write


@pytest.fixture
def without_rights(folder: Path) -> Iterator[None]:
    """The folder is closed to whoever runs the test."""
    user = os.geteuid()
    folder.parent.chmod(0o000)
    if user == 0:  # who may do everything; nobody may not
        os.seteuid(65_534)
    yield
    os.seteuid(user)
    folder.parent.chmod(0o700)


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        next(LocalArchive(tmp_path / "none").entries())


def test_a_link_within_the_folder_is_a_file_of_its_own_name(archive: LocalArchive, folder: Path, write: Write) -> None:
    write("a.mp4", b"abc")
    (folder / "b.mp4").symlink_to(folder / "a.mp4")
    assert [entry.name for entry in archive.entries()] == ["a.mp4", "b.mp4"]
    assert archive.find("b.mp4").name == "b.mp4"
    assert archive.open("b.mp4").read(0, 3) == b"abc"


def test_a_link_that_leads_out_is_refused(archive: LocalArchive, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"abc")
    (folder / "a.mp4").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeInput, match="leads outside"):
        archive.open("a.mp4")
    with pytest.raises(UnsafeInput, match="leads outside"):
        archive.push(tmp_path / "secret", "a.mp4")


def test_links_to_folders_are_not_entered(archive: LocalArchive, folder: Path, write: Write) -> None:
    write("a/b.mp4", b"abc")
    (folder / "a" / "circle").symlink_to(folder)
    (folder / "etc").symlink_to("/etc")
    (folder / "broken").symlink_to(folder / "none")
    assert [entry.name for entry in archive.entries()] == ["a/b.mp4"]


@pytest.mark.usefixtures("without_rights")
@pytest.mark.parametrize(
    "call", [lambda a: list(a.entries()), lambda a: a.find("a"), lambda a: a.open("a"), lambda a: a.push(__file__, "a")]
)
def test_without_rights_access_is_denied(folder: Path, call: Callable[[LocalArchive], object]) -> None:
    with pytest.raises(Denied, match="may not be used"):
        call(LocalArchive(folder))


def test_a_file_whose_rights_went_is_denied(folder: Path, write: Write, request: pytest.FixtureRequest) -> None:
    write("a.mp4", b"abc")
    file = LocalFile(folder / "a.mp4")
    request.getfixturevalue("without_rights")
    with pytest.raises(Denied, match=r"a\.mp4 may not be used"):
        file.read(0, 3)


def test_a_pipe_is_no_file(folder: Path) -> None:
    os.mkfifo(folder / "a.mp4")
    with pytest.raises(NotFound, match="no file"):
        LocalFile(folder / "a.mp4")


def test_a_file_that_went_away_is_told(folder: Path, write: Write) -> None:
    write("a.mp4", b"abc")
    file = LocalFile(folder / "a.mp4")
    (folder / "a.mp4").unlink()
    with pytest.raises(NotFound, match=r"no file .*a\.mp4"):
        file.read(0, 3)


@pytest.mark.parametrize("verb", ["find", "push"])
def test_a_name_too_long_for_the_disk_is_told(archive: LocalArchive, verb: str) -> None:
    name = "a" * 300
    with pytest.raises(ArchiveError, match="too long"):
        archive.find(name) if verb == "find" else archive.push(__file__, name)


@pytest.mark.parametrize("verb", ["fetch", "push"])
def test_a_full_disk_leaves_nothing(
    archive: LocalArchive, folder: Path, tmp_path: Path, verb: str, small_disk: Callable[[int], None]
) -> None:
    source = tmp_path / "a.mp4"
    for path in (source, folder / "a.mp4"):
        path.write_bytes(bytes(90_000))
    small_disk(50_000)
    with pytest.raises(ArchiveError, match="File too large"):
        archive.fetch("a.mp4", tmp_path / "out" / "b.mp4") if verb == "fetch" else archive.push(source, "b.mp4")
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_source_that_grows_is_not_copied(archive: LocalArchive, folder: Path, tmp_path: Path, meanwhile) -> None:
    source = tmp_path / "recording.mp4"
    source.write_bytes(bytes(3 * 2**20))
    meanwhile(lambda: os.truncate(source, 4 * 2**20))
    with pytest.raises(ArchiveError, match=r"recording\.mp4 was changed"):
        archive.push(source, "a.mp4")
    assert list(folder.iterdir()) == []


def test_the_faster_of_two_pushes_stays(archive: LocalArchive, folder: Path, tmp_path: Path, meanwhile) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(bytes(3 * 2**20))
    meanwhile(lambda: (folder / "a.mp4").write_bytes(b"another"))
    with pytest.raises(ConfigError, match="another content"):
        archive.push(source, "a.mp4")
    assert [path.read_bytes() for path in folder.iterdir()] == [b"another"]


def test_a_folder_in_another_unicode_form_is_not_made_twice(
    archive: LocalArchive, folder: Path, tmp_path: Path
) -> None:
    (folder / "Sa\u0308cken").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"abc")
    archive.push(tmp_path / "a.mp4", "S\xe4cken/a.mp4")
    assert [entry.name for entry in archive.entries()] == ["Sa\u0308cken/a.mp4"]


def test_what_killed_copies_left_is_removed_when_it_is_old(archive: LocalArchive, folder: Path, write: Write) -> None:
    with pytest.raises(FileNotFoundError), write_atomic(folder / "a.mp4") as temporary:
        left = temporary.name
    write(f"deep/{left}", b"abc")
    write(".other.part.mp4", b"abc")
    assert archive.clean_up() == []
    assert archive.clean_up(older_than_s=-1.0, dry_run=True) == [f"deep/{left}"]
    assert archive.clean_up(older_than_s=-1.0) == [f"deep/{left}"]
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [".other.part.mp4"]
