import os
import sys

import pytest

from kso_utils.core.errors import UnsafeInput
from kso_utils.core.paths import inside
from kso_utils.testing.hostile_names import HOSTILE_NAMES, OUTSIDE_NAMES, place_file


def test_there_are_a_hundred_different_ones():
    assert len(HOSTILE_NAMES) == len(set(HOSTILE_NAMES.values())) == 100


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of them")
def test_a_disk_takes_each_of_them(tmp_path):
    (tmp_path / "source").write_bytes(b"a movie")
    (tmp_path / "named").mkdir()
    for name in HOSTILE_NAMES.values():
        path = place_file(tmp_path / "source", tmp_path / "named", name)
        assert path.read_bytes() == b"a movie"
    assert len(os.listdir(tmp_path / "named")) == 100


@pytest.mark.parametrize("kind", OUTSIDE_NAMES)
def test_those_that_lead_outside_are_refused(tmp_path, kind):
    with pytest.raises(UnsafeInput):
        inside(tmp_path, OUTSIDE_NAMES[kind])


def test_a_name_that_the_disk_refuses_is_told_from_a_missing_file(tmp_path):
    (tmp_path / "source").write_bytes(b"a movie")
    assert place_file(tmp_path / "source", tmp_path, "x" * 300) is None
    with pytest.raises(FileNotFoundError):
        place_file(tmp_path / "none", tmp_path, "a.mp4")
