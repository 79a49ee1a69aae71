"""XML from others: read without document types, entities and endless nesting."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

from kso_utils.core.errors import MetadataError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 16 << 20
_MAX_DEPTH = 100


def parse_xml(data: bytes) -> Element:
    """Return the root of a document; names of elements are without their namespace.

    Raises
    ------
    MetadataError
        If it is not well-formed, declares a document type (entities may be hidden there), is nested deeper than any
        such document is, or is larger than 16 MiB.
    """
    if len(data) > MAX_BYTES:
        raise MetadataError(f"It is larger than {MAX_BYTES >> 20} MiB; such a document has a few thousand bytes.")
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise MetadataError(f"It is nested deeper than {_MAX_DEPTH} elements.")
        builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_local(name))

    def refuse(*_: object) -> None:
        raise MetadataError("It declares a document type, in which entities may be hidden; take the DOCTYPE out.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except MetadataError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise MetadataError(f"It is not well-formed XML ({error}).") from error
    return builder.close()


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
