"""The names of files: can every system open them, and what do they say of themselves?"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from kso_utils.metadata.rules import advise, check, each_column, hits
from kso_utils.metadata.values import map_distinct, matches, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from kso_utils.metadata.rules import Hit, Tables
    from kso_utils.metadata.values import Cells

_MOVIES = """
mp4 m4v mov qt 3gp mkv webm avi mts m2ts ts mpg mpeg mxf wmv flv ogv vob dv mod lrv
"""
_PHOTOS = """
jpg jpeg png tif tiff heic heif webp bmp gif dng cr2 cr3 nef arw orf rw2 raf gpr
"""
_EXTENSIONS = {"movies": frozenset(_MOVIES.split()), "photos": frozenset(_PHOTOS.split())}
_NOT_RELATIVE = re.compile(r"\\|^/|^[A-Za-z]:|(?:^|/)\.{1,2}/")
_NOT_PORTABLE = re.compile(r'[<>:"|?*]|[^./] ?[. ](?:/|$)|(?:^|/)(?i:con|prn|aux|nul|com\d|lpt\d)(?:\.|/|$)')
_LONGEST_BYTES = 255


@check(
    "FILENAME_EXTENSION_UNKNOWN",
    "warning",
    "The name of a file has no extension, or none of a movie (of a photo).",
    "Write the whole name as the folder shows it, with its extension (.mp4).",
)
def _extension(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, frame, names in _each_name(tables):
        wrong = map_distinct(names, partial(_lacks, _EXTENSIONS[table])).eq(True)
        message = f"{{column}} is {{value}}, which does not end as the name of a file of {table} does."
        yield from hits(table, frame, "filename", wrong, message)


def _each_name(tables: Tables) -> Iterator[tuple[str, pd.DataFrame, Cells]]:
    """Yield each table that names files, its rows, and the names as text."""
    for table, column, frame in each_column(tables, "text"):
        if column.name == "filename":
            yield table.name, frame, to_text(frame["filename"])


def _lacks(known: frozenset[str], name: str) -> bool:
    return name.rpartition(".")[2].lower() not in known


@check(
    "FILENAME_NOT_RELATIVE",
    "warning",
    "The name of a file holds a drive, a backslash, or a way out of the folder of the footage, and so finds no file.",
    "Write the name as it is from the folder of the footage on, with / between folders (2021/a.mp4).",
)
def _not_relative(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, frame, names in _each_name(tables):
        wrong = matches(names, _NOT_RELATIVE)
        if wrong.any():
            advised = frame.assign(_fix=advise(map_distinct(names.where(wrong), _from_folder)))
            message = "{column} is {value}, which does not begin in the folder of the footage."
            yield from hits(table, advised, "filename", wrong, message, "{_fix}")


def _from_folder(name: str) -> str | None:
    """Return a name with slashes and without a leading dot, None where that still leads elsewhere."""
    plain = name.replace("\\", "/").removeprefix("./")
    return None if _NOT_RELATIVE.search(plain) else plain


@check(
    "FILENAME_NOT_PORTABLE",
    "warning",
    'The name of a file is one that not every system allows (it holds < > : " | ? *, or is too long).',
    "Rename the file, and correct the table.",
)
def _portable(tables: Tables, _: pd.DataFrame | None) -> Iterator[Hit]:
    for table, frame, names in _each_name(tables):
        long = names[names.str.len().gt(_LONGEST_BYTES // 4).eq(True)]
        wrong = matches(names, _NOT_PORTABLE) | names.isin({n for n in long if _longest_part(n) > _LONGEST_BYTES})
        yield from hits(table, frame, "filename", wrong, "{column} {value} cannot be used on every system.")


def _longest_part(name: str) -> int:
    return max(len(part.encode()) for part in name.split("/"))
