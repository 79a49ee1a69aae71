"""The promises of the house as a whole."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "kso_utils").rglob("*.py"))
HEAVY = {"numpy", "pandas", "sqlalchemy", "torch", "cv2", "ultralytics", "ipywidgets", "panoptes_client", "boto3", "av"}


def public_nodes(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Yield what is public at the top of a module, and the public methods of its classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_nodes(node.body)


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, cwd=ROOT, check=False)


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
    assert run("-m", "docs.build").returncode == 0
    changed = subprocess.run(
        ["git", "status", "--porcelain", "docs"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if changed.returncode:
        pytest.skip("not a git checkout")
    assert changed.stdout == ""
