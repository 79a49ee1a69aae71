"""A small archive without a flaw, written with the standard library, that tests then break."""

import csv
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from kso_utils.annotations.darwincore.terms import (
    EVENT,
    EXTENDED_MEASUREMENT,
    MULTIMEDIA,
    OCCURRENCE,
    expand_term,
)
from tests.annotations.darwincore.known_store import dataset, model, reef, reef_file  # noqa: F401 - fixtures

EML = """<?xml version="1.0" encoding="UTF-8"?>
<eml:eml xmlns:eml="https://eml.ecoinformatics.org/eml-2.2.0" packageId="p1" system="http://gbif.org">
 <dataset>
  <title>Fish and corals on reefs of the west coast</title>
  <creator><individualName><givenName>Anna</givenName><surName>Berg</surName></individualName></creator>
  <abstract><para>Movies of baited cameras, watched by citizen scientists.</para></abstract>
  <intellectualRights><para>This work is licensed under a
   <ulink url="http://creativecommons.org/licenses/by/4.0/legalcode"><citetitle>CC-BY 4.0</citetitle></ulink>
  </para></intellectualRights>
  <contact><organizationName>Marine Station</organizationName>
   <electronicMailAddress>data@example.org</electronicMailAddress></contact>
 </dataset>
</eml:eml>
"""

PLACE = {
    "decimalLatitude": "58.8791",
    "decimalLongitude": "11.1074",
    "geodeticDatum": "EPSG:4326",
    "coordinateUncertaintyInMeters": "30",
    "coordinatePrecision": "0.0001",
    "countryCode": "SE",
    "minimumDepthInMeters": "10",
    "maximumDepthInMeters": "20.5",
}
_DATE = {"eventDate": "2016-05-21T09:30:00Z", "year": "2016", "month": "5"}
_EFFORT = {
    "samplingProtocol": "baited camera",
    "sampleSizeValue": "300",
    "sampleSizeUnit": "second",
    "samplingEffort": "2 clips of 10 s",
}
_NOTHING = dict.fromkeys([*PLACE, *_DATE, *_EFFORT], "")
_NAME = {
    "occurrenceStatus": "present",
    "basisOfRecord": "MachineObservation",
    "scientificName": "Gadus morhua",
    "scientificNameID": "urn:lsid:marinespecies.org:taxname:126436",
    "taxonRank": "species",
    "kingdom": "Animalia",
    "individualCount": "2",
}
_MEASURED = {
    "measurementType": "time of first arrival",
    "measurementTypeID": "http://vocab.nerc.ac.uk/collection/P01/current/AZDRZZ01/",
    "measurementValue": "12.4",
    "measurementUnit": "s",
    "measurementUnitID": "http://vocab.nerc.ac.uk/collection/P06/current/UTBB/",
}
_MEDIUM = {
    "dcterms:identifier": "m1",
    "ac:accessURI": "https://example.org/m1.mp4",
    "dcterms:format": "video/mp4",
    "xmp:CreateDate": "2016-05-21T09:30:00Z",
    "ac:xFrac": "",
    "ac:yFrac": "",
    "ac:widthFrac": "",
    "ac:heightFrac": "",
    "ac:startTime": "",
    "ac:endTime": "",
}


@dataclass
class Table:
    """A table: how it is written and its rows; the first column is the identifier of the core's row."""

    row_type: str
    rows: list[dict[str, str]]
    attributes: dict[str, str] = field(
        default_factory=lambda: {
            "encoding": "UTF-8",
            "fieldsTerminatedBy": "\\t",
            "linesTerminatedBy": "\\n",
            "fieldsEnclosedBy": "",
            "ignoreHeaderLines": "1",
        }
    )
    delimiter: str = "\t"
    quote: str = ""
    encoding: str = "utf-8"
    terminator: str = "\n"
    raw: bytes | None = None
    """The file's bytes, where they are not made from the rows."""

    def data(self) -> bytes:
        buffer = io.StringIO()
        quoting = csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE
        writer = csv.writer(
            buffer,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=quoting,
            lineterminator=self.terminator,
        )
        writer.writerow(["id", *(name.rpartition(":")[2] for name in list(self.rows[0])[1:])])
        writer.writerows(row.values() for row in self.rows)
        return buffer.getvalue().encode(self.encoding)

    def drop(self, name: str) -> None:
        for row in self.rows:
            del row[name]


