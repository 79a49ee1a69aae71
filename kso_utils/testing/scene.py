"""What the world outside a project knows about its footage: only simulated volunteers and the judge may look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.paths import write_atomic
from kso_utils.media.survey import survey_footage
from kso_utils.testing.motion import MOVING, find_moving
from kso_utils.testing.reef import COLUMNS, generate_reef
from kso_utils.testing.truth import clip_truth

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Scene:
    """Footage and what is true of it.

    Attributes
    ----------
    truth
        One row an animal and frame: `filename, frame_number, pts_s, label, x, y, width, height`.
    labels
        The names of the animals, as volunteers see them.
    movies
        File name -> path of real movies, in which `truth` holds what moves about once a second; None where the
        footage was generated and `truth` is exact and complete.
    """

    truth: pd.DataFrame
    labels: list[str]
    movies: dict[str, Path] | None = None

    def in_clips(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Return what is to be seen in clips, as `truth.clip_truth` does."""
        return clip_truth(self.truth, clips, min_frames=5 if self.movies is None else 1)

    def in_frames(self, frames: pd.DataFrame) -> pd.DataFrame:
        """Return the truth of frames, given by `filename` and `frame_number`."""
        if self.movies is None:
            return self.truth.merge(frames[["filename", "frame_number"]].drop_duplicates())
        wanted = {str(name): rows["frame_number"].unique().tolist() for name, rows in frames.groupby("filename")}
        return _look(self.movies, wanted)


def generate_scene(
    folder: Path,
    level: Literal["easy", "hard"] = "easy",
    seed: int = 0,
    sites: int = 6,
    movies_per_site: int = 2,
    duration_s: float = 12.0,
) -> Scene:
    """Generate a reef in a project's folder; see `generate_reef`."""
    reef = generate_reef(folder, level, seed, sites, movies_per_site, duration_s)
    species = reef.tables["species"]
    return Scene(reef.truth, species.loc[species["is_taxon"].astype(bool), "vernacularName"].tolist())


def survey_scene(folder: Path, footage: Path, stride: int) -> Scene:
    """Write a project's tables for a folder of real movies, and take whatever moves in them for animals.

    Parameters
    ----------
    folder
        The project's folder. What an earlier call found moving is read from `moving.csv` there.
    footage
        The folder of the movies; one that cannot be read is left out.
    stride
        The frames looked at are multiples of this, about a second apart.

    Raises
    ------
    NotFound
        If there is no such folder.
    ConfigError
        If no movie in it can be read.
    """
    if not footage.is_dir():
        raise NotFound(f"There is no folder {footage}. Give the folder of the movies.")
    found = survey_footage(footage)
    good = found[found["error"].isna()]
    if good.empty:
        raise ConfigError(f"No movie in {footage} can be read. Give a folder that holds movies.")
    _write_tables(folder, footage.name, good["filename"])
    movies = dict(zip(good["filename"], map(Path, good["path"]), strict=True))
    kept = folder / "moving.csv"
    if not kept.exists():
        steps = (good["fps_num"] / good["fps_den"] / stride).round().clip(lower=1).astype(int) * stride
        frames = good["frames"].astype(int)
        wanted = {name: list(range(0, n, step)) for name, n, step in zip(movies, frames, steps, strict=True)}
        with write_atomic(kept) as temporary:
            _look(movies, wanted).to_csv(temporary, index=False)
    return Scene(pd.read_csv(kept), [MOVING], movies)


def _look(movies: Mapping[str, Path], wanted: Mapping[str, list[int]]) -> pd.DataFrame:
    """Return what moves in frames of movies, under the names by which the project knows them: paths in the folder."""
    parts = [find_moving(movies[name], numbers=numbers).assign(filename=name) for name, numbers in wanted.items()]
    return pd.concat([p for p in parts if len(p)] or [pd.DataFrame(columns=list(COLUMNS))], ignore_index=True)


def _write_tables(folder: Path, site: str, filenames: pd.Series[str]) -> None:
    tables = {
        "sites": pd.DataFrame({"siteName": [site]}),
        "movies": pd.DataFrame({"filename": filenames, "siteName": site}),
        "species": pd.DataFrame(
            {
                "commonName": ["Nothing here", MOVING],
                "scientificName": ["", "Animalia"],
                "taxonRank": ["", "kingdom"],
                "kingdom": ["", "Animalia"],
            }
        ),
    }
    for name, table in tables.items():
        if not (folder / f"{name}.csv").exists():
            with write_atomic(folder / f"{name}.csv") as temporary:
                table.to_csv(temporary, index=False)
