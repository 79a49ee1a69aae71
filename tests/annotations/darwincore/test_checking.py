"""Every planted defect is found by its code, and by no other error."""

import csv
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from dwca.read import DwCAReader

from kso_utils.annotations.darwincore import check
from kso_utils.annotations.darwincore.issues import ISSUES, MAX_ALIKE
from kso_utils.core.errors import NotFound


def _event(row, **cells):
    return lambda archive: archive.events[row].update(cells)


def _occurrence(row, **cells):
    return lambda archive: archive.occurrences[row].update(cells)


def _measurement(row, **cells):
    return lambda archive: archive.measurements[row].update(cells)


def _medium(row, **cells):
    return lambda archive: archive.media[row].update({f"ac:{name}": value for name, value in cells.items()})


def _eml(old, new):
    def change(archive):
        assert old in archive.eml
        archive.eml = archive.eml.replace(old, new)

    return change


def _meta(old, new):
    def change(archive):
        meta = archive.meta_xml()
        assert old in meta
        archive.meta = meta.replace(old, new)

    return change


def _set(**attributes):
    def change(archive):
        for name, value in attributes.items():
            setattr(archive, name, value)

    return change


def _bytes(file, old, new):
    def change(archive):
        data = archive.tables[file].data()
        assert old in data
        archive.tables[file].raw = data.replace(old, new)

    return change


def _drop(file, name):
    return lambda archive: archive.tables[file].drop(name)


def _rename(file, old, new):
    def change(archive):
        archive.tables[file].rows[:] = [
            {new if k == old else k: v for k, v in row.items()} for row in archive.tables[file].rows
        ]

    return change


def _remove(file):
    def change(archive):
        archive.meta = archive.meta_xml()
        del archive.tables[file]

    return change


def _empty(file):
    def change(archive):
        header = archive.tables[file].data().split(b"\n")[0]
        archive.tables[file].raw = header + b"\n"
        for name in archive.tables:
            if name != file:
                archive.tables[name].raw = archive.tables[name].data().split(b"\n")[0] + b"\n"

    return change


def _unreadable(archive):
    archive.tables["occurrence.txt"].quote = '"'
    archive.tables["occurrence.txt"].attributes["fieldsEnclosedBy"] = '"'
    data = archive.tables["occurrence.txt"].data()
    archive.tables["occurrence.txt"].raw = data.replace(b"\to3\t", b'\t"o3"x\t')


def _licence(archive):
    archive.eml = archive.eml.replace("by/4.0", "by-nd/4.0").replace("CC-BY 4.0", "CC-BY-ND 4.0")


def _cycle(archive):
    archive.events[2]["parentEventID"], archive.events[3]["parentEventID"] = "movie1:1", "movie1:0"


