"""What a run records of its input and of the software that read it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kso_utils.core.errors import NotFound
from kso_utils.core.paths import sha256_file
from kso_utils.version import __version__

_PACKAGES = ("numpy", "pandas", "av", "opencv-python", "torch", "ultralytics", "panoptes-client")


def identify_file(path: str | Path) -> dict[str, str | int]:
    """Return what a file is known by: `path` as given, `size_bytes` and `sha256`.

    Raises
    ------
    NotFound
        If there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFound(f"There is no file {file}. Correct the path.")
    return {"path": str(path), "size_bytes": file.stat().st_size, "sha256": sha256_file(file)}


def describe_versions() -> dict[str, str]:
    """Return the versions of Python, of kso_utils and of the installed packages whose numbers enter results."""
    found = {"python": platform.python_version(), "kso_utils": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
