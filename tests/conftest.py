"""Fixtures that several rooms share."""

from pathlib import Path

import pytest


@pytest.fixture
def fixture_project(tmp_path: Path) -> Path:
    """A small finished project of its own: subjects, classifications, consensus and a model."""
    from kso_utils.demo import make_fixture

    return make_fixture(tmp_path / "project")
