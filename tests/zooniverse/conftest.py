from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def _real(folder):
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"real data are not here: {path}")
    return path


@pytest.fixture
def zooniverse_data():
    return _real("data/zooniverse")


@pytest.fixture
def koster_data():
    return _real("data/koster")


@pytest.fixture
def zooniverse_golden():
    return _real("golden/zooniverse")
