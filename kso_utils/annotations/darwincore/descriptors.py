"""What meta.xml says about an archive's tables (Darwin Core text guide, http://rs.tdwg.org/dwc/terms/guides/text/)."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kso_utils.annotations.darwincore.containers import check_name
from kso_utils.annotations.darwincore.terms import TERMS, shorten_term
from kso_utils.core.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from kso_utils.annotations.darwincore.issues import Findings

META = "meta.xml"
_ESCAPES = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\f": "\f", "\\\\": "\\"}
_TEXT_CODECS = re.compile(r"ascii|utf-(8|16|32)|iso8859|latin|cp\d|mac-|koi8|gb|big5|euc|shift|johab|tis-620|kz1048")
_BY_LOWER = {shorten_term(term).lower(): term for term in sorted(TERMS)}


@dataclass(frozen=True)
class Table:
    """A table of an archive.

    Attributes
    ----------
    row_type
        What a row is: the address of a class.
    is_core
        Whether it is the core, or a table whose rows point to the core's.
    files
        The files that hold it, one after another.
    encoding, delimiter, quote, terminator
        How they are written; `quote` may be empty.
    header_lines
        How many lines to skip at the start of each file.
    id_index
        The column of the identifier of the core's row, None where meta.xml names none.
    columns
        Term -> column, counted from 0.
    defaults
        Term -> value of rows that have none in a column.
    unusable
        Terms that are described wrongly, so that nobody knows where they are.
    """

    row_type: str
    is_core: bool
    files: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    terminator: str = "\n"
    header_lines: int = 0
    id_index: int | None = None
    columns: dict[str, int] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    unusable: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The table's name in messages: its first file."""
        return self.files[0]

    @property
    def width(self) -> int:
        """How many columns a row has at least."""
        places = [*self.columns.values(), -1 if self.id_index is None else self.id_index]
        return max(places) + 1

    def title(self, place: int) -> str:
        """Return the term of a column, or its number where it has none."""
        return next((shorten_term(t) for t, p in self.columns.items() if p == place), f"column {place}")

    def has(self, term: str) -> bool:
        """Return whether rows have the term, in a column or by default, or were meant to."""
        return term in self.columns or bool(self.defaults.get(term)) or term in self.unusable