@dataclass
class GoodArchive:
    """An archive without a flaw."""

    tables: dict[str, Table]
    eml: str | None = EML
    core: str = "event.txt"
    document: str | None = "eml.xml"
    meta: str | None = None
    """meta.xml, where it is not made from the tables."""
    more: dict[str, bytes] = field(default_factory=dict)

    @property
    def events(self) -> list[dict[str, str]]:
        return self.tables["event.txt"].rows

    @property
    def occurrences(self) -> list[dict[str, str]]:
        return self.tables["occurrence.txt"].rows

    @property
    def measurements(self) -> list[dict[str, str]]:
        return self.tables["emof.txt"].rows

    @property
    def media(self) -> list[dict[str, str]]:
        return self.tables["multimedia.txt"].rows

    def meta_xml(self) -> str:
        if self.meta is not None:
            return self.meta
        document = f" metadata={quoteattr(self.document)}" if self.document else ""
        parts = [f'<archive xmlns="http://rs.tdwg.org/dwc/text/"{document}>']
        for name, table in self.tables.items():
            tag, key = ("core", "id") if name == self.core else ("extension", "coreid")
            attributes = " ".join(f"{k}={quoteattr(v)}" for k, v in table.attributes.items())
            parts.append(f"<{tag} {attributes} rowType={quoteattr(table.row_type)}>")
            parts.append(f'<files><location>{name}</location></files><{key} index="0"/>')
            for index, column in enumerate(table.rows[0]):
                if column != "coreid":
                    term = column if "//" in column else expand_term(column)
                    parts.append(f'<field index="{index}" term={quoteattr(term)}/>')
            parts.append(f"</{tag}>")
        return "\n".join([*parts, "</archive>"])

    def files(self) -> dict[str, bytes]:
        files = {"meta.xml": self.meta_xml().encode()}
        if self.eml is not None:
            files["eml.xml"] = self.eml.encode()
        for name, table in self.tables.items():
            files[name] = table.data() if table.raw is None else table.raw
        return {**files, **self.more}

    def save_zip(self, path: Path) -> Path:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in self.files().items():
                file.writestr(name, data)
        return path

    def save_folder(self, path: Path) -> Path:
        for name, data in self.files().items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path


def good_archive() -> GoodArchive:
    """Return an event core with a survey, a deployment and two samples, occurrences, measurements and media."""
    top = {"eventID": "survey1", "parentEventID": "", "eventType": "Survey", **_NOTHING}
    events = [
        top,
        {"eventID": "movie1", "parentEventID": "survey1", "eventType": "Deployment", **PLACE, **_DATE, **_EFFORT},
        {"eventID": "movie1:0", "parentEventID": "movie1", "eventType": "Sample", **PLACE, **_DATE, **_EFFORT},
        {"eventID": "movie1:1", "parentEventID": "movie1", "eventType": "Sample", **PLACE, **_DATE, **_EFFORT},
    ]
    absent = {**_NAME, "occurrenceStatus": "absent", "individualCount": "0"}
    occurrences = [
        {"coreid": "movie1:0", "occurrenceID": "o1", **_NAME},
        {"coreid": "movie1:1", "occurrenceID": "o2", **absent},
        {"coreid": "movie1:1", "occurrenceID": "o3", **_NAME},
    ]
    measurements = [
        {"coreid": "movie1:0", "occurrenceID": "o1", **_MEASURED},
        {"coreid": "movie1", "occurrenceID": "", **_MEASURED},
    ]
    region = {"ac:xFrac": "0.25", "ac:yFrac": "0.5", "ac:widthFrac": "0.5", "ac:heightFrac": "0.5"}
    media = [
        {"coreid": "movie1", **_MEDIUM},
        {"coreid": "movie1:0", **_MEDIUM, **region, "ac:startTime": "4.2", "ac:endTime": "4.2"},
    ]
    tables = {
        "event.txt": Table(EVENT, events),
        "occurrence.txt": Table(OCCURRENCE, occurrences),
        "emof.txt": Table(EXTENDED_MEASUREMENT, measurements),
        "multimedia.txt": Table(MULTIMEDIA, media),
    }
    return GoodArchive(tables)


def occurrence_archive() -> GoodArchive:
    """Return a core of two occurrences, each with its own date and place."""
    rows = [{"occurrenceID": f"o{n}", **_NAME, **PLACE, **_DATE, "samplingProtocol": "baited camera"} for n in range(2)]
    return GoodArchive({"occurrence.txt": Table(OCCURRENCE, rows)}, core="occurrence.txt")


@pytest.fixture
def archive() -> GoodArchive:
    return good_archive()


@pytest.fixture
def flat_archive() -> GoodArchive:
    return occurrence_archive()
