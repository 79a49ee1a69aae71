"""An archive's files: tables as CSV, their description in `meta.xml`, and the zip that holds all of them."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from kso_utils.annotations.darwincore.terms import expand_term
from kso_utils.core.paths import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

_NAMESPACE = "http://rs.tdwg.org/dwc/text/"
_THEN = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: the same content is the same bytes, whenever it is written."""


@dataclass(frozen=True)
class Table:
    """One file of an archive.

    Attributes
    ----------
    name
        The file's name.
    row_type
        What a row is, in full.
    rows
        Text; the columns are terms, the first is the event's id.
    """

    name: str
    row_type: str
    rows: pd.DataFrame


def format_table(rows: pd.DataFrame) -> bytes:
    """Return a table as CSV: UTF-8, commas, quotes where they are needed, a line feed after each row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.rpartition(":")[2] for column in rows.columns])
    writer.writerows(rows.itertuples(index=False, name=None))
    return buffer.getvalue().encode()


def format_meta(core: Table, extensions: Sequence[Table]) -> bytes:
    """Return `meta.xml`.

    Raises
    ------
    ConfigError
        If a column is no term.
    """
    ET.register_namespace("", _NAMESPACE)
    root = ET.Element(f"{{{_NAMESPACE}}}archive", {"metadata": "eml.xml"})
    for table in (core, *extensions):
        is_core = table is core
        part = ET.SubElement(
            root,
            f"{{{_NAMESPACE}}}{'core' if is_core else 'extension'}",
            {
                "encoding": "UTF-8",
                "fieldsTerminatedBy": ",",
                "linesTerminatedBy": "\\n",
                "fieldsEnclosedBy": '"',
                "ignoreHeaderLines": "1",
                "rowType": table.row_type,
            },
        )
        files = ET.SubElement(part, f"{{{_NAMESPACE}}}files")
        ET.SubElement(files, f"{{{_NAMESPACE}}}location").text = table.name
        ET.SubElement(part, f"{{{_NAMESPACE}}}{'id' if is_core else 'coreid'}", {"index": "0"})
        for index, column in enumerate(table.rows.columns):
            ET.SubElement(part, f"{{{_NAMESPACE}}}field", {"index": str(index), "term": expand_term(column)})
    return format_xml(root)


def format_xml(root: ET.Element) -> bytes:
    """Return an indented XML document in UTF-8."""
    ET.indent(root)
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a zip, whole or not at all; equal files give equal bytes."""
    with write_atomic(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _THEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, compresslevel=6)
