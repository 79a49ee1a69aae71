"""How many animals: MaxN from detections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.annotations.counts import max_n
from kso_utils.core.errors import ConfigError
from kso_utils.core.paths import write_atomic
from kso_utils.ml.detection import DetectionRun, open_run
from kso_utils.store import queries

if TYPE_CHECKING:
    import pandas as pd

    from kso_utils.project.opening import Project


def count(project: Project, run_id: int | None = None, bin_s: float | None = None) -> pd.DataFrame:
    """Count the most animals of each species seen at once (MaxN) in each movie, and write `counts.csv`.

    Movies of bad deployments are left out.

    Parameters
    ----------
    project
        The project.
    run_id
        The detection run, by default the latest.
    bin_s
        Count in bins of so many seconds instead of over the whole movie.

    Returns
    -------
    DataFrame
        `filename, locality, label, max_n, frame_number, pts_s, first_arrival_s` (and `bin_start_s`).

    Raises
    ------
    ConfigError
        If nothing has been detected yet.
    """
    counted = max_n(find_detections(project, run_id).read(), bin_s=bin_s)
    movies = queries.good_movies(project.store)[["id", "filename", "locality"]]
    named = movies.merge(counted, left_on="id", right_on="movie_id").drop(columns=["id"])
    with write_atomic(project.folder / "counts.csv") as temporary:
        named.to_csv(temporary, index=False)
    return named


def find_detections(project: Project, run_id: int | None = None) -> DetectionRun:
    """Return a detection run, by default the latest.

    Raises
    ------
    ConfigError
        If nothing has been detected yet.
    NotFound
        If there is no such run.
    """
    chosen = run_id if run_id is not None else queries.latest_run(project.store, "model_runs", "detect")
    if chosen is None:
        raise ConfigError("There is no detection run. Make one with: kso detect")
    return open_run(project.store, chosen)
