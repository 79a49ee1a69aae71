"""The door to ultralytics."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kso_utils.core.errors import MissingExtra
from kso_utils.ml.backend import _torchvision_stand_in, load_ultralytics, usable_cores

ROOT = Path(__file__).parents[2]


def run_python(code: str, home: Path) -> dict[str, object]:
    """Run code in a fresh interpreter with a home of its own; it prints one line of JSON."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO", "ULTRALYTICS", "KSO", "XDG", "OMP"))}
    env = {**clean, "PYTHONPATH": str(ROOT), "HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_the_pinned_version_is_the_one_whose_switches_are_known() -> None:
    """The guard and the switches reach into ultralytics: look at them again when it changes."""
    assert importlib.metadata.version("ultralytics") == "8.4.190"


def test_a_fresh_interpreter_gets_every_switch(tmp_path: Path) -> None:
    found = run_python(
        "import json, os, sys\n"
        "from kso_utils.ml.backend import load_ultralytics\n"
        "load_ultralytics(); load_ultralytics()\n"
        "import torch, ultralytics.utils as u, ultralytics.nn.tasks as t, torchvision\n"
        "print(json.dumps({'online': u.ONLINE, 'install': u.AUTOINSTALL, 'safe': t.SAFE_LOAD,"
        " 'on': [k for k in ('sync', 'mlflow', 'comet', 'clearml', 'dvc', 'raytune') if u.SETTINGS[k]],"
        " 'config': str(u.USER_CONFIG_DIR), 'omp': os.environ.get('OMP_NUM_THREADS'),"
        " 'nms': callable(torchvision.ops.nms)}))",
        tmp_path,
    )

    assert found == {
        "online": False,
        "install": False,
        "safe": True,
        "on": [],
        "config": str(tmp_path / ".cache" / "kso_utils" / "yolo" / "Ultralytics"),
        "omp": None,
        "nms": True,
    }


def test_without_the_extra_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    found = run_python(
        "import json, sys\n"
        "sys.modules['ultralytics'] = None\n"
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "del sys.modules['ultralytics']\n"
        "u.find_spec = lambda name, *a: None if name == 'ultralytics' else real(name, *a)\n"
        "from kso_utils.ml.backend import load_ultralytics\n"
        "try: load_ultralytics()\n"
        "except ImportError as e: print(json.dumps({'said': str(e)}))",
        tmp_path,
    )

    assert "kso_utils[ml]" in str(found["said"])


@pytest.mark.parametrize("count", [1, 40, 400])
def test_the_stand_in_suppresses_as_a_greedy_search_does(count: int) -> None:
    load_ultralytics()
    import torch

    rng = np.random.default_rng(count)
    corners = rng.uniform(0, 200, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 80, (count, 2))]).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)

    kept = _torchvision_stand_in()["torchvision"].ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5)

    assert kept.tolist() == greedy(boxes.astype(float), scores, 0.5)


def greedy(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """Non-maximum suppression as it is defined: the best box stays, all that overlap it go, and again."""
    left, kept = list(np.argsort(-scores)), []
    while left:
        best, *rest = left
        kept.append(int(best))
        left = [other for other in rest if overlap(boxes[best], boxes[other]) <= limit]
    return kept


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def test_the_stand_in_says_what_it_lacks() -> None:
    with pytest.raises(MissingExtra, match="transforms"):
        _ = _torchvision_stand_in()["torchvision"].transforms


def test_cores_can_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    assert usable_cores() == 3
