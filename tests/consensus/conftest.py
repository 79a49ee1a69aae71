import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden():
    """Read a file of golden numbers, or skip where they are not at hand."""

    def read(name):
        path = Path(__file__).parents[2] / ".." / "shared" / "golden" / "zooniverse" / name
        if not path.exists():
            pytest.skip(f"no golden numbers at {path}")
        return json.loads(path.read_text(encoding="utf-8"))

    return read
