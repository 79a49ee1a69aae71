"""The promises of the house as a whole."""

import ast
import configparser
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kso_utils.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "kso_utils").rglob("*.py"))
HEAVY = {"numpy", "pandas", "sqlalchemy", "torch", "cv2", "ultralytics", "ipywidgets", "panoptes_client", "boto3", "av"}


EXTRAS = {
    "media": ["av", "ffmpeg", "imageio_ffmpeg", "cv2"],
    "zooniverse": ["panoptes_client", "requests", "keyring"],
    "s3": ["boto3"],
    "ml": ["torch", "torchvision", "ultralytics", "pyarrow"],
    "ui": ["ipywidgets", "matplotlib", "IPython"],
    "postgres": ["psycopg"],
}
BLOCKED = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in {names} else find(name, *rest)
from kso_utils.core.errors import MissingExtra
"""
# What must work without any extra: a project, its tables, its store, consensus, and the commands around them.
CORE = """
import pandas as pd
from kso_utils.cli import main
from kso_utils.consensus.clip_labels import clips
from kso_utils.project.opening import Project
assert main(["init", "fjord"]) == 0
with Project.create("reef") as project:
    sites = pd.DataFrame({"locality": ["Reef"]})
    assert project.store.upsert("sites", sites, "locality").inserted == 1
votes = {"classification_id": [1, 2, 3], "subject_id": 1, "user": ["a", "b", "c"], "label": "Cod"}
assert clips(pd.DataFrame(votes))["agreed"].all()
assert main(["info", "--project", "reef"]) == 0
"""
# What needs an extra: what is called, and the package that its MissingExtra names.
NEEDS = {
    "media": "from kso_utils.media.movie import probe; probe('a.mp4')",
    "zooniverse": "from kso_utils.zooniverse.session import connect; connect('a', 'b', 'http://127.0.0.1:9')",
    "s3": "from kso_utils.archive.opening import open_file; open_file('s3://bucket/a.mp4')",
    "ml": "from kso_utils.ml.backend import load_ultralytics; load_ultralytics()",
    "postgres": "from kso_utils.store.engine import open_store; open_store('postgresql://nobody@127.0.0.1:9/x')",
}


def public_nodes(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield what is public at the top of a module, and the public methods of its classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_nodes(node.body)


def run(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    found = run("-c", "import sys, kso_utils; print(*sys.modules)").stdout.split()
    assert not HEAVY & {name.split(".")[0] for name in found}


@pytest.mark.parametrize("name", ["annotations", "store", "media", "metadata", "consensus", "zooniverse", "ml", "ui"])
def test_a_part_of_the_package_is_a_module(name: str) -> None:
    part = getattr(importlib.import_module("kso_utils"), name)
    assert part.__name__ == f"kso_utils.{name}"


def test_every_lazy_name_of_every_package_exists() -> None:
    for init in (p for p in MODULES if p.name == "__init__.py"):
        package = importlib.import_module(".".join(init.parent.relative_to(ROOT).parts))
        for name in dir(package):
            assert getattr(package, name) is not None or name.startswith("__")


def test_no_init_postpones_annotations() -> None:
    for init in (p for p in MODULES if p.name == "__init__.py"):
        assert "from __future__ import annotations" not in init.read_text(encoding="utf-8"), init


def test_every_public_function_and_class_has_a_docstring() -> None:
    bare = [
        f"{path.name}:{node.lineno} {node.name}"
        for path in MODULES
        for node in public_nodes(ast.parse(path.read_text(encoding="utf-8")).body)
        if not ast.get_docstring(node)
    ]
    assert not bare


def test_the_library_does_not_print() -> None:
    for path in MODULES:
        calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path


def test_no_project_is_named_in_the_code() -> None:
    names = re.compile(r"koster|spyfish|medins|sharklife|\bSGU\b", re.IGNORECASE)
    assert not [str(p) for p in MODULES if names.search(p.read_text(encoding="utf-8"))]


def test_the_generated_pages_are_current() -> None:
    done = run("-c", "from docs.build import pages; print(*(p.name for p, t in pages().items() if p.read_text() != t))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", "run: python -m docs.build"


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_core_works_without_an_extra(extra: str, tmp_path: Path) -> None:
    done = run("-c", BLOCKED.format(names=EXTRAS[extra]) + CORE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", NEEDS)
def test_what_needs_an_extra_names_the_command_that_installs_it(extra: str, tmp_path: Path) -> None:
    call = f"try:\n    {NEEDS[extra]}\nexcept MissingExtra as error:\n    print(error)"
    done = run("-c", BLOCKED.format(names=EXTRAS[extra]) + call, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"pip install 'kso_utils[{extra}]'" in done.stdout


def test_the_extras_are_those_of_the_design() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = "media zooniverse s3 ml kernels ui tracking openvino postgres all"
    assert set(config["options.extras_require"]) == set(named.split())


def test_no_module_and_no_function_grows_too_long() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 600, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 80, f"{path}:{node.lineno}"


def test_every_command_is_in_the_pages() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## kso ([\w -]+)$", page, re.MULTILINE)) == set(COMMANDS)


def test_a_package_exports_no_name_that_one_of_its_modules_bears() -> None:
    for init in (p for p in MODULES if p.name == "__init__.py"):
        tree = ast.parse(init.read_text(encoding="utf-8"))
        tables = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "lazy"]
        names = {k.value for call in tables for k in getattr(call.args[1], "keys", []) if isinstance(k, ast.Constant)}
        assert not names & {p.stem for p in init.parent.iterdir()}, init