DEFECTS = {
    "no meta.xml": ("DWCA_META_XML_NOT_FOUND", None),
    "meta.xml is cut off": ("DWCA_META_XML_SCHEMA", _meta("</archive>", "")),
    "meta.xml has another root": ("DWCA_META_XML_SCHEMA", _set(meta="<archives/>")),
    "meta.xml has no core": ("DWCA_META_XML_SCHEMA", _set(meta='<archive metadata="eml.xml"/>')),
    "an index is a word": ("DWCA_META_XML_SCHEMA", _meta('<field index="3"', '<field index="three"')),
    "a field has neither index nor default": ("DWCA_META_XML_SCHEMA", _meta('<field index="3"', "<field")),
    "the encoding is none": ("DWCA_META_XML_SCHEMA", _meta('encoding="UTF-8"', 'encoding="zlib_codec"')),
    "the delimiter is long": (
        "DWCA_META_XML_SCHEMA",
        _meta('fieldsTerminatedBy="\\t"', 'fieldsTerminatedBy="||"'),
    ),
    "an extension has no coreid": ("DWCA_META_XML_SCHEMA", _meta('<coreid index="0"/>', "")),
    "a table has no row type": ("DWCA_META_XML_SCHEMA", _meta("rowType=", "type=")),
    "the core is of taxa": ("CORE_ROWTYPE_UNSUPPORTED", _meta("terms/Event", "terms/Taxon")),
    "a row type is misspelled": ("UNKNOWN_ROWTYPE", _meta("ac/terms/Multimedia", "ac/terms/MultiMedia")),
    "a file is missing": ("FILE_NOT_FOUND", _remove("emof.txt")),
    "the core is missing": ("FILE_NOT_FOUND", _remove("event.txt")),
    "a file is not described": ("FILE_NOT_DESCRIBED", _set(more={"notes.txt": b"x"})),
    "a quotation mark is wrong": ("UNREADABLE_SECTION_ERROR", _unreadable),
    "bytes are of another encoding": ("ENCODING_INVALID", _bytes("event.txt", b"baited", "köder".encode("latin-1"))),
    "all tables are empty": ("NO_RECORDS", _empty("event.txt")),
    "a line is short": ("COLUMN_MISMATCH", _bytes("occurrence.txt", b"\tAnimalia\t2\n", b"\tAnimalia\n")),
    "a line is long": ("COLUMN_MISMATCH", _bytes("occurrence.txt", b"\tAnimalia\t2\n", b"\tAnimalia\t2\t\n")),
    "the mapping of two columns is swapped": (
        "HEADER_MISMATCH",
        _bytes("event.txt", b"decimalLatitude\tdecimalLongitude", b"decimalLongitude\tdecimalLatitude"),
    ),
    "no basis of record": ("REQUIRED_TERM_MISSING", _drop("occurrence.txt", "basisOfRecord")),
    "no sampling protocol": ("REQUIRED_TERM_MISSING", _drop("event.txt", "samplingProtocol")),
    "no measured value": ("REQUIRED_TERM_MISSING", _drop("emof.txt", "measurementValue")),
    "no country": ("RECOMMENDED_TERM_MISSING", _drop("event.txt", "countryCode")),
    "no name identifier": ("RECOMMENDED_TERM_MISSING", _drop("occurrence.txt", "scientificNameID")),
    "a term is misspelled": (
        "UNKNOWN_TERM",
        _rename("event.txt", "samplingEffort", "http://rs.tdwg.org/dwc/terms/SamplingEffort"),
    ),
    "a term is there twice": ("DUPLICATED_TERM", _meta("terms/month", "terms/year")),
    "no identifier of the core": ("RECORD_IDENTIFIER_NOT_FOUND", _meta('<id index="0"/>', "")),
    "an event without identifier": (
        "RECORD_IDENTIFIER_NOT_FOUND",
        lambda archive: archive.events.append({**archive.events[1], "eventID": ""}),
    ),
    "an occurrence without identifier": (
        "RECORD_IDENTIFIER_NOT_FOUND",
        lambda archive: archive.occurrences.append({**archive.occurrences[0], "occurrenceID": ""}),
    ),
    "an event twice": (
        "RECORD_NOT_UNIQUELY_IDENTIFIED",
        lambda archive: archive.events.append({**archive.events[1]}),
    ),
    "an occurrence twice": ("OCCURRENCE_NOT_UNIQUELY_IDENTIFIED", _occurrence(2, occurrenceID="o1")),
    "an occurrence of no event": ("RECORD_REFERENTIAL_INTEGRITY_VIOLATION", _occurrence(0, coreid="movie9")),
    "a measurement of no occurrence": ("RECORD_REFERENTIAL_INTEGRITY_VIOLATION", _measurement(0, occurrenceID="o9")),
    "a parent that is not there": ("RECORD_REFERENTIAL_INTEGRITY_VIOLATION", _event(2, parentEventID="movie9")),
    "events in a circle": ("PARENT_EVENT_CYCLE", _cycle),
    "an event is its own parent": ("PARENT_EVENT_CYCLE", _event(2, parentEventID="movie1:0")),
    "a child leaves place and date to its parent": (
        "EVENT_RELIES_ON_PARENT",
        _event(2, decimalLatitude="", decimalLongitude="", eventDate=""),
    ),
    "a child leaves its date to its parent": ("EVENT_RELIES_ON_PARENT", _event(3, eventDate="")),
    "an event alone has no date": ("REQUIRED_VALUE_EMPTY", _event(3, parentEventID="", eventDate="")),
    "an occurrence of a survey without place": ("REQUIRED_VALUE_EMPTY", _occurrence(0, coreid="survey1")),
    "no scientific name": ("REQUIRED_VALUE_EMPTY", _occurrence(1, scientificName="")),
    "no type of a measurement": ("REQUIRED_VALUE_EMPTY", _measurement(1, measurementType="")),
    "null island": ("ZERO_COORDINATE", _event(2, decimalLatitude="0", decimalLongitude="0.0")),
    "a latitude of 91": ("COORDINATE_OUT_OF_RANGE", _event(2, decimalLatitude="91", decimalLongitude="111.0")),
    "a longitude of 181": ("COORDINATE_OUT_OF_RANGE", _event(2, decimalLongitude="-181")),
    "a decimal comma": ("COORDINATE_INVALID", _event(2, decimalLatitude="58,8791")),
    "half a position": ("COORDINATE_INVALID", _event(2, decimalLongitude="")),
    "swapped coordinates": (
        "PRESUMED_SWAPPED_COORDINATE",
        _event(2, decimalLatitude="174.8", decimalLongitude="-41.3"),
    ),
    "an uncertainty of 0 m": ("COORDINATE_UNCERTAINTY_METERS_INVALID", _event(2, coordinateUncertaintyInMeters="0")),
    "a precision of 2 degrees": ("COORDINATE_PRECISION_INVALID", _event(2, coordinatePrecision="2")),
    "a datum of one's own": ("GEODETIC_DATUM_INVALID", _event(2, geodeticDatum="GPS")),
    "no datum": ("GEODETIC_DATUM_ASSUMED_WGS84", _event(2, geodeticDatum="")),
    "a country by name": ("COUNTRY_INVALID", _event(2, countryCode="Sweden")),
    "a depth with its unit": ("DEPTH_NON_NUMERIC", _event(2, minimumDepthInMeters="10 m")),
    "swapped depths": ("DEPTH_MIN_MAX_SWAPPED", _event(2, minimumDepthInMeters="30")),
    "a depth of 12 km": ("DEPTH_UNLIKELY", _event(2, maximumDepthInMeters="12000")),
    "a date with slashes": ("RECORDED_DATE_INVALID", _event(2, eventDate="21/05/2016", year="", month="")),
    "a date with zero parts": ("RECORDED_DATE_INVALID", _event(2, eventDate="2016-05-00")),
    "a date in the future": ("RECORDED_DATE_UNLIKELY", _event(2, eventDate="2999-05-21", year="", month="")),
    "a date of 1066": ("RECORDED_DATE_UNLIKELY", _event(2, eventDate="1066-10-14", year="", month="")),
    "another year": ("RECORDED_DATE_MISMATCH", _event(2, year="2017")),
    "a basis of one's own": ("BASIS_OF_RECORD_INVALID", _occurrence(0, basisOfRecord="Video")),
    "a status of yes": ("OCCURRENCE_STATUS_UNPARSABLE", _occurrence(0, occurrenceStatus="yes")),
    "half an animal": ("INDIVIDUAL_COUNT_INVALID", _occurrence(0, individualCount="2.5")),
    "absent ones counted": (
        "INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS",
        _occurrence(1, individualCount="3"),
    ),
    "present, none counted": (
        "INDIVIDUAL_COUNT_CONFLICTS_WITH_OCCURRENCE_STATUS",
        _occurrence(0, individualCount="0"),
    ),
    "a label that is no taxon": ("TAXON_MATCH_NONE", _occurrence(0, scientificName="Unknown 1")),
    "no identifier of a name": ("SCIENTIFIC_NAME_ID_MISSING", _occurrence(0, scientificNameID="")),
    "a bare AphiaID": ("SCIENTIFIC_NAME_ID_INVALID", _occurrence(0, scientificNameID="126436")),
    "a sample size without unit": ("SAMPLE_SIZE_INVALID", _event(2, sampleSizeUnit="")),
    "a sample size of 0": ("SAMPLE_SIZE_INVALID", _event(2, sampleSizeValue="0")),
    "a measurement without concept": ("MEASUREMENT_TYPE_ID_MISSING", _measurement(0, measurementTypeID="")),
    "a concept by its code": ("MEASUREMENT_ID_INVALID", _measurement(0, measurementUnitID="UTBB")),
    "a medium on a disk": ("MULTIMEDIA_URI_INVALID", _medium(0, accessURI="movies/m1.mp4")),
    "a region beyond the picture": ("REGION_INVALID", _medium(1, widthFrac="0.8")),
    "a region in pixels": ("REGION_INVALID", _medium(1, xFrac="640")),
    "a region that ends before it starts": ("REGION_INVALID", _medium(1, endTime="4.1")),
    "no document": ("EML_NOT_FOUND", _set(document=None, eml=None)),
    "the document is missing": ("EML_NOT_FOUND", _set(eml=None)),
    "the document is cut off": ("EML_GBIF_SCHEMA", _eml("</dataset>", "")),
    "the document is of another kind": ("EML_GBIF_SCHEMA", _set(eml="<html/>")),
    "a short title": ("TITLE_MISSING_OR_TOO_SHORT", _eml("Fish and corals on reefs of the west coast", "Fish")),
    "a short description": (
        "DESCRIPTION_MISSING_OR_TOO_SHORT",
        _eml("Movies of baited cameras, watched by citizen scientists.", "Movies."),
    ),
    "a licence that GBIF does not take": ("LICENSE_MISSING_OR_UNKNOWN", _licence),
    "a contact without address": (
        "RESOURCE_CONTACTS_MISSING_OR_INCOMPLETE",
        _eml("data@example.org", "by letter"),
    ),
    "a creator without a name": (
        "RESOURCE_CREATOR_MISSING_OR_INCOMPLETE",
        _eml("<surName>Berg</surName>", ""),
    ),
}


