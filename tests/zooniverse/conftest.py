import hashlib
from pathlib import Path

import pandas as pd
import pytest

from kso_utils.core import retries
from kso_utils.store.engine import open_store
from kso_utils.testing.subject_files import clip_bytes
from kso_utils.zooniverse import sandbox
from kso_utils.zooniverse.delivery import sending
from kso_utils.zooniverse.exports import read_exports
from kso_utils.zooniverse.session import connect
from kso_utils.zooniverse.subjects import plan_subjects
from tests.zooniverse.calling import Caller

SHARED = Path(__file__).resolve().parents[3] / "shared"


def _real(folder):
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"real data are not here: {path}")
    return path


@pytest.fixture
def zooniverse_data():
    return _real("data/zooniverse")


@pytest.fixture
def koster_data():
    return _real("data/koster")


@pytest.fixture
def zooniverse_golden():
    return _real("golden/zooniverse")


@pytest.fixture
def server():
    with sandbox.serve() as running:
        yield running


@pytest.fixture
def call():
    """A sandbox with one project (1001) and one workflow (1002), to be spoken to in plain HTTP."""
    with sandbox.serve() as running:
        running.add_project("demo/reef", "Reef", {"clips": sandbox.survey_task(["Cod"])}, retire_after=2)
        yield Caller(running)


@pytest.fixture
def session(server):
    with connect("demo", "demo", server.url) as opened:
        yield opened


@pytest.fixture
def project(session):
    return session.push("/projects", {"projects": {"display_name": "Reef"}})["projects"][0]["id"]


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        fill(opened)
        yield opened


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(sending, "PATIENCE_S", 0.2)


def fill(store):
    """Give a store the movies that `clips` come from."""
    store.upsert("sites", pd.DataFrame({"id": [1], "locality": ["Reef"]}), "id")
    movies = {"id": [1, 2], "filename": ["a.mp4", "b.mp4"], "site_id": [1, 1], "fps": [25.0, 25.0]}
    store.upsert("movies", pd.DataFrame(movies), "id")
    species = {"id": [1], "vernacularName": ["Cod"], "zoo_label": ["Cod"], "scientificName": ["Gadus morhua"]}
    store.upsert("species", pd.DataFrame(species), "id")


@pytest.fixture
def clips(tmp_path):
    """Return a function that writes small clips, and plans them."""

    def make(number, first=0):
        rows = []
        for n in range(first, first + number):
            data = clip_bytes(n)
            path = tmp_path / f"clip_{n}.mp4"
            path.write_bytes(data)
            origin = {"movie_id": 1 + n % 2, "clip_start_time": 10.0 * n, "clip_end_time": 10.0 * n + 10}
            rows.append({"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), **origin, "locality": "Reef"})
        return plan_subjects(pd.DataFrame(rows), {"Site": "locality"}, "clip")

    return make


@pytest.fixture
def reef(server, session, project, store, clips):
    """A set of five clips that were uploaded."""
    from tests.zooniverse.befallen import Reef

    return Reef(server, session, project, store, clips(5))


@pytest.fixture
def offer(server):
    """Return a function that makes a workflow with subjects of some media each, `(MIME type, bytes)` or a link."""

    def make(tasks, *media, subjects=1, name="Look", retire_after=5):
        state = server.state
        project, workflows = server.add_project("demo/reef", "Reef", {name: tasks}, retire_after)
        subject_set = state.add("subject_sets", {"display_name": name, "metadata": {}}, project).id
        state.link_sets(workflows[name], [subject_set])
        places = [
            {kind: data if isinstance(data, str) else state.add_blob(kind, data)[0]}
            for kind, data in media or [("image/png", b"")]
        ]
        for _ in range(subjects):
            made = state.add("subjects", {"metadata": {}, "locations": places}, project)
            state.link_subjects(subject_set, [made.id])
        return workflows[name]

    return make


@pytest.fixture
def export(session, server, tmp_path):
    """Return a function that fetches the exports of the only project as they are, and reads them."""

    def fetch():
        (project,) = server.state.find("projects")
        for kind in ("classifications", "workflows"):
            session.request_export(kind, "projects", project)
            medium = session.await_export(kind, "projects", project, timeout_s=20, poll_s=0.02)
            session.download(medium["src"], tmp_path / f"{kind}.csv")
        return read_exports(tmp_path)

    return fetch
