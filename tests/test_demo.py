"""The whole road: short in every run, in full with `make soak`."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from kso_utils import demo
from kso_utils.core.errors import ConfigError, NotFound
from kso_utils.core.paths import write_atomic
from kso_utils.project.opening import Project

TABLES = (
    "sites",
    "movies",
    "species",
    "subjects",
    "classifications",
    "annotations",
    "agg_runs",
    "models",
    "model_runs",
)
FIGURES = Path(__file__).resolve().parent.parent / "build" / "figures.json"


def count_rows(folder: Path) -> dict[str, int]:
    with Project.open(folder) as project:
        return {table: len(project.store.read(table)) for table in TABLES}


def test_a_fixture_is_a_finished_project(fixture_project: Path) -> None:
    rows = count_rows(fixture_project)
    assert rows["movies"] == 3
    assert rows["classifications"] == 5 * rows["subjects"]
    assert rows["models"] == 1
    assert (fixture_project / "counts.csv").exists()


def test_a_fixture_is_not_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        demo.make_fixture(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_second_walk_adds_nothing(fixture_project: Path) -> None:
    scene = demo.generate_scene(fixture_project, sites=3, movies_per_site=1, duration_s=6.0)
    before = count_rows(fixture_project)
    with Project.open(fixture_project) as project:
        demo.take_the_road(project, scene, demo.FIXTURE, seed=0)
    assert count_rows(fixture_project) == before


def test_a_demo_does_not_mix_with_another_one(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text('{"level": "easy", "seed": 0, "footage": null}')
    (tmp_path / "kso.db").touch()
    with pytest.raises(ConfigError, match="other footage, level or seed"):
        demo.walk(tmp_path, seed=1)


def test_a_demo_that_found_no_footage_leaves_its_folder_free(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with pytest.raises(NotFound):
            demo.walk(tmp_path / "out", tmp_path / name)


def test_a_demo_does_not_touch_a_project(fixture_project: Path) -> None:
    before = (fixture_project / "project.toml").read_bytes()
    with pytest.raises(ConfigError, match="no demo made it"):
        demo.walk(fixture_project)
    assert (fixture_project / "project.toml").read_bytes() == before


def test_footage_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no folder"):
        demo.walk(tmp_path / "out", tmp_path / "nowhere")


def test_footage_without_a_movie_is_refused(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    (footage / "text.mp4").write_text("not a movie")
    with pytest.raises(ConfigError, match="No movie"):
        demo.walk(tmp_path / "out", footage)


def test_a_model_is_judged_on_what_that_very_model_did_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    monkeypatch.setattr(demo.steps, "build_dataset", lambda _, seed, hold_out=True: "part" if hold_out else "all")
    monkeypatch.setattr(demo.steps, "train", lambda _, dataset, **settings: SimpleNamespace(weights=f"of {dataset}"))
    monkeypatch.setattr(demo.steps, "evaluate", lambda _, *what: judged.append(what) or what)

    told, weights = demo._learn(None, SimpleNamespace(movies={}), demo.FIXTURE, 0, lambda text: None)

    assert judged == [("part", "of part"), ("all", "of all")]
    assert (told, weights) == (("part", "of part"), "of all")


def test_a_figure_is_judged_by_its_limit() -> None:
    assert demo.judge("x", 0.95, "", at_least=0.95).ok is True
    assert demo.judge("x", float("nan"), "", at_least=0.95).ok is False
    assert demo.judge("x", 0.51, "", at_most=0.5).ok is False
    assert demo.judge("x", 3, "").ok is None


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_the_figures_hold_for_every_seed(seed: int, tmp_path: Path) -> None:
    walk = demo.walk(tmp_path / "walk", seed=seed)
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    known[f"demo, seed {seed}"] = {figure.name: figure.value for figure in walk.figures}
    with write_atomic(FIGURES) as temporary:
        temporary.write_text(json.dumps(known, indent=2, sort_keys=True), encoding="utf-8")
    assert walk.ok, str(walk)
    counts = pd.read_csv(tmp_path / "walk" / "counts.csv")
    assert counts["locality"].nunique() == 6
