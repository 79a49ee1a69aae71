"""Kills `kso movies add` at random moments and looks at what it left: run as a process of its own, because it forks."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from kso_utils.core.paths import sha256_file
from kso_utils.media.safety import find_ffmpeg
from kso_utils.metadata.changes import Change
from kso_utils.project import steps
from kso_utils.project.opening import Project
from kso_utils.project.settings import ArchiveSettings
from tests.archive.rclone import BUCKET, KEY, SECRET, serve
from tests.killing import kill_after

NAMES = {"GX010042.MP4": 40, "GX020042.MP4": 30, "reef.mp4": 50, "wreck.mp4": 25, "old.avi": 40, "sound.mp4": 60}
MADE = {"GX010042.mp4", "reef.mp4", "wreck.mp4", "old.mp4", "sound.mp4"}


def film(path, frames, *options):
    """A small movie of its own noise."""
    codec = ["-c:v", "mjpeg"] if path.suffix == ".avi" else ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2"]
    source = f"testsrc2=size=160x120:rate=25,noise=alls=20:allf=t:all_seed={frames}"
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(frames)]
    subprocess.run([*command, *codec, *options, str(path)], check=True, timeout=60)
    return path


def make(folder):
    """A card of movies, and a project with a site."""
    card = folder / "card"
    card.mkdir()
    for name, frames in NAMES.items():
        film(card / name, frames, "-metadata", "creation_time=2024-05-01T10:00:00Z")
    with Project.create(folder / "empty") as project:
        (project.folder / "species.csv").unlink()
        position = {"decimalLatitude": 57.5, "decimalLongitude": 11.5}
        steps.fill_store(project)
        steps.edit(project, [Change("sites", "Reef", name, value, "add") for name, value in position.items()])


def add(folder, card):
    """Add all movies of a card."""
    with Project.open(folder) as project:
        added = steps.add_movies(project, sorted(card.iterdir()), site="Reef")
    assert set(added["state"]) <= {"added", "there"}, added[["filename", "error"]].to_string()


def copy(folder, name, endpoint):
    """A project of its own, with an archive of its own: in its folder, or in the bucket of a service."""
    project = Path(shutil.copytree(folder / "empty", folder / name))
    if endpoint:
        with Project.open(project) as opened:
            opened.change_settings(archive=ArchiveSettings(f"s3://{BUCKET}/{name}", endpoint))
    return project


def footage(folder):
    """Where the files of a project's archive lie on this disk."""
    bucket = folder.parent / "buckets" / BUCKET
    return bucket / folder.name if bucket.exists() else folder / "movies"


def look(folder):
    """No row is without its file, and tables and store say the same; return the rows."""
    with Project.open(folder) as project:
        report = project.store.check()
        assert report.ok, str(report)
        movies, tables = project.store.read("movies"), project.tables.load()
        for name, sha256 in zip(movies["filename"], movies["sha256"], strict=True):
            assert sha256_file(footage(folder) / name) == sha256, name
    assert tables["movies"]["filename"].tolist() == movies["filename"].tolist()
    return movies


def finish(folder, card):
    """One more run ends it: every movie once, nothing left over, the originals as they were."""
    add(folder, card)
    movies = look(folder)
    assert sorted(movies["filename"]) == sorted(MADE), movies["filename"].tolist()
    assert {p.name for p in footage(folder).glob("[!.]*")} == MADE
    assert not (folder / ".kso" / "incoming").exists()
    frames = dict(zip(movies["filename"], movies["frames"], strict=True))
    assert frames == {"GX010042.mp4": 70, "reef.mp4": 50, "wreck.mp4": 25, "old.mp4": 40, "sound.mp4": 60}, frames


def main(place, kills, seed, where="folder"):
    folder = Path(place)
    login = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    os.environ |= login | {"KSO_CACHE": str(folder / "cache")}
    make(folder)
    with serve(folder / "buckets") if where == "bucket" else nullcontext() as endpoint:
        hit = kill(folder, int(kills), random.Random(int(seed)), endpoint)  # noqa: S311 - times, not secrets
    sys.stdout.write(f"{hit}\n")


def kill(folder, kills, rng, endpoint):
    card, before = folder / "card", {name: sha256_file(folder / "card" / name) for name in NAMES}
    first = copy(folder, "first", endpoint)
    start = time.monotonic()
    finish(first, card)
    duration, hit, number = time.monotonic() - start, 0, 0
    while hit < kills:
        number += 1
        assert number < 2 * kills + 20, f"only {hit} kills came in time"
        project = copy(folder, f"project_{number}", endpoint)
        # Three kills one after the other: what goes on from a kill is killed too.
        for share in (0.5, 0.7, 1.0):
            if hit < kills:
                hit += kill_after(rng.uniform(0.02, share) * duration, add, project, card)
                look(project)
        finish(project, card)
        shutil.rmtree(project)
    assert {name: sha256_file(card / name) for name in NAMES} == before
    return hit


if __name__ == "__main__":
    main(*sys.argv[1:])
