"""Generated footage with known truth: movies of a reef that does not exist, and its tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import write_atomic
from kso_utils.core.progress import track
from kso_utils.media.encoding import write_movie
from kso_utils.testing.animals import SPECIES
from kso_utils.testing.filming import film
from kso_utils.testing.paths import LEVELS, plan_animals, plan_camera, set_extremes
from kso_utils.testing.scenes import SCENES, Light, Snow, paint_plate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.testing.drawing import Image

VERSION = 1
FPS = 25
_SITES = (
    ("Torskgrundet", "torskgrundet", 58.8812, 11.0625),
    ("Krabbskäret", "krabbskaret", 58.5746, 11.1502),
    ("Tångudden", "tangudden", 58.3581, 11.1893),
    ("Manetrevet", "manetrevet", 58.1104, 11.3327),
    ("Lerdjupet", "lerdjupet", 57.8869, 11.4561),
    ("Ålgräsbukten", "algrasbukten", 57.5312, 11.7218),
)
_FIRST_DAY = date(2025, 5, 12)
_TYPES = {
    "filename": "str", "frame_number": "int64", "pts_s": "float64", "animal_id": "int64", "label": "str",
    "x": "int64", "y": "int64", "width": "int64", "height": "int64",
    "visible": "float64", "contrast": "float64", "overlapping": "bool",
}  # fmt: skip
COLUMNS = tuple(_TYPES)
_HEADERS = {
    "sites": {"id": "site_id", "locality": "siteName"},
    "movies": {
        "id": "movie_id", "locality": "siteName", "eventDate": "created_on", "recordedBy": "author",
        "duration_s": "duration", "sampling_start_s": "sampling_start", "sampling_end_s": "sampling_end",
        "associatedMedia": "fpath",
    },
    "species": {"id": "species_id", "vernacularName": "commonName"},
}  # fmt: skip


@dataclass(frozen=True)
class Reef:
    """Generated footage.

    Attributes
    ----------
    folder
        Holds `sites.csv`, `movies.csv`, `species.csv`, `truth.csv.gz` and the folder of the movies.
    movies_folder
        Where the movies are.
    tables
        `sites`, `movies` and `species` with the store's names of columns.
    truth
        One row for every animal in every frame that is at least 40 % visible (the share of its silhouette that
        lies in the picture and is hidden by no other animal) and 12 px on its short side: `filename,
        frame_number, pts_s, animal_id` (from 1 in each movie), `label` (the vernacular name), `x, y, width,
        height` (pixels, the box around what is visible), `visible`, `contrast` (|A - B| / (A + B) of the mean
        luma of the animal and of the background that it hides) and `overlapping` (whether its silhouette
        shares pixels with that of another row of the frame).
    """

    folder: Path
    movies_folder: Path
    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame


def generate_reef(
    folder: str | Path,
    level: Literal["easy", "hard"] = "easy",
    seed: int = 0,
    sites: int = 6,
    movies_per_site: int = 2,
    duration_s: float = 12.0,
) -> Reef:
    """Generate movies of three species at several sites, with the truth about every frame.

    Every site has its own floor, water and light; the camera drifts, particles fall. At least 20 % (easy) or 40 %
    (hard) of the frames that hold an animal hold overlapping ones. The same arguments give the same pictures and
    the same truth. Movies that an earlier call with the same arguments finished are kept.

    Parameters
    ----------
    folder
        Where to write; made if missing.
    level
        "easy": clear water, mostly strong contrasts. "hard": turbid, mostly faint, crowded.
    seed
        Another seed gives other movies.
    sites
        1 to 6.
    movies_per_site
        At least 1.
    duration_s
        Length of each movie; 640x360 at 25 frames a second.

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """
    if level not in LEVELS or not 1 <= sites <= len(_SITES) or movies_per_site < 1 or duration_s < 2 / FPS:
        raise ConfigError(
            f"A reef has the level 'easy' or 'hard', 1 to {len(_SITES)} sites, at least one movie a site "
            f"and two frames a movie; not level={level!r}, sites={sites}, "
            f"movies_per_site={movies_per_site}, duration_s={duration_s}."
        )
    if seed < 0:
        raise ConfigError(f"The seed of a reef is {seed}; give a whole number from 0.")
    root = Path(folder)
    tables = make_tables(sites, movies_per_site, round(duration_s * FPS) / FPS)
    for name, table in tables.items():
        _save_csv(table.drop(columns="is_taxon", errors="ignore").rename(columns=_HEADERS[name]), root / f"{name}.csv")
    parts = []
    for index, filename in enumerate(track(list(tables["movies"]["filename"]), "Generating footage")):
        movie = {"version": VERSION, "level": level, "seed": seed, "site": index // movies_per_site}
        movie |= {"index": index, "frames": round(duration_s * FPS)}
        parts.append(_ensure_movie(root, filename, movie))
    truth = pd.concat(parts, ignore_index=True)
    _save_csv(truth, root / "truth.csv.gz")
    return Reef(root, root / "movies", tables, truth)


def render(level: str, seed: int, site: int, index: int, frames: int) -> Iterator[tuple[Image, list[dict[str, Any]]]]:
    """Yield the frames of one movie, (360, 640, 3) uint8 RGB, each with its rows of truth.

    Parameters
    ----------
    level, seed
        As for `generate_reef`.
    site
        The number of the site, from 0: which scene is filmed.
    index
        The number of the movie in its set, from 0: which animals are dealt to it.
    frames
        How many.
    """
    settings, scene = LEVELS[level], SCENES[site]
    low, high = settings.turbidity
    turbidity = low + (high - low) * float(np.random.default_rng([seed, site]).uniform())
    rng = np.random.default_rng([seed, site, index])
    camera = plan_camera(frames, FPS, rng)
    plate = paint_plate(scene, turbidity, rng)
    animals = plan_animals(settings, deal_counts(settings.counts, seed, index), camera, FPS, scene.horizon, rng)
    light, snow = Light(scene, frames / FPS, rng), Snow(settings.snow, rng)
    yield from film(scene, plate, set_extremes(animals, camera, index), camera, FPS, turbidity, light, snow)


def deal_counts(pack: tuple[int, ...], seed: int, index: int) -> tuple[int, ...]:
    """Return how many animals of each species movie `index` gets: each pack is shuffled once and dealt in turn."""
    shuffled = (np.random.default_rng([seed, i, 99]).permutation(pack) for i in range(len(SPECIES)))
    return tuple(int(cards[index % len(pack)]) for cards in shuffled)


def _ensure_movie(root: Path, filename: str, movie: dict[str, Any]) -> pd.DataFrame:
    """Return the truth of a movie; generate it if it is not there, or not with these parameters."""
    path = root / "movies" / filename
    part = root / ".reef" / f"{path.stem}.csv.gz"
    mark = root / ".reef" / f"{path.stem}.json"
    if not _is_done(path, mark, movie):
        mark.unlink(missing_ok=True)
        rows: list[dict[str, Any]] = []

        def _pictures() -> Iterator[Image]:
            keys = ("level", "seed", "site", "index", "frames")
            for picture, found in render(**{k: movie[k] for k in keys}):
                rows.extend(found)
                yield picture

        write_movie(path, _pictures(), Fraction(FPS), crf=23)
        frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(filename=filename)
        _save_csv(frame, part)
        with write_atomic(mark) as temporary:
            temporary.write_text(json.dumps({**movie, "size_bytes": path.stat().st_size}), encoding="utf-8")
    return load_truth(part)


def _is_done(path: Path, mark: Path, movie: dict[str, Any]) -> bool:
    if not (path.exists() and mark.exists()):
        return False
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return bool(found == {**movie, "size_bytes": path.stat().st_size})


def load_truth(path: str | Path) -> pd.DataFrame:
    """Return the truth that `generate_reef` saved, with the types that it had."""
    return pd.read_csv(path, dtype=_TYPES)


def _save_csv(table: pd.DataFrame, path: Path) -> None:
    packed: Any = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    with write_atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", compression=packed)


def make_tables(sites: int, movies_per_site: int, duration_s: float) -> dict[str, pd.DataFrame]:
    """Return `sites`, `movies` and `species` of a reef with the store's names of columns; the places are invented."""
    chosen = _SITES[:sites]
    places = [
        {"id": i, "locality": name, "decimalLatitude": lat, "decimalLongitude": lon, "geodeticDatum": "EPSG:4326",
         "countryCode": "SE"}
        for i, (name, _, lat, lon) in enumerate(chosen, 1)
    ]  # fmt: skip
    movies: list[dict[str, Any]] = []
    for i, (name, stem, _, _) in enumerate(chosen):
        for k in range(movies_per_site):
            filename = f"{stem}_{k + 1:02d}.mp4"
            day = _FIRST_DAY + timedelta(days=9 * i + k)
            movies.append(
                {"id": len(movies) + 1, "filename": filename, "locality": name, "eventDate": day.isoformat(),
                 "recordedBy": "Generated footage", "fps": float(FPS), "duration_s": duration_s,
                 "sampling_start_s": 0.0, "sampling_end_s": duration_s, "associatedMedia": filename}
            )  # fmt: skip
    species = [("Nothing here", "Not applicable", "Not applicable", "Not applicable", False)]
    species += [(s.label, s.scientific_name, "species", "Animalia", True) for s in SPECIES]
    columns = ["vernacularName", "scientificName", "taxonRank", "kingdom", "is_taxon"]
    taxa = pd.DataFrame(species, columns=columns)
    taxa.insert(0, "id", np.arange(1, len(taxa) + 1))
    return {"sites": pd.DataFrame(places), "movies": pd.DataFrame(movies), "species": taxa}
