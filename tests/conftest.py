"""Fixtures that several rooms share."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

FIGURES = Path(__file__).resolve().parents[1] / "build" / "figures.json"


@pytest.fixture
def record_figures() -> Callable[[str, dict[str, object]], None]:
    """Add the figures of a long check to those of the benchmarks."""
    from kso_utils.core.paths import write_atomic

    def record(name: str, figures: dict[str, object]) -> None:
        known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
        with write_atomic(FIGURES) as temporary:
            whole = {**known, name: {**known.get(name, {}), **figures}}
            temporary.write_text(json.dumps(whole, indent=2, sort_keys=True), encoding="utf-8")

    return record


@pytest.fixture
def fixture_project(tmp_path: Path) -> Path:
    """A small finished project of its own: subjects, classifications, consensus and a model."""
    from kso_utils.demo import make_fixture

    return make_fixture(tmp_path / "project")


@pytest.fixture(scope="session")
def _reef(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kso_utils.testing.scene import generate_scene

    folder = tmp_path_factory.mktemp("generated") / "reef"
    generate_scene(folder, sites=2, movies_per_site=1, duration_s=4.0)
    return folder


@pytest.fixture
def reef_project(_reef: Path, tmp_path: Path) -> Path:
    """A project of two movies of 4 s with which nothing has been done yet."""
    from kso_utils.project.opening import Project
    from kso_utils.project.settings import ClipSettings, Settings

    folder = Path(shutil.copytree(_reef, tmp_path / "reef"))
    settings = Settings("reef", clips=ClipSettings(length_s=1.0, frames_per_clip=1))
    Project(folder, settings).save_settings(settings)
    return folder


@pytest.fixture(scope="module")
def browser():
    """A Chromium without a window; while it is open, nothing else in this process can run an event loop."""
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip(f"there is no Chromium at {chromium}")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def _crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.project.crowded import make_crowd_project

    return make_crowd_project(tmp_path_factory.mktemp("crowd") / "project")


@pytest.fixture
def crowd_project(_crowd: Path, tmp_path: Path) -> Path:
    """A project of one's own, without footage, whose store holds what simulated volunteers said."""
    return Path(shutil.copytree(_crowd, tmp_path / "crowd"))
