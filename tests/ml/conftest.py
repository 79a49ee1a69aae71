"""A tiny project: six sites, one movie each, squares and discs that volunteers agree on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from kso_utils.media.encoding import write_movie
from kso_utils.store.engine import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 96
FRAMES = 6
LABELS = ("Disc", "Square")


@dataclass(frozen=True)
class World:
    """A project folder, its store, and where its movies are."""

    folder: Path
    store: Store
    footage: Path


def draw_frame(site: int, number: int) -> tuple[np.ndarray, list[tuple[str, int, int, int, int]]]:
    """A picture of a disc and a square that move, and their boxes; the last frame of a movie is empty."""
    rng = np.random.default_rng([site, number])
    picture = np.full((SIZE, SIZE, 3), 40 + 15 * site, np.uint8)
    picture += rng.integers(0, 12, picture.shape, dtype=np.uint8)
    if number == FRAMES - 1:
        return picture, []
    y, x = np.mgrid[:SIZE, :SIZE]
    left, top = 6 + 4 * number, 8 + 5 * site
    picture[(x - left - 12) ** 2 + (y - top - 12) ** 2 < 144] = (250, 60, 40)
    picture[top : top + 22, left + 40 : left + 62] = (40, 90, 250)
    return picture, [("Disc", left, top, 25, 25), ("Square", left + 40, top, 22, 22)]


def fill(store: Store, footage: Path, sites: int) -> None:
    """Movies of `sites` sites, every frame a subject at which three people looked."""
    ids = list(range(1, sites + 1))
    store.upsert("sites", pd.DataFrame({"id": ids, "locality": [f"Site {i}" for i in ids]}), "id")
    movies = pd.DataFrame({"id": ids, "filename": [f"m{i}.mp4" for i in ids], "site_id": ids})
    store.upsert("movies", movies, "id")
    species = {"id": [7], "vernacularName": ["Disc"], "zoo_label": ["DISC"], "scientificName": ["Discus discus"]}
    store.upsert("species", pd.DataFrame(species), "id")
    subjects, looks, boxes = [], [], []
    for site in ids:
        pictures = [draw_frame(site, number) for number in range(FRAMES)]
        write_movie(footage / f"m{site}.mp4", (picture for picture, _ in pictures), 5, crf=12)
        for number, (_, found) in enumerate(pictures):
            subject = 100 * site + number
            subjects.append({"id": subject, "subject_type": "frame", "movie_id": site, "frame_number": number})
            looks += [{"subject_id": subject, "user": f"user {u}"} for u in range(3)]
            boxes += [
                dict(zip(("label", "x", "y", "width", "height"), b, strict=True), subject_id=subject) for b in found
            ]
    store.upsert("subjects", pd.DataFrame(subjects), "id")
    store.upsert("classifications", make_looks(looks), "id")
    agreed = pd.DataFrame(boxes).assign(people=3, looked=3, support=1.0, agreed=True)
    store.record_run("frame", {"min_people": 3}, {}, {"agg_annotations_frame": agreed})


def make_looks(looks: list[dict[str, object]], first: int = 1) -> pd.DataFrame:
    """Rows of `classifications` for people who looked at subjects."""
    same = {"user_kind": "registered", "workflow_id": 1, "version_major": 1, "version_minor": 1}
    frame = pd.DataFrame(looks).assign(**same, created_at="2026-01-01T00:00:00Z")
    return frame.assign(id=range(first, first + len(frame)), annotations=[[] for _ in range(len(frame))])


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The tiny project, one for all tests that do not change what is in it."""
    folder = tmp_path_factory.mktemp("project")
    with open_store(folder / "store.sqlite") as store:
        fill(store, folder / "footage", 6)
        yield World(folder, store, folder / "footage")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A tiny project of two sites that a test may change."""
    with open_store(tmp_path / "store.sqlite") as store:
        fill(store, tmp_path / "footage", 2)
        yield World(tmp_path, store, tmp_path / "footage")