def _codes(report):
    return {finding.code for finding in report}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found_by_its_code_and_by_no_other_error(defect, archive, tmp_path):
    code, plant = DEFECTS[defect]
    if plant is None:
        path = archive.save_folder(tmp_path / "archive")
        (path / "meta.xml").unlink()
    else:
        plant(archive)
        path = archive.save_zip(tmp_path / "archive.zip")
    report = check(path)
    assert code in _codes(report), str(report)
    assert {f.code for f in report if f.severity == "error"} <= {code}, str(report)


def test_every_code_but_those_of_single_columns_is_planted():
    planted = {code for code, _ in DEFECTS.values()}
    elsewhere = {"DWCA_UNREADABLE", "IDENTIFIED_DATE_INVALID", "MODIFIED_DATE_INVALID", "MULTIMEDIA_DATE_INVALID"}
    assert set(ISSUES) - planted == elsewhere


def test_eighty_defects_and_more_are_planted_thirty_would_do():
    assert len(DEFECTS) > 80


def test_a_name_without_identifier_is_told_once_and_not_in_every_row(archive, tmp_path):
    for row in archive.occurrences[:2]:
        row["scientificNameID"] = ""
    archive.occurrences[1]["scientificName"] = archive.occurrences[0]["scientificName"]
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    assert [(f.code, f.row) for f in report] == [("SCIENTIFIC_NAME_ID_MISSING", 2)]


