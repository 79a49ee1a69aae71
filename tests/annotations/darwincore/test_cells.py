"""The checks of single cells: what must not be complained about, and dates of media and identifications."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kso_utils.annotations.darwincore.cells import CHECKS, read_number
from kso_utils.annotations.darwincore.terms import EVENT, MULTIMEDIA, OCCURRENCE, expand_term


def _flaws(row_type, **cells):
    full = {expand_term(name.replace("__", ":")): value for name, value in cells.items()}
    found = (c.find(*(full.get(term, "") for term in c.terms)) for c in CHECKS if row_type in c.row_types)
    return sorted({flaw.code for flaws in found for flaw in flaws})


@pytest.mark.parametrize(
    "cells",
    [
        {"decimalLatitude": "0", "decimalLongitude": "9.5", "geodeticDatum": "WGS 84"},
        {"decimalLatitude": "-90", "decimalLongitude": "180", "geodeticDatum": "epsg:4326"},
        {"decimalLatitude": "5.8e1", "decimalLongitude": "-.5", "geodeticDatum": "WGS_84"},
        {"coordinateUncertaintyInMeters": "0.5", "coordinatePrecision": "1"},
        {"countryCode": "NA"},
        {"countryCode": "XZ"},
        {"countryCode": "se"},
        {"minimumDepthInMeters": "0", "maximumDepthInMeters": "11000"},
        {"minimumDepthInMeters": "12.5", "maximumDepthInMeters": "12.50"},
        {"eventDate": "2016"},
        {"eventDate": "2016-05", "year": "2016", "month": "05"},
        {"eventDate": "2016-05-21T09:30:00+02:00", "day": "21"},
        {"eventDate": "2016-05-21/2016-06-03", "month": "5"},
        {"sampleSizeValue": "0.5", "sampleSizeUnit": "hour"},
        {"modified": "2026-11-21T09:30:00Z"},
    ],
)
def test_nothing_is_said_of_an_event_that_is_right(cells):
    assert _flaws(EVENT, **cells) == []


@pytest.mark.parametrize(
    "cells",
    [
        {"basisOfRecord": "Machine Observation"},
        {"occurrenceStatus": "Present", "individualCount": "007"},
        {"occurrenceStatus": "absent", "individualCount": "0"},
        {"occurrenceStatus": "present"},
        {"scientificName": "Porania (Porania) pulvillus (O.F. Müller, 1776)", "scientificNameID": "urn:lsid:a.org:b:1"},
        {"dateIdentified": "2020-02-29"},
    ],
)
def test_nothing_is_said_of_an_occurrence_that_is_right(cells):
    assert _flaws(OCCURRENCE, **cells) == []


@pytest.mark.parametrize(
    ("row_type", "cells", "code"),
    [
        (OCCURRENCE, {"dateIdentified": "29/02/2020"}, "IDENTIFIED_DATE_INVALID"),
        (EVENT, {"modified": "yesterday"}, "MODIFIED_DATE_INVALID"),
        (MULTIMEDIA, {"xmp__CreateDate": "2020-02-30"}, "MULTIMEDIA_DATE_INVALID"),
        (EVENT, {"decimalLatitude": "nan", "decimalLongitude": "1"}, "COORDINATE_INVALID"),
        (EVENT, {"eventDate": "2016-05-21", "day": "22"}, "RECORDED_DATE_MISMATCH"),
        (EVENT, {"minimumDepthInMeters": "-3"}, "DEPTH_UNLIKELY"),
        (OCCURRENCE, {"scientificName": "?"}, "TAXON_MATCH_NONE"),
        (OCCURRENCE, {"individualCount": "-1"}, "INDIVIDUAL_COUNT_INVALID"),
    ],
)
def test_a_wrong_cell_is_told_by_its_code(row_type, cells, code):
    assert code in _flaws(row_type, **cells)


@given(st.text(max_size=8))
def test_a_number_is_read_as_python_reads_it_or_not_at_all(text):
    number = read_number(text)
    assert number is None or number == float(text)


@given(st.tuples(*[st.text(max_size=12)] * 7))
def test_no_text_breaks_a_check(cells):
    for check in CHECKS:
        for flaw in check.find(*cells[: len(check.terms)]):
            assert flaw.message
