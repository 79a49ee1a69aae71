"""An offline check of Darwin Core archives, with GBIF's issue codes and OBIS' required terms.

Tables are read as streams, a core of events twice. In memory stay the identifiers of the core, the parents of its
events and the identifiers of occurrences, some 200 bytes a row, and up to a thousand findings of a kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kso_utils.annotations.darwincore.containers import READ_ERRORS, open_container
from kso_utils.annotations.darwincore.descriptors import META, read_descriptor
from kso_utils.annotations.darwincore.document import check_document
from kso_utils.annotations.darwincore.issues import Findings
from kso_utils.annotations.darwincore.links import Known
from kso_utils.annotations.darwincore.markup import MAX_BYTES, parse_xml
from kso_utils.annotations.darwincore.tablechecks import TableCheck
from kso_utils.annotations.darwincore.terms import EVENT, OCCURRENCE, shorten_term
from kso_utils.core.errors import MetadataError, NotFound
from kso_utils.core.report import Report

if TYPE_CHECKING:
    from pathlib import Path

    from kso_utils.annotations.darwincore.containers import Container
    from kso_utils.annotations.darwincore.descriptors import Archive


def check(archive: str | Path) -> Report:
    """Check a Darwin Core archive without any network.

    Parameters
    ----------
    archive
        A zip file, or the folder with the same files.

    Returns
    -------
    Report
        Findings with file (as table), line, column (the term), code, value and fix. Errors are what GBIF or OBIS
        refuse, drop or get wrong; `darwincore.issues.ISSUES` says what each code means.

    Raises
    ------
    NotFound
        If there is nothing at that path.
    UnsafeInput
        If files lead out of the archive, or would unpack to far more than the archive is.
    """
    report = Report(f"Darwin Core archive {archive}")
    found = Findings(report)
    try:
        with open_container(archive) as container:
            _check_container(container, found)
    except NotFound:
        raise
    except READ_ERRORS as error:
        found.add("DWCA_UNREADABLE", str(archive), f"It cannot be read: {error}.")
    found.finish()
    return report


def _check_container(container: Container, found: Findings) -> None:
    names = container.names()
    if META not in names:
        deeper = next((name for name in names if name.endswith(f"/{META}")), "")
        hint = f" There is {deeper}, a folder too deep." if deeper else ""
        found.add("DWCA_META_XML_NOT_FOUND", container.name, f"There is no {META}.{hint}", value=deeper)
        return
    try:
        archive = read_descriptor(parse_xml(_read_small(container, META)), found)
    except MetadataError as error:
        found.add("DWCA_META_XML_SCHEMA", META, str(error))
        return
    _check_document(container, archive, names, found)
    _check_tables(container, archive, names, found)
    described = {META, archive.document, *(file for table in archive.tables for file in table.files)}
    for name in names:
        if name not in described:
            found.add("FILE_NOT_DESCRIBED", name, f"{name} is named nowhere in {META}.")


def _read_small(container: Container, name: str) -> bytes:
    with container.open(name) as stream:
        return stream.read(MAX_BYTES + 1)


def _check_document(container: Container, archive: Archive, names: list[str], found: Findings) -> None:
    name = archive.document
    if name is None or name not in names:
        message = f"{META} names {name}, which is not in the archive." if name else f"{META} names no document."
        found.add("EML_NOT_FOUND", META, message, value=name or "")
        return
    try:
        check_document(parse_xml(_read_small(container, name)), name, found)
    except (MetadataError, *READ_ERRORS) as error:
        found.add("EML_GBIF_SCHEMA", name, str(error))


def _check_tables(container: Container, archive: Archive, names: list[str], found: Findings) -> None:
    core = archive.core
    if core is not None and core.row_type not in (EVENT, OCCURRENCE):
        message = f"The core is a table of {shorten_term(core.row_type)} rows."
        found.add("CORE_ROWTYPE_UNSUPPORTED", META, message, value=core.row_type)
    known = Known()
    if core is None:
        known.core = None
    # Measurements may point to occurrences, so those are read before them.
    for table in sorted(archive.tables, key=lambda t: (not t.is_core, t.row_type != OCCURRENCE)):
        missing = [file for file in table.files if file not in names]
        for file in missing:
            found.add("FILE_NOT_FOUND", META, f"{META} names {file}, which is not in the archive.", value=file)
        if missing:
            known.forget(table)
        else:
            TableCheck(container, table, archive, known, found).run()