def test_a_recommended_column_without_any_value_is_as_good_as_none(archive, tmp_path):
    for event in archive.events:
        event["coordinateUncertaintyInMeters"] = ""
    (finding,) = check(archive.save_zip(tmp_path / "archive.zip"))
    assert (finding.code, finding.column) == ("RECOMMENDED_TERM_MISSING", "coordinateUncertaintyInMeters")
    assert "empty in every row" in finding.message


@pytest.mark.parametrize("place", ["zip", "folder"])
def test_an_archive_without_a_flaw_has_no_finding(place, archive, flat_archive, tmp_path):
    for name, good in (("event", archive), ("occurrence", flat_archive)):
        path = tmp_path / f"{name}.{place}"
        report = check(good.save_zip(path) if place == "zip" else good.save_folder(path))
        assert len(report) == 0, str(report)


def test_another_reader_reads_the_archive_that_passes(archive, tmp_path):
    with DwCAReader(str(archive.save_zip(tmp_path / "archive.zip"))) as reader:
        assert len(reader.rows) == 4
        assert [len(row.extensions) for row in reader.rows] == [0, 2, 3, 2]
        assert reader.metadata is not None


@pytest.mark.parametrize(
    ("encoding", "delimiter", "escaped", "quote", "terminator"),
    [
        ("utf-8", ",", ",", '"', "\n"),
        ("utf-8-sig", ";", ";", "'", "\r\n"),
        ("utf-16", "\t", "\\t", "", "\n"),
        ("iso-8859-1", "|", "|", "", "\r"),
        ("utf-8", "\t", "\\t", "", "@@"),
    ],
)
def test_tables_are_read_as_meta_xml_says_that_they_are_written(
    encoding, delimiter, escaped, quote, terminator, archive, tmp_path
):
    for table in archive.tables.values():
        table.encoding, table.delimiter, table.quote, table.terminator = encoding, delimiter, quote, terminator
        table.attributes |= {
            "encoding": encoding.removesuffix("-sig"),
            "fieldsTerminatedBy": escaped,
            "fieldsEnclosedBy": quote,
            "linesTerminatedBy": terminator.replace("\r", "\\r").replace("\n", "\\n"),
        }
    for event in archive.events[1:]:
        event["samplingEffort"] = "2 clips å 10 s" if not quote else f"2 clips{delimiter}\nå {quote}10{quote} s"
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    assert len(report) == 0, str(report)


def test_a_finding_names_file_line_column_and_value(archive, tmp_path):
    archive.events[2]["countryCode"] = "Sweden"
    (finding,) = check(archive.save_folder(tmp_path / "archive"))
    assert (finding.table, finding.row, finding.column, finding.value) == ("event.txt", 4, "countryCode", "Sweden")
    assert "Sweden" in finding.message
    assert finding.fix