@dataclass(frozen=True)
class Archive:
    """The tables of an archive, and the name of the document about the dataset (None where none is named)."""

    core: Table | None
    extensions: tuple[Table, ...]
    document: str | None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The core and the extensions."""
        return ((self.core,) if self.core else ()) + self.extensions


def read_descriptor(root: Element, found: Findings) -> Archive:
    """Return what meta.xml describes, with a finding for everything it describes wrongly.

    A table that cannot be read as it is described is left out.

    Raises
    ------
    MetadataError
        If it describes no archive at all.
    UnsafeInput
        If it names a file outside the archive.
    """
    if root.tag != "archive":
        raise MetadataError(f"Its root is <{root.tag}>, not <archive>.")
    cores = root.findall("core")
    if len(cores) != 1:
        _complain(found, f"It describes {len(cores) or 'no'} cores; an archive has one.")
    core = _read_table(cores[0], True, found) if cores else None
    extensions = (_read_table(element, False, found) for element in root.findall("extension"))
    document = (root.get("metadata") or "").strip() or None
    if document and "://" not in document:
        check_name(document)
    return Archive(core, tuple(table for table in extensions if table), document)


def _read_table(element: Element, is_core: bool, found: Findings) -> Table | None:
    files = tuple(check_name(text) for e in element.findall("files/location") if (text := (e.text or "").strip()))
    row_type = (element.get("rowType") or "").strip()
    if not files:
        _complain(found, f"The <{element.tag}> of {shorten_term(row_type) or 'no row type'} names no file.")
        return None
    if not row_type:
        _complain(found, f"The table in {files[0]} has no rowType.")
        return None
    form = _read_form(element, files[0], found)
    if form is None:
        return None
    encoding, delimiter, quote, terminator, header_lines = form
    id_index = _read_id(element, is_core, files[0], found)
    columns, defaults, unusable = _read_fields(element, files[0], found)
    how = (encoding, delimiter, quote, terminator, header_lines)
    return Table(row_type, is_core, files, *how, id_index, columns, defaults, unusable)


def _read_form(element: Element, file: str, found: Findings) -> tuple[str, str, str, str, int] | None:
    """Return encoding, delimiter, quotation mark, line end and header lines, None where they cannot be used."""
    encoding = (element.get("encoding") or "UTF-8").strip()
    delimiter = _unescape(element.get("fieldsTerminatedBy", ","))
    quote = _unescape(element.get("fieldsEnclosedBy", '"'))
    terminator = _unescape(element.get("linesTerminatedBy", "\\n"))
    header = (element.get("ignoreHeaderLines") or "0").strip()
    wrong = [
        (not _is_text(encoding), "encoding", encoding, "which is no encoding of text"),
        (len(delimiter) != 1 or delimiter in "\r\n", "fieldsTerminatedBy", delimiter, "give one character"),
        (
            len(quote) > 1 or (quote and quote in "\r\n" + delimiter),
            "fieldsEnclosedBy",
            quote,
            "give one character or none",
        ),
        (not terminator, "linesTerminatedBy", terminator, "give the line end, as \\n"),
        (not _is_count(header), "ignoreHeaderLines", header, "give a number, as 1"),
    ]
    for bad, name, value, why in wrong:
        if bad:
            _complain(found, f"The {name} of {file} is {value!r}; {why}.", value)
    if any(bad for bad, *_ in wrong):
        return None
    # A byte order mark is no part of the first header.
    name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    return name, delimiter, quote, terminator, int(header)


def _read_id(element: Element, is_core: bool, file: str, found: Findings) -> int | None:
    tag = "id" if is_core else "coreid"
    place = element.find(tag)
    if place is None:
        if is_core:
            message = f"meta.xml does not say which column of {file} identifies a row: <id> is missing."
            found.add("RECORD_IDENTIFIER_NOT_FOUND", META, message)
        else:
            _complain(found, f"The table in {file} has no <coreid>, so its rows belong to nothing.")
        return None
    text = (place.get("index") or "").strip()
    if not _is_count(text):
        _complain(found, f"The index of <{tag}> of {file} is {text!r}; give the number of a column, from 0.", text)
        return None
    return int(text)


def _read_fields(element: Element, file: str, found: Findings) -> tuple[dict[str, int], dict[str, str], frozenset[str]]:
    columns: dict[str, int] = {}
    defaults: dict[str, str] = {}
    unusable: set[str] = set()
    for term, index, default in _fields(element):
        name = shorten_term(term)
        if not term or (index is None and default is None):
            what = "has no term" if not term else "has neither an index nor a default"
            _complain(found, f"A field {name!r} of {file} {what}.", term)
            unusable.add(term)
            continue
        if index is not None and not _is_count(index):
            _complain(found, f"The index of {name} of {file} is {index!r}; give the number of a column, from 0.", index)
            unusable.add(term)
            continue
        if term in columns or term in defaults:
            found.add("DUPLICATED_TERM", file, f"{name} is mapped twice.", column=name, value=term)
            continue
        if term not in TERMS:
            found.add("UNKNOWN_TERM", file, f"{term} is not known.{_suggest(name, term)}", column=name, value=term)
        if index is None:
            defaults[term] = default or ""
        else:
            columns[term] = int(index)
            if default:
                defaults[term] = default
    return columns, defaults, frozenset(unusable)


def _fields(element: Element) -> Iterator[tuple[str, str | None, str | None]]:
    for place in element.findall("field"):
        index = place.get("index")
        yield (place.get("term") or "").strip(), None if index is None else index.strip(), place.get("default")


def _suggest(name: str, term: str) -> str:
    near = _BY_LOWER.get(name.lower())
    return f" Was {near} meant?" if near and near != term else ""


def _complain(found: Findings, message: str, value: str = "") -> None:
    found.add("DWCA_META_XML_SCHEMA", META, message, value=value)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7


def _is_text(encoding: str) -> bool:
    try:
        return _TEXT_CODECS.match(codecs.lookup(encoding).name) is not None
    except (LookupError, ValueError):
        return False


def _unescape(text: str) -> str:
    return re.sub(r"\\.", lambda m: _ESCAPES.get(m[0], m[0]), text)
