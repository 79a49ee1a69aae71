from __future__ import annotations

import hashlib
import json

import pytest

from kso_utils.core.errors import NotFound
from kso_utils.store.provenance import describe_versions, identify_file
from kso_utils.version import __version__


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "movie.mp4"
    path.write_bytes(b"footage")
    sha256 = hashlib.sha256(b"footage").hexdigest()
    assert identify_file(path) == {"path": str(path), "size_bytes": 7, "sha256": sha256}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFound, match=r"nothing\.mp4"):
        identify_file(tmp_path / "nothing.mp4")


def test_versions_hold_ours_and_what_is_installed():
    versions = describe_versions()
    assert versions["kso_utils"] == __version__
    assert {"python", "numpy", "pandas"} <= set(versions)
    assert json.loads(json.dumps(versions)) == versions


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr("kso_utils.store.provenance._PACKAGES", ("no-such-package",))
    assert set(describe_versions()) == {"python", "kso_utils"}
