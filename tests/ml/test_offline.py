"""A whole training and detection reaches no network and writes nowhere but where it was told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ml.conftest import World

ROOT = Path(__file__).parents[2]
ROAD = """
import json, os, socket, sys
reached = []
def refuse(*args, **kwargs):
    reached.append(str(args[:2]))
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = socket.gethostbyname = refuse
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse

from pathlib import Path
import pandas as pd
from kso_utils.archive.local import LocalArchive
from kso_utils.ml.datasets import build_dataset
from kso_utils.ml.detection import detect
from kso_utils.ml.evaluation import evaluate
from kso_utils.ml.training import train
from kso_utils.store.engine import open_store

folder = Path(sys.argv[1])
with open_store(folder / "store.sqlite") as store:
    dataset = build_dataset(store, folder / "set", footage=LocalArchive(folder / "footage"))
    run = train(dataset, store=store, out_dir=folder / "models", epochs=1, imgsz=64)
    evaluate(run.weights, dataset, store=store)
    movies = pd.DataFrame({"id": [1], "path": [str(folder / "footage" / "m1.mp4")]})
    detect(movies, run.weights, store=store, out_dir=folder / "found")
print(json.dumps({"reached": reached, "imported": sorted({"mlflow", "wandb", "comet_ml"} & set(sys.modules))}))
"""


@pytest.fixture
def walked(
    world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], Path, str]:
    """The road in a fresh interpreter with a home and a working folder of its own."""
    home = tmp_path_factory.mktemp("home")
    (home / "work").mkdir()
    (home / "tmp").mkdir()
    world.store.close()
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("YOLO", "ULTRALYTICS", "KSO", "XDG", "OMP", "PYTEST"))
    }
    env = {
        **clean,
        "PYTHONPATH": str(ROOT),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", ROAD, str(world.folder)]
    done = subprocess.run(command, env=env, cwd=home / "work", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1])), home, done.stdout + done.stderr


def test_the_road_is_offline_silent_and_tidy(walked: tuple[dict[str, object], Path, str]) -> None:
    found, home, said = walked

    assert found == {"reached": [], "imported": []}
    assert len(said.splitlines()) == 1
    stray = [p.relative_to(home).parts for p in home.rglob("*") if p.is_file()]
    assert {parts[:3] for parts in stray} == {(".cache", "kso_utils", "yolo")}
