"""What the document about the dataset (EML) must say for GBIF to take it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from kso_utils.annotations.darwincore.issues import Findings

MIN_TITLE = 10
MIN_DESCRIPTION = 25
_LICENCES = re.compile(
    r"creativecommons\.org/(publicdomain/zero/1\.0|licenses/by/4\.0|licenses/by-nc/4\.0)(?![\w-])"
    r"|\bCC0[ -]1\.0\b|\bCC[ -]BY(-NC)?[ -]4\.0\b"
    r"|\bCC0\b(?![ -]\d)",
    re.I,
)


def check_document(root: Element, file: str, found: Findings) -> None:
    """Check title, description, licence, contacts and creators.

    Parameters
    ----------
    root
        The document, its elements without namespaces.
    file
        Its name.
    found
        Takes the findings.
    """
    dataset = root.find("dataset")
    if root.tag != "eml" or dataset is None:
        message = f"Its root is <{root.tag}>; it must be <eml:eml> with a <dataset> in it."
        found.add("EML_GBIF_SCHEMA", file, message, value=root.tag)
        return
    title, description = _text(dataset.find("title")), _text(dataset.find("abstract"))
    if len(title) < MIN_TITLE:
        message = f"The title is {title!r}." if title else "There is no title."
        found.add("TITLE_MISSING_OR_TOO_SHORT", file, message, column="title", value=title)
    if len(description) < MIN_DESCRIPTION:
        message = f"The abstract is {description!r}." if description else "There is no abstract."
        found.add("DESCRIPTION_MISSING_OR_TOO_SHORT", file, message, column="abstract", value=description)
    _check_licence(dataset, file, found)
    _check_people(dataset, file, found)


def _check_licence(dataset: Element, file: str, found: Findings) -> None:
    places = [*dataset.findall("intellectualRights"), *dataset.findall("licensed")]
    said = " ".join(_text(place) for place in places)
    addresses = " ".join(link.get("url", "") for place in places for link in place.iter())
    if not _LICENCES.search(f"{said} {addresses}"):
        message = f"The licence is {said!r}." if said else "There is no licence."
        found.add("LICENSE_MISSING_OR_UNKNOWN", file, message, column="intellectualRights", value=said)


def _check_people(dataset: Element, file: str, found: Findings) -> None:
    contacts = dataset.findall("contact")
    if not any(_is_named(c) and "@" in _text(c.find("electronicMailAddress")) for c in contacts):
        message = "No contact has both a name and an e-mail address." if contacts else "There is no contact."
        found.add("RESOURCE_CONTACTS_MISSING_OR_INCOMPLETE", file, message, column="contact")
    creators = dataset.findall("creator")
    if not creators or not all(_is_named(c) for c in creators):
        message = "A creator has no name." if creators else "There is no creator."
        found.add("RESOURCE_CREATOR_MISSING_OR_INCOMPLETE", file, message, column="creator")


def _is_named(party: Element) -> bool:
    return any(_text(party.find(place)) for place in ("individualName/surName", "organizationName"))


def _text(element: Element | None) -> str:
    return "" if element is None else " ".join(" ".join(element.itertext()).split())
