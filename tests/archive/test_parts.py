from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.archive import parts
from kso_utils.archive.local import LocalArchive
from kso_utils.archive.parts import Digests, digest_parts, hash_file, part_size, read_part
from kso_utils.core.errors import ArchiveError, NotFound

PART = 1_000
DATA = bytes(range(251)) * 40


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(parts, "PART_BYTES", PART)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "tag"),
    [
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"a" * PART, "cabe45dcc9ae5b66ba86600cca6b8ba8"),
        # As Amazon makes it of two parts: the MD5 of their MD5s, and their number.
        (b"a" * PART + b"b", "8579a3ad015530dfbb5dc55295cfe210-2"),
    ],
)
def test_the_tag_of_a_file_is_the_services(tmp_path, data, tag):
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    digests = digest_parts(path)
    assert digests.tag == tag
    assert (digests.sha256, digests.size_bytes) == (sha256(data), len(data))


@given(st.integers(0, 5 * 2**40))
def test_any_file_fits_into_ten_thousand_parts(size):
    part = part_size(size)
    assert part * parts.PARTS >= size
    assert part == PART or (part // 2) * parts.PARTS < size


def test_parts_are_those_that_were_digested(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    digests = digest_parts(path)
    assert b"".join(read_part(path, digests, number) for number in range(len(digests.parts))) == DATA
    path.write_bytes(DATA[::-1])
    with pytest.raises(ArchiveError, match="changed while it was copied"):
        read_part(path, digests, 3)


def test_what_is_not_there_has_no_digests(tmp_path):
    with pytest.raises(NotFound, match=r"none\.bin"):
        digest_parts(tmp_path / "none.bin")


def test_a_file_of_an_archive_is_hashed_by_reading_it(tmp_path):
    (tmp_path / "a.bin").write_bytes(DATA)
    assert hash_file(LocalArchive(tmp_path).open("a.bin")) == sha256(DATA)


def test_digests_are_of_one_part_at_least(tmp_path):
    path = tmp_path / "empty"
    path.touch()
    assert digest_parts(path) == Digests(sha256(b""), 0, PART, (hashlib.md5(b"", usedforsecurity=False).digest(),))
