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
    """Kill so many times before the work is done; return how many kills that were."""
    return int(run(KILLING, what, folder, kills, 1))


def test_a_killed_import_leaves_the_old_state_or_the_new(tmp_path):
    killed("populate", tmp_path, 3)


def test_a_killed_creation_is_finished_by_the_next(tmp_path):
    killed("creation", tmp_path, 3)


def test_a_killed_migration_loses_no_row(tmp_path):
    killed("migration", tmp_path, 4)


def test_a_migration_killed_at_any_statement_loses_no_row(tmp_path):
    assert killed("statements", tmp_path, 0) > 10


def test_a_killed_backup_is_whole_or_not_there(tmp_path):
    killed("backup", tmp_path, 3)


@pytest.mark.soak
@pytest.mark.parametrize("what", ["populate", "migration", "backup"])
def test_125_kills_lose_no_row(tmp_path, what, record_figures):
    kills = killed(what, tmp_path, 125)
    record_figures("store_kills", {what: kills, f"{what}_rows_lost": 0, f"{what}_half_done": 0})


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
    for number in range(int(sys.argv[3])):
        with store.atomic():
            known = store.read("subject_duplicates", where={"dupl_subject_id": 0})["single_subject_id"]
            count = pd.DataFrame({"dupl_subject_id": [0], "single_subject_id": [known.sum() + 1]})
            store.upsert("subject_duplicates", count, "dupl_subject_id")
            store.upsert("sites", pd.DataFrame({"locality": [f"{sys.argv[2]}-{number}"]}), "locality")
"""


def write_together(path, processes, writes):
    """Let processes count up one number and write a row each time; return the number and the rows."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    commands = [[sys.executable, "-c", WRITE, path, str(n), str(writes)] for n in range(processes)]
    writers = [subprocess.Popen(command, env=environment) for command in commands]
    assert [writer.wait() for writer in writers] == [0] * processes
    with open_store(path) as store:
        assert store.check().ok
        return int(store.read("subject_duplicates")["single_subject_id"].sum()), len(store.read("sites"))


def test_several_writers_lose_nothing(tmp_path):
    """They start together on a file that is not there, so they also make the store together."""
    assert write_together(tmp_path / "store.sqlite", 3, 8) == (24, 24)


@pytest.mark.soak
def test_8_processes_of_500_writes_each_lose_nothing(tmp_path, record_figures):
    counted, rows = write_together(tmp_path / "store.sqlite", 8, 500)
    record_figures("store_writers", {"processes": 8, "writes": 500, "counted": counted, "rows": rows, "errors": 0})
    assert (counted, rows) == (4000, 4000)


POPULATE = """
import sys
import pandas as pd
from kso_utils.metadata.ingest import populate
from kso_utils.store.engine import open_store

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