def test_the_line_of_a_row_behind_one_with_line_ends_in_it_is_that_of_the_file(archive, tmp_path):
    table = archive.tables["event.txt"]
    table.quote, table.attributes["fieldsEnclosedBy"] = '"', '"'
    archive.events[1]["samplingEffort"] = "2 clips\nof 10 s"
    archive.events[2]["countryCode"] = "Sweden"
    (finding,) = check(archive.save_folder(tmp_path / "archive"))
    assert finding.row == 5


def test_a_default_of_meta_xml_stands_for_every_row_without_a_value(archive, tmp_path):
    archive.tables["occurrence.txt"].drop("basisOfRecord")
    field = '<field term="http://rs.tdwg.org/dwc/terms/basisOfRecord" default="MachineObservation"/>'
    meta = archive.meta_xml()
    archive.meta = meta.replace("</extension>", f"{field}</extension>", 1)
    assert len(check(archive.save_folder(tmp_path / "good"))) == 0
    archive.meta = archive.meta.replace('default="MachineObservation"', 'default="Video"')
    report = check(archive.save_folder(tmp_path / "bad"))
    assert report.codes() == {"BASIS_OF_RECORD_INVALID": 3}


def test_a_core_of_occurrences_needs_its_own_dates_and_places(flat_archive, tmp_path):
    flat_archive.occurrences[0]["eventDate"] = ""
    flat_archive.tables["occurrence.txt"].drop("decimalLatitude")
    report = check(flat_archive.save_zip(tmp_path / "archive.zip"))
    assert report.codes() == {"REQUIRED_TERM_MISSING": 1, "REQUIRED_VALUE_EMPTY": 1}


def test_the_same_identifier_twice_in_a_core_of_occurrences_is_one_finding(flat_archive, tmp_path):
    flat_archive.occurrences[1]["occurrenceID"] = "o0"
    report = check(flat_archive.save_zip(tmp_path / "archive.zip"))
    assert report.codes() == {"OCCURRENCE_NOT_UNIQUELY_IDENTIFIED": 1}


def test_what_a_broken_core_lacks_is_not_told_of_the_tables_that_point_to_it(archive, tmp_path):
    table = archive.tables["event.txt"]
    table.quote, table.attributes["fieldsEnclosedBy"] = '"', '"'
    table.raw = table.data().replace(b"\nmovie1\t", b'\n"movie"1\t')
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    assert "occurrence.txt" not in {finding.table for finding in report}


def test_a_file_in_a_folder_too_deep_is_told(archive, tmp_path):
    archive.save_folder(tmp_path / "outer" / "archive")
    (finding,) = check(tmp_path / "outer")
    assert finding.code == "DWCA_META_XML_NOT_FOUND"
    assert "archive/meta.xml" in finding.message


def test_findings_of_one_kind_are_counted_not_listed_without_end(archive, tmp_path):
    for n in range(MAX_ALIKE + 5):
        archive.events.append({**archive.events[1], "eventID": f"e{n}", "countryCode": "Sweden"})
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    assert report.codes() == {"COUNTRY_INVALID": MAX_ALIKE + 1}
    assert "5 further lines" in report.findings[-1].message


def test_nothing_at_the_path_is_told_in_words(tmp_path):
    with pytest.raises(NotFound, match="no archive"):
        check(tmp_path / "nothing.zip")


def _write_many(path: Path, archive, rows: int) -> None:
    """Write a core of so many occurrences, a row at a time."""
    table = archive.tables["occurrence.txt"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in archive.files().items():
            if name != "occurrence.txt":
                file.writestr(name, data)
        with file.open("occurrence.txt", "w") as stream:
            stream.write(("\t".join(table.rows[0]) + "\n").encode())
            for n in range(rows):
                row = {**table.rows[0], "occurrenceID": f"urn:uuid:00000000-0000-0000-0000-{n:012}"}
                stream.write(("\t".join(row.values()) + "\n").encode())


@pytest.mark.parametrize("rows", [20_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_memory_is_a_few_hundred_bytes_a_row(rows, flat_archive, tmp_path):
    _write_many(tmp_path / "archive.zip", flat_archive, rows)
    tracemalloc.start()
    try:
        report = check(tmp_path / "archive.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(report) == 0
    assert peak < 20e6 + 300 * rows


def test_the_report_can_be_written_as_csv(archive, tmp_path):
    archive.events[2]["countryCode"] = "Sweden"
    report = check(archive.save_zip(tmp_path / "archive.zip"))
    report.to_csv(tmp_path / "findings.csv")
    (row,) = csv.DictReader((tmp_path / "findings.csv").open(encoding="utf-8"))
    assert row["code"] == "COUNTRY_INVALID"
