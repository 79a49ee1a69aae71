"""`upload` against the official client one subject at a time, on a sandbox in its own process with 100 ms latency.

The sequential side saves one subject after another and then adds them to their set, as its users do. `KSO_BENCH_N`
(default 1,000) scales both sides. Its time a subject stands beside the one that is expected of it: beyond twice that,
the machine was too busy for a fair comparison.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from kso_utils.store.engine import open_store
from kso_utils.testing.subject_files import frame_bytes
from kso_utils.zooniverse.session import Session, connect
from kso_utils.zooniverse.subjects import KEY, plan_subjects
from kso_utils.zooniverse.uploads import upload

LATENCY_S = 0.1
SEQUENTIAL_S_PER_SUBJECT = 0.3148
GOAL = 10.0
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


def measure(url: str, number: int, folder: Path) -> dict[str, float]:
    planned = make_frames(folder, number)
    with connect("demo", "demo", url) as session, open_store(folder / "store.sqlite") as store:
        project = session.push("/projects", {"projects": {"display_name": "Upload"}})["projects"][0]["id"]
        start = time.perf_counter()
        states = upload(session, store, planned, "ours", project_id=project)
        ours_s = time.perf_counter() - start
        assert set(states.state) == {"linked"}
        start = time.perf_counter()
        upload_one_by_one(url, project, planned)
        sequential_s = time.perf_counter() - start
        assert content(session, project, "ours") == content(session, project, "one by one")
    return {
        "subjects": number,
        "ours_s": round(ours_s, 2),
        "sequential_s": round(sequential_s, 2),
        "sequential_s_per_subject": round(sequential_s / number, 4),
        "ratio": round(sequential_s / ours_s, 2),
    }


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
        f"{number} subjects, {LATENCY_S * 1000:.0f} ms latency\n"
        f"  upload, 8 workers  {figures['ours_s']:8.1f} s\n"
        f"  one by one         {figures['sequential_s']:8.1f} s  "
        f"({slow:.4f} s a subject, expected {SEQUENTIAL_S_PER_SUBJECT}: {fair})\n"
        f"  ratio              {figures['ratio']:8.1f}    (goal {GOAL:g})\n"
    )
    return figures
