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


def killed(what, kills, *addresses):
    """Run the kills; at least one must have come before the work was done."""
    assert int(run(KILLING, what, kills, 1, *addresses)) > 0


def test_a_killed_import_leaves_the_old_state_or_the_new(new_address):
    killed("populate", 3, new_address)


@pytest.mark.soak
def test_twenty_killed_imports_leave_the_old_state_or_the_new(new_address):
    killed("populate", 20, new_address)


@pytest.fixture
def new_addresses(request, databases, tmp_path):
    """As many addresses without a store as the test asks for."""
    folders = [tmp_path / str(number) for number in range(request.param)]
    for folder in folders:
        folder.mkdir()
    addresses = [databases.new(folder) for folder in folders]
    yield addresses
    for address in addresses:
        databases.drop(address)


@pytest.mark.parametrize("new_addresses", [6], indirect=True)
def test_a_killed_creation_is_finished_by_the_next(new_addresses):
    killed("creation", 5, *new_addresses)


@pytest.mark.soak
@pytest.mark.parametrize("new_addresses", [41], indirect=True)
def test_forty_killed_creations_are_finished_by_the_next(new_addresses):
    killed("creation", 40, *new_addresses)


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
    for number in range(int(sys.argv[2])):
        with store.atomic():
            known = store.read("surveys", where={"eventID": "count"})["datasetName"]
            count = int(known[0]) if len(known) else 0
            survey = {"eventID": ["count"], "datasetName": [str(count + 1)]}
            store.upsert("surveys", pd.DataFrame(survey), "eventID")
            store.upsert("sites", pd.DataFrame({"locality": [f"{sys.argv[3]}-{number}"]}), "locality")
"""


def test_several_writers_lose_nothing(new_address):
    """Each counts on what the others wrote; they start where there is no store, so they also make it together."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITE, new_address, "50"]
    writers = [subprocess.Popen([*command, str(number)], env=environment) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    with open_store(new_address) as store:
        assert store.read("surveys")["datasetName"].tolist() == ["200"]
        assert len(store.read("sites")) == 200
