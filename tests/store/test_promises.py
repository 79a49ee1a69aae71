"""What the store promises under kills, full disks and several writers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.store.engine import open_store

KILLING = Path(__file__).with_name("killing.py")
ROOT = KILLING.parents[2]


def run(*args):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *map(str, args)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed(what, folder, kills):
    """Run the kills; at least one must have come before the work was done."""
    assert int(run(KILLING, what, folder, kills, 1)) > 0


def test_a_killed_import_leaves_the_old_state_or_the_new(tmp_path):
    killed("populate", tmp_path, 6)


@pytest.mark.soak
def test_twenty_killed_imports_leave_the_old_state_or_the_new(tmp_path):
    killed("populate", tmp_path, 20)


def test_a_killed_creation_is_finished_by_the_next(tmp_path):
    killed("creation", tmp_path, 5)


@pytest.mark.soak
def test_forty_killed_creations_are_finished_by_the_next(tmp_path):
    killed("creation", tmp_path, 40)


FILL = """
import os, resource, sys
import pandas as pd
from kso_utils.core.errors import StoreError
from kso_utils.store.engine import open_store

path, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with open_store(path) as store:
        store.upsert("sites", pd.DataFrame({"locality": ["x" * 1000 + str(n) for n in range(5000)]}), "locality")
except StoreError as error:
    sys.exit(0 if "Make room" in str(error) else str(error))
sys.exit("nothing was raised")
"""


@pytest.mark.only_on("sqlite")
def test_a_full_disk_leaves_the_store_as_it_was(road):
    before = road.read("sites")
    road.close()
    run("-c", FILL, road.path, road.path.stat().st_size + 100_000)
    with open_store(road.path) as store:
        assert store.check().ok
        pd.testing.assert_frame_equal(store.read("sites"), before)


def test_a_disk_too_full_for_a_new_store_leaves_none_behind(tmp_path):
    path = tmp_path / "store.sqlite"
    run("-c", FILL, path, 8192)
    with open_store(path) as store:
        assert store.check().ok


WRITE = """
import sys
import pandas as pd
from kso_utils.store.engine import open_store

with open_store(sys.argv[1]) as store:
    for number in range(10):
        store.upsert("sites", pd.DataFrame({"locality": [f"{sys.argv[2]}-{number}"]}), "locality")
"""


def test_several_writers_lose_nothing(tmp_path):
    """They start together on a file that is not there, so they also make the store together."""
    path = tmp_path / "store.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, path, str(n)], env=environment) for n in range(3)]
    assert [writer.wait() for writer in writers] == [0] * 3
    with open_store(path) as store:
        assert len(store.read("sites")) == 30
