"""What the store promises under kills, full disks and several writers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.store.engine import open_store
from tests.store.databases import Files

KILLING = Path(__file__).with_name("killing.py")
ROOT = KILLING.parents[2]


def run(*args):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *map(str, args)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed(what, kills, *places):
    """Kill so many times before the work is done; return how many kills that were."""
    return int(run(KILLING, what, kills, 1, *places))


def test_a_killed_import_leaves_the_old_state_or_the_new(new_address):
    assert killed("populate", 2, new_address) == 2


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


@pytest.mark.parametrize("new_addresses", [4], indirect=True)
def test_a_killed_creation_is_finished_by_the_next(new_addresses):
    assert killed("creation", 3, *new_addresses) > 0


def test_a_killed_migration_loses_no_row(tmp_path):
    killed("migration", 4, tmp_path)


def test_a_migration_killed_at_any_statement_loses_no_row(tmp_path):
    assert killed("statements", 0, tmp_path) > 10


def test_a_restore_killed_at_any_act_leaves_a_store(tmp_path):
    assert killed("restore", 0, tmp_path) > 5


def test_a_killed_backup_is_whole_or_not_there(tmp_path):
    killed("backup", 2, tmp_path)


@pytest.mark.soak
def test_125_killed_imports_leave_the_old_state_or_the_new(new_address, databases, record_figures):
    kills = killed("populate", 125, new_address)
    name = "populate" if isinstance(databases, Files) else "populate_postgresql"
    record_figures("store_kills", {name: kills, f"{name}_rows_lost": 0, f"{name}_half_done": 0})


@pytest.mark.soak
@pytest.mark.parametrize("what", ["migration", "backup"])
def test_125_kills_lose_no_row(tmp_path, what, record_figures):
    kills = killed(what, 125, tmp_path)
    record_figures("store_kills", {what: kills, f"{what}_rows_lost": 0, f"{what}_half_done": 0})


@pytest.mark.soak
@pytest.mark.parametrize("new_addresses", [41], indirect=True)
def test_forty_killed_creations_are_finished_by_the_next(new_addresses):
    killed("creation", 40, *new_addresses)


FILL = """
import os, resource, sys
import pandas as pd
from kso_utils.core.errors import StoreError
from kso_utils.store.engine import open_store
from tests.store.databases import Files

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


COPY = """
import resource, sys
from pathlib import Path
from kso_utils.core.errors import StoreError
from kso_utils.store.engine import open_store

with open_store(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        store.backup(sys.argv[2])
    except StoreError as error:
        sys.exit(0 if "Make room" in str(error) and not list(Path(sys.argv[2]).parent.iterdir()) else str(error))
sys.exit("nothing was raised")
"""


def test_a_backup_to_a_full_disk_leaves_nothing_there(road, tmp_path):
    road.close()
    run("-c", COPY, road.path, tmp_path / "copies" / "copy.db")


def test_a_disk_too_full_for_a_new_store_leaves_none_behind(tmp_path):
    path = tmp_path / "store.sqlite"
    run("-c", FILL, path, 8192)
    with open_store(path) as store:
        assert store.check().ok


WRITE = """
import sys
import pandas as pd
from kso_utils.store.engine import open_store
from tests.store.databases import Files

with open_store(sys.argv[1]) as store:
    for number in range(int(sys.argv[3])):
        with store.atomic():
            known = store.read("subject_duplicates", where={"dupl_subject_id": 0})["single_subject_id"]
            count = pd.DataFrame({"dupl_subject_id": [0], "single_subject_id": [known.sum() + 1]})
            store.upsert("subject_duplicates", count, "dupl_subject_id")
            store.upsert("sites", pd.DataFrame({"locality": [f"{sys.argv[2]}-{number}"]}), "locality")
"""


def write_together(address, processes, writes):
    """Let processes count up one number and write a row each time; return the number and the rows."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-c", WRITE, address, str(n), str(writes)] for n in range(processes)]
    writers = [subprocess.Popen(command, env=environment) for command in commands]
    assert [writer.wait() for writer in writers] == [0] * processes
    with open_store(address) as store:
        assert store.check().ok
        return int(store.read("subject_duplicates")["single_subject_id"].sum()), len(store.read("sites"))


def test_several_writers_lose_nothing(new_address):
    """They start together where there is no store, so they also make it together."""
    assert write_together(new_address, 4, 12) == (48, 48)


@pytest.mark.soak
def test_8_processes_of_500_writes_each_lose_nothing(new_address, databases, record_figures):
    counted, rows = write_together(new_address, 8, 500)
    name = "store_writers" if isinstance(databases, Files) else "store_writers_postgresql"
    record_figures(name, {"processes": 8, "writes": 500, "counted": counted, "rows": rows, "errors": 0})
    assert (counted, rows) == (4000, 4000)


POPULATE = """
import sys
import pandas as pd
from kso_utils.metadata.ingest import populate
from kso_utils.store.engine import open_store
from tests.store.databases import Files

sites = pd.DataFrame({"locality": [f"site {n}" for n in range(300)]})
sites = sites.assign(decimalLatitude="57.5", decimalLongitude="11")
movies = pd.DataFrame({"filename": [f"{n}.mp4" for n in range(300)], "locality": sites["locality"]})
with open_store(sys.argv[1]) as store:
    populate(store, {"sites": sites, "movies": movies.assign(eventDate="2020-01-01", recordedBy=sys.argv[2])})
"""


def test_two_imports_at_once_leave_the_tables_of_one_of_them(tmp_path):
    path = tmp_path / "store.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", POPULATE, path, name], env=environment) for name in ("Ada", "Bo")]
    assert [one.wait() for one in both] == [0, 0]
    with open_store(path) as store:
        movies = store.read("movies")
        assert (len(movies), movies["recordedBy"].nunique(), store.check().ok) == (300, 1, True)
