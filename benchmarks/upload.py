"""`upload` against the official client one subject at a time, on a sandbox in its own process with 100 ms latency.

The sequential side saves one subject after another and then adds them to their set, as its users do; ours uploads with
8 and with 16 workers, and looks whether everything arrived. `KSO_BENCH_N` (default 1,000) scales all. The time a
subject of the sequential side stands beside the one that is expected of it: beyond twice that, the machine was too
busy for a fair comparison.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import requests

from kso_utils.store.engine import open_store
from kso_utils.testing.subject_files import frame_bytes
from kso_utils.zooniverse.session import Session, connect
from kso_utils.zooniverse.subjects import KEY, plan_subjects
from kso_utils.zooniverse.uploads import upload

LATENCY_S = 0.1
SEQUENTIAL_S_PER_SUBJECT = 0.3148
GOALS = {8: 10.0, 16: 18.0}
BYTES = 17_000
ROOT = Path(__file__).resolve().parents[1]
SERVER = (
    "import sys, time; from kso_utils.zooniverse.sandbox import serve\n"
    "running = serve(latency_s=float(sys.argv[1])); print(running.url, flush=True)\n"
    "sys.stdin.read()"
)


def make_frames(folder: Path, number: int) -> pd.DataFrame:
    rows = []
    for n in range(number):
        data = frame_bytes(n, BYTES)
        path = folder / f"frame_{n}.jpg"
        path.write_bytes(data)
        rows.append({"path": str(path), "sha256": hashlib.sha256(data).hexdigest(), "frame_number": n})
    return plan_subjects(pd.DataFrame(rows), {}, "frame")


def upload_one_by_one(url: str, project: str, planned: pd.DataFrame) -> None:
    from panoptes_client import Panoptes, Project, Subject, SubjectSet

    with Panoptes(endpoint=url, username="demo", password="demo"):  # noqa: S106  (the sandbox's)
        owner = Project.find(project)
        subject_set = SubjectSet()
        subject_set.display_name = "one by one"
        subject_set.links.project = owner
        subject_set.save()
        subjects = []
        for row in planned.itertuples():
            subject = Subject()
            subject.links.project = owner
            subject.metadata.update(row.metadata)
            subject.add_location(row.path, manual_mimetype="image/jpeg")
            subject.save()
            subjects.append(subject)
        subject_set.add(subjects)


def content(session: Session, project: str, name: str) -> list[tuple[object, ...]]:
    """Return what is in a set: metadata without the key, and the media's type."""
    set_id = session.find_subject_set(project, name)
    assert set_id is not None
    found = [
        (sorted((k, v) for k, v in s["metadata"].items() if k != KEY), [list(place) for place in s["locations"]])
        for s in session.list_subjects(set_id)
    ]
    return sorted(found, key=str)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Give the list of the requests that this process makes in a block."""
    made: list[str] = []
    send = requests.Session.send

    def count(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        made.append(f"{request.method} {request.url}")
        return send(session, request, **options)

    requests.Session.send = count  # type: ignore[method-assign]
    try:
        yield made
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def measure(url: str, number: int, folder: Path) -> dict[str, float]:
    planned = make_frames(folder, number)
    figures: dict[str, float] = {"subjects": number}
    with connect("demo", "demo", url) as session, open_store(folder / "store.sqlite") as store:
        project = session.push("/projects", {"projects": {"display_name": "Upload"}})["projects"][0]["id"]
        for workers in GOALS:
            start = time.perf_counter()
            with counted() as requests_made:
                states = upload(session, store, planned, f"{workers} workers", workers, project_id=project)
            figures[f"workers_{workers}_s"] = round(time.perf_counter() - start, 2)
            figures[f"workers_{workers}_requests"] = len(requests_made)
            assert set(states.state) == {"verified"}
            assert len(requests_made) <= allowed_requests(number)
        start = time.perf_counter()
        upload_one_by_one(url, project, planned)
        sequential_s = time.perf_counter() - start
        expected = content(session, project, "one by one")
        assert all(content(session, project, f"{workers} workers") == expected for workers in GOALS)
    ratios = {f"ratio_{workers}": round(sequential_s / figures[f"workers_{workers}_s"], 2) for workers in GOALS}
    per_subject = round(sequential_s / number, 4)
    return {**figures, "sequential_s": round(sequential_s, 2), "sequential_s_per_subject": per_subject, **ratios}


def allowed_requests(number: int) -> int:
    return 2 * number + 2 * number // 100 + 20


def main() -> dict[str, float]:
    number = int(os.environ.get("KSO_BENCH_N", "1000"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SERVER, str(LATENCY_S)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server,
    ):
        assert server.stdout is not None and server.stdin is not None
        url = server.stdout.readline().strip()
        assert re.match(r"http://127\.0\.0\.1:\d+$", url)
        try:
            figures = measure(url, number, Path(folder))
        finally:
            server.stdin.close()
    slow = figures["sequential_s_per_subject"]
    fair = "fair" if slow <= 2 * SEQUENTIAL_S_PER_SUBJECT else "VOID: the sequential side was more than twice as slow"
    sys.stdout.write(
        f"{number} subjects, {LATENCY_S * 1000:.0f} ms latency, at most {allowed_requests(number)} requests\n"
        f"  one by one         {figures['sequential_s']:8.1f} s  "
        f"({slow:.4f} s a subject, expected {SEQUENTIAL_S_PER_SUBJECT}: {fair})\n"
    )
    for workers, goal in GOALS.items():
        seconds, asked = figures[f"workers_{workers}_s"], figures[f"workers_{workers}_requests"]
        ratio = f"{figures[f'ratio_{workers}']:.1f} x (goal {goal:g})"
        sys.stdout.write(f"  upload, {workers:2d} workers {seconds:8.1f} s  {ratio}, {asked:.0f} requests\n")
    return figures
