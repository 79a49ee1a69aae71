"""Names of files: kept inside their folder, written whole or not at all, known by their content."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
import unicodedata
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.core.errors import ConfigError, UnsafeInput

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSAFE = re.compile(r"[^\w.\-]+", re.UNICODE)
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))}
_MAX_NAME_BYTES = 200
_MAX_SUFFIX = 16


def inside(root: str | Path, name: str | Path) -> Path:
    """Return the absolute path of `name` below `root`.

    Links are resolved, so a link inside `root` that leads out of it is refused too.

    Parameters
    ----------
    root
        A folder; it need not exist.
    name
        A relative path from data that is not trusted.

    Raises
    ------
    UnsafeInput
        If the path would leave `root`, is absolute, is empty, or holds a NUL character.
    """
    text = str(name)
    if not text or "\0" in text:
        raise UnsafeInput(f"Not a file name: {text!r}. Give a name inside {root}.")
    base = Path(root).resolve()
    try:
        path = (base / text).resolve()
    except (OSError, RuntimeError) as error:  # a link that leads to itself
        raise UnsafeInput(f"The name {text!r} leads nowhere: {error}.") from error
    if Path(text).is_absolute() or path == base or base not in path.parents:
        raise UnsafeInput(f"The name {text!r} leads outside {base}. Give a name inside that folder.")
    return path


def find_inside(root: str | Path, name: str | Path) -> Path:
    """Return the file of that name below `root`, whatever the Unicode form in which the disk has it.

    Where there is none, this is `inside(root, name)`.

    Raises
    ------
    UnsafeInput
        As `inside`.
    """
    path = inside(root, name)
    if path.exists():
        return path
    place = base = Path(root).resolve()
    for part in Path(name).parts:
        plain = unicodedata.normalize("NFC", part)
        there = [] if (place / part).exists() or not place.is_dir() else list(place.iterdir())
        place = next((p for p in there if unicodedata.normalize("NFC", p.name) == plain), place / part)
    return inside(root, place.relative_to(base)) if place.exists() else path


def safe_name(text: str) -> str:
    """Return a file name made from any text: no separators, no leading dot or dash, at most 200 bytes, never empty.

    Letters of all languages stay (normalised to NFC); every other run of characters becomes one `_`. Names that
    Windows keeps for devices (`con`, `nul.txt`) get a `_` in front.
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).lstrip(".-_")
    name = name.encode()[: _MAX_NAME_BYTES - 1].decode(errors="ignore").rstrip("._")
    # A device's name stays one whatever follows its first dot, so the mark goes in front.
    if name.split(".")[0].lower() in _RESERVED:
        return f"_{name}"
    return name or "unnamed"


def to_text(name: str) -> str:
    r"""Return a file name as text that every program takes: what in it is not UTF-8 is written as `\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextmanager
def write_atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    If the block raises, the temporary file is removed and what stood at `path` stays. Missing parent folders
    are made.

    Parameters
    ----------
    path
        The final file.

    Yields
    ------
    Path
        A name in the same folder with the same suffix (none where it is longer than 16 letters), which the block
        writes.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    suffix = target.suffix if len(target.suffix) <= _MAX_SUFFIX else ""
    temporary = target.with_name(f".{target.stem[:40]}.{os.getpid()}-{secrets.token_hex(4)}.part{suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Flush a folder's own entry, so that a rename in it survives a power cut (where the system allows it)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def user_cache(name: str) -> Path:
    """Return the folder `name` of this package's cache, made if missing.

    It lies in `KSO_CACHE`, or where the operating system keeps the user's caches; whatever is in it can be made anew.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    """
    if own := os.environ.get("KSO_CACHE"):
        root = Path(own)
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "kso_utils"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches" / "kso_utils"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kso_utils"
    folder = root / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The cache folder {folder} cannot be made ({error.strerror}). Set KSO_CACHE to a folder that is writable."
        ) from error
    return folder


def sha256_file(path: str | Path) -> str:
    """Return the sha256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
