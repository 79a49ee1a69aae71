"""The terms that GBIF and OBIS require and recommend, by what a row is.

OBIS: its manual's list of required terms (iobis/manual) and the fields that its own checks demand (iobis/obistools).
GBIF: its data quality requirements of occurrences and sampling events.
"""

from __future__ import annotations

from typing import NamedTuple

from kso_utils.annotations.darwincore.terms import (
    EVENT,
    EXTENDED_MEASUREMENT,
    MEASUREMENT,
    MULTIMEDIA,
    OCCURRENCE,
    expand_term,
)


class Needs(NamedTuple):
    """What rows of a kind need: terms without their namespace.

    Attributes
    ----------
    filled
        Every row needs a value.
    present
        The column must be there with a value somewhere.
    recommended
        The column should be there with a value somewhere.
    """

    filled: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    recommended: tuple[str, ...] = ()


WHEN_AND_WHERE = ("eventDate", "decimalLatitude", "decimalLongitude")
"""What an event tells, or an occurrence that belongs to none."""

# A continent is recommended too, and of no sense at sea; and a precision of coordinates, which says less than their
# uncertainty: how finely they are written, not how far they may be off.
_CIRCUMSTANCES = (
    *("geodeticDatum", "coordinateUncertaintyInMeters", "countryCode"),
    *("minimumDepthInMeters", "maximumDepthInMeters", "year", "month"),
)
_SEEN = ("occurrenceID", "occurrenceStatus", "basisOfRecord", "scientificName")
_NAMED = ("scientificNameID", "taxonRank", "kingdom")

NEEDS: dict[tuple[str, bool], Needs] = {
    (EVENT, True): Needs(
        present=(*WHEN_AND_WHERE, "samplingProtocol", "sampleSizeValue", "sampleSizeUnit"),
        recommended=("eventType", "samplingEffort", *_CIRCUMSTANCES),
    ),
    (OCCURRENCE, True): Needs(
        filled=(*_SEEN, *WHEN_AND_WHERE), recommended=(*_NAMED, "samplingProtocol", *_CIRCUMSTANCES)
    ),
    (OCCURRENCE, False): Needs(filled=_SEEN, recommended=_NAMED),
    (MEASUREMENT, False): Needs(filled=("measurementType", "measurementValue"), recommended=("measurementUnit",)),
    (EXTENDED_MEASUREMENT, False): Needs(
        filled=("measurementType", "measurementValue"),
        recommended=("measurementTypeID", "measurementUnit", "measurementUnitID"),
    ),
    (MULTIMEDIA, False): Needs(filled=("dcterms:identifier",), recommended=("ac:accessURI", "dcterms:format")),
}
"""Kind of row, and whether it is the core -> what it needs."""


def needs_of(row_type: str, is_core: bool) -> Needs:
    """Return what rows of a kind need, nothing where nothing is known of them; all terms in full."""
    needs = NEEDS.get((row_type, is_core), Needs())
    return Needs(*(tuple(expand_term(name) for name in names) for names in needs))
