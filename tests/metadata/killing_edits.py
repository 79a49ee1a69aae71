"""Kills `kso edit` at random moments and looks at what it left: run as a process of its own, because it forks."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from kso_utils.core.errors import KsoError
from kso_utils.metadata import edits
from kso_utils.metadata.changes import Change
from kso_utils.project.opening import Project
from kso_utils.project.settings import Settings
from tests.killing import kill_after

ROWS = 300


def make(folder):
    """A project of one site and many movies, taken in."""
    folder.mkdir()
    (folder / "sites.csv").write_text("siteName,countryCode\nInner,SE\n")
    rows = "".join(f"{n}.mp4,Inner,0,1\n" for n in range(ROWS))
    (folder / "movies.csv").write_text(f"filename,siteName,author,Own\n{rows}")
    project = Project(folder, Settings("killed"))
    project.save_settings(project.settings)
    edits.take_in(project.store, project.tables)
    project.close()


def change(folder, version):
    """One edit that gives every movie and one site the number of the version."""
    with Project.open(folder) as project:
        cells = [Change("movies", f"{n}.mp4", name, version) for n in range(ROWS) for name in ("author", "Own")]
        edits.apply(project.store, project.tables, [*cells, Change("sites", "Inner", "habitat", version)])


def look(folder):
    """The version in the files and in the store, once the project was opened; they must be sound, and the same."""
    before = {(folder / "movies.csv").read_text().count("\n")}
    assert before == {ROWS + 1}, before
    with Project.open(folder) as project:
        report = project.store.check()
        assert report.ok, str(report)
        tables = project.tables.load()
        movies, sites = project.store.read("movies"), project.store.read("sites")
        assert edits.history(project.store)["written"].all()
    assert tables["movies"]["filename"].tolist() == movies["filename"].tolist()
    habitat = tables["sites"].get("habitat")
    in_files = {*tables["movies"]["recordedBy"], "0" if habitat is None else habitat.iloc[0]}
    in_store = {*movies["recordedBy"], sites["habitat"][0] or "0"}
    assert len(in_files) == 1, in_files
    assert in_store == in_files, (in_store, in_files)
    return int(in_files.pop())


def main(folder, kills, seed):
    rng = random.Random(int(seed))  # noqa: S311 - times, not secrets
    place = Path(folder) / "project"
    make(place)
    start = time.monotonic()
    change(place, 1)
    duration = time.monotonic() - start
    hit, now, version = 0, 1, 1
    while hit < int(kills):
        version += 1
        assert version < 5 * int(kills) + 20, f"only {hit} of {version} kills came in time"
        # Most of the time goes into the checks; the writing is the last tenth.
        share = rng.uniform(0.05, 1.0) if version % 3 == 0 else rng.uniform(0.85, 1.05)
        hit += kill_after(share * duration, change, place, version)
        found = look(place)
        assert found in (now, version), (found, now, version)
        now = found
    sys.stdout.write(f"{hit}\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KsoError as error:
        sys.exit(f"refused: {error}")
