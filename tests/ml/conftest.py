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
    subjects, boxes = [], []
    for site in ids:
        pictures = [draw_frame(site, number) for number in range(FRAMES)]
        write_movie(footage / f"m{site}.mp4", (picture for picture, _ in pictures), 5, crf=12)
        for number, (_, found) in enumerate(pictures):
            subject = 100 * site + number
            subjects.append({"id": subject, "subject_type": "frame", "movie_id": site, "frame_number": number})
            boxes += [
                dict(zip(("label", "x", "y", "width", "height"), b, strict=True), subject_id=subject) for b in found
            ]
    store.upsert("subjects", pd.DataFrame(subjects), "id")
    agreed = pd.DataFrame(boxes).assign(people=3, looked=3, support=1.0, agreed=True)
    record_marks(store, agreed, pd.DataFrame({"subject_id": [s["id"] for s in subjects], "people": 3}))


def record_marks(store: Store, marks: pd.DataFrame, looked: pd.DataFrame) -> None:
    """Write a run of consensus: its marks, and how many people looked (`subject_id, people`)."""
    told = looked.assign(blanks=0, labels=1, species=1, evenness=0.0, entropy=0.0, blank=False)
    params = {"rule": {"agreement": 0.4, "min_people": 3}}
    store.record_run("frame", params, {}, {"agg_annotations_frame": marks, "agg_subjects": told})


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
