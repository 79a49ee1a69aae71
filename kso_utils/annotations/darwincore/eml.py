"""The description of a data set in the Ecological Metadata Language, as GBIF's profile 1.1 has it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from kso_utils.annotations.darwincore.dataset import LICENCES
from kso_utils.annotations.darwincore.packing import format_xml
from kso_utils.annotations.darwincore.text import plain, say_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from kso_utils.annotations.darwincore.dataset import Dataset, Person

_EML = "eml://ecoinformatics.org/eml-2.1.1"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_PROFILE = f"{_EML} http://rs.gbif.org/schema/eml-gbif-profile/1.1/eml.xsd"
_TYPES = "GBIF Dataset Type Vocabulary: http://rs.gbif.org/vocabulary/gbif/dataset_type.xml"
_XML = "{http://www.w3.org/XML/1998/namespace}lang"


def format_eml(
    dataset: Dataset,
    events: pd.DataFrame,
    terms: Mapping[str, Mapping[str, str]],
    published: str,
    version: str,
    provenance: Mapping[str, Any],
) -> bytes:
    """Return `eml.xml`.

    Parameters
    ----------
    dataset
        The data set; it has been validated.
    events
        The rows of the core.
    terms
        Taxon -> its terms, for the taxa that occur.
    published
        The day of publication, as `2026-11-21`.
    version
        What this export is known by.
    provenance
        Software, versions and runs behind the data; JSON values.
    """
    ET.register_namespace("eml", _EML)
    ET.register_namespace("xsi", _XSI)
    root = ET.Element(f"{{{_EML}}}eml", {_XML: dataset.language})
    root.set(f"{{{_XSI}}}schemaLocation", _PROFILE)
    root.attrib |= {"packageId": plain(f"{dataset.dataset_id}/{version}"), "system": "http://gbif.org"}
    root.set("scope", "system")
    body = ET.SubElement(root, "dataset")
    _write(body, "alternateIdentifier", dataset.dataset_id)
    _write(body, "title", dataset.title).set(_XML, dataset.language)
    _party(body, "creator", dataset.creator)
    _party(body, "metadataProvider", dataset.answering)
    if dataset.rights_holder:
        holder = ET.SubElement(body, "associatedParty")
        _write(holder, "organizationName", dataset.rights_holder)
        _write(holder, "role", "owner")
    _write(body, "pubDate", published)
    _write(body, "language", dataset.language)
    _write(ET.SubElement(body, "abstract"), "para", dataset.description)
    words = ET.SubElement(body, "keywordSet")
    _write(words, "keyword", "Samplingevent")
    _write(words, "keywordThesaurus", _TYPES)
    _licence(body, dataset)
    coverage = ET.SubElement(body, "coverage")
    _geography(coverage, events)
    _time(coverage, events)
    _taxa(coverage, terms)
    _party(body, "contact", dataset.answering)
    _methods(body, events, provenance)
    project = ET.SubElement(body, "project")
    _write(project, "title", dataset.title)
    _write(_party(project, "personnel", dataset.creator), "role", "author")
    _more(root, published, provenance)
    return format_xml(root)


def _write(parent: ET.Element, name: str, text: Any) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = plain(text)
    return element


def _party(parent: ET.Element, name: str, person: Person) -> ET.Element:
    party = ET.SubElement(parent, name)
    if person.name.strip():
        given, _, surname = person.name.strip().rpartition(" ")
        individual = ET.SubElement(party, "individualName")
        if given:
            _write(individual, "givenName", given)
        _write(individual, "surName", surname)
    if person.organisation:
        _write(party, "organizationName", person.organisation)
    if person.email:
        _write(party, "electronicMailAddress", person.email)
    return party


def _licence(body: ET.Element, dataset: Dataset) -> None:
    address, name = LICENCES[dataset.spdx]
    para = ET.SubElement(ET.SubElement(body, "intellectualRights"), "para")
    para.text = "This work is licensed under a "
    link = ET.SubElement(para, "ulink", {"url": address})
    _write(link, "citetitle", name)
    link.tail = "."


def _geography(coverage: ET.Element, events: pd.DataFrame) -> None:
    places = events[events["eventType"] == "Deployment"]
    part = ET.SubElement(coverage, "geographicCoverage")
    names = list(dict.fromkeys(name for name in places["locality"] if name))
    _write(part, "geographicDescription", "; ".join(names) or "Places of the deployments")
    box = ET.SubElement(part, "boundingCoordinates")
    latitude = places["decimalLatitude"].astype(float)
    west, east = span_longitudes(places["decimalLongitude"].astype(float).tolist())
    bounds = {"west": west, "east": east, "north": latitude.max(), "south": latitude.min()}
    for side, value in bounds.items():
        _write(box, f"{side}BoundingCoordinate", float(value))


def span_longitudes(degrees: Sequence[float]) -> tuple[float, float]:
    """Return the west and east of the shortest stretch that holds all longitudes; west > east across the date line."""
    ordered = sorted(set(degrees))
    gaps = [(following - one, following, one) for one, following in pairwise(ordered)]
    around = (ordered[0] + 360 - ordered[-1], ordered[0], ordered[-1])
    _, west, east = max([around, *gaps], key=lambda gap: gap[0])
    return west, east


def _time(coverage: ET.Element, events: pd.DataFrame) -> None:
    first, _, last = say_days(events["eventDate"]).partition("/")
    part = ET.SubElement(coverage, "temporalCoverage")
    if not last:
        _write(ET.SubElement(part, "singleDateTime"), "calendarDate", first)
        return
    span = ET.SubElement(part, "rangeOfDates")
    _write(ET.SubElement(span, "beginDate"), "calendarDate", first)
    _write(ET.SubElement(span, "endDate"), "calendarDate", last)


def _taxa(coverage: ET.Element, terms: Mapping[str, Mapping[str, str]]) -> None:
    if not terms:
        return
    part = ET.SubElement(coverage, "taxonomicCoverage")
    for name in sorted(terms):
        taxon = ET.SubElement(part, "taxonomicClassification")
        if terms[name]["taxonRank"]:
            _write(taxon, "taxonRankName", terms[name]["taxonRank"])
        _write(taxon, "taxonRankValue", name)
        if terms[name]["vernacularName"]:
            _write(taxon, "commonName", terms[name]["vernacularName"])


def _methods(body: ET.Element, events: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    methods = ET.SubElement(body, "methods")
    software = f"kso_utils {provenance['versions']['kso_utils']}"
    steps = [
        "Underwater movies were examined by volunteers, by a model, or by both; each has occurrences of its own. "
        "The number of individuals is MaxN: the most of a taxon in any one frame, or for clips the volunteers' median "
        "answer. A taxon is called absent where somebody looked, it could have been answered, and nothing hints at it.",
        f"The archive was made by {software}; provenance.json in it names runs, parameters and versions.",
    ]
    for text in steps:
        _write(ET.SubElement(ET.SubElement(methods, "methodStep"), "description"), "para", text)
    sampling = ET.SubElement(methods, "sampling")
    extent = ET.SubElement(ET.SubElement(sampling, "studyExtent"), "description")
    kinds = events["eventType"].value_counts()
    counted = ", ".join(f"{kinds[kind]} x {kind}" for kind in ("Survey", "Deployment", "Sample") if kind in kinds)
    _write(extent, "para", f"Events: {counted}.")
    protocols = "; ".join(dict.fromkeys(events["samplingProtocol"]))
    _write(ET.SubElement(sampling, "samplingDescription"), "para", protocols)


def _more(root: ET.Element, published: str, provenance: Mapping[str, Any]) -> None:
    gbif = ET.SubElement(ET.SubElement(ET.SubElement(root, "additionalMetadata"), "metadata"), "gbif")
    _write(gbif, "dateStamp", f"{published}T00:00:00Z")
    _write(gbif, "hierarchyLevel", "dataset")
    own = ET.SubElement(ET.SubElement(root, "additionalMetadata"), "metadata")
    _write(own, "provenance", json.dumps(provenance, sort_keys=True, ensure_ascii=False, default=str))
