"""The columns of the tables that people write, and the headers that are known for them.

Columns are named as in the store; Darwin Core terms keep their spelling. The only columns that the store does not
have are the references by name, which become ids there: `locality` and `parentEventID` of movies and photos.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "integer", "date", "flag", "country", "datum", "names"]
Need = Literal["required", "recommended", "optional"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        The column's name in this software.
    kind
        What its values are; `names` are several names with `;` between them.
    need
        `required`: without a value the row cannot be stored; `recommended`: without it the row cannot be published.
    unit
        The unit of a number.
    headers
        Other headers under which files have it, as in KSO's templates.
    placeholders
        Numbers that people write where they know none.
    """

    name: str
    kind: Kind = "text"
    need: Need = "optional"
    unit: str = ""
    headers: tuple[str, ...] = ()
    placeholders: frozenset[float] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes
    ----------
    name
        Its name in the store, and the stem of its file.
    key
        The column that identifies a row.
    columns
        Its columns, in the order of the store.
    unique
        Further columns in which no value may occur twice.
    template
        The headers of an empty table, none where new projects start without it.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...] = ()
    template: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """Return the column of that name, None where there is none."""
        return next((c for c in self.columns if c.name == name), None)


_NEGATIVE = frozenset({-1.0, -9.0, -99.0, -999.0, -9999.0})
_FPS = _NEGATIVE | {99.0, 999.0, 9999.0, 99999.0}
_SECONDS = _NEGATIVE | {99999.0, 999999.0}

_LOCALITY = Column("locality", need="required", headers=("siteName",))
_SURVEY = Column("parentEventID", headers=("SurveyID", "survey_id"))

SITES = Table(
    "sites",
    "locality",
    (
        Column("id", "integer", headers=("site_id",)),
        Column("locationID"),
        _LOCALITY,
        Column("decimalLatitude", "number", "recommended", "degrees", ("Latitude",)),
        Column("decimalLongitude", "number", "recommended", "degrees", ("Longitude",)),
        Column("geodeticDatum", "datum", "recommended"),
        Column("coordinateUncertaintyInMeters", "number", unit="m", placeholders=_NEGATIVE),
        Column("countryCode", "country", "recommended"),
        Column("minimumDepthInMeters", "number", unit="m"),
        Column("maximumDepthInMeters", "number", unit="m"),
        Column("footprintWKT"),
        Column("waterBody"),
        Column("habitat"),
    ),
    unique=("locationID",),
    template=("site_id", "siteName", "decimalLatitude", "decimalLongitude", "geodeticDatum", "countryCode"),
)

MOVIES = Table(
    "movies",
    "filename",
    (
        Column("id", "integer", headers=("movie_id",)),
        Column("filename", need="required"),
        Column("eventID"),
        _SURVEY,
        _LOCALITY,
        Column("eventDate", "date", "recommended", headers=("created_on",)),
        Column("recordedBy", need="recommended", headers=("author",)),
        Column("samplingProtocol"),
        Column("sampleSizeValue", "number"),
        Column("sampleSizeUnit"),
        Column("samplingEffort"),
        Column("associatedMedia", headers=("fpath", "LinkToVideoFile")),
        Column("chapters", "names", headers=("go_pro_files",)),
        Column("fps", "number", unit="frames/s", placeholders=_FPS),
        Column("duration_s", "number", unit="s", headers=("duration",), placeholders=_SECONDS),
        Column(
            "sampling_start_s",
            "number",
            unit="s",
            headers=("sampling_start", "SamplingStart", "survey_start"),
            placeholders=_SECONDS,
        ),
        Column(
            "sampling_end_s",
            "number",
            unit="s",
            headers=("sampling_end", "SamplingEnd", "survey_end"),
            placeholders=_SECONDS,
        ),
        Column("is_bad_deployment", "flag", headers=("IsBadDeployment",)),
        Column("status"),
    ),
    unique=("eventID",),
    template=(
        *("movie_id", "filename", "siteName", "created_on", "author", "fps", "duration"),
        *("sampling_start", "sampling_end", "fpath"),
    ),
)

SPECIES = Table(
    "species",
    "vernacularName",
    (
        Column("id", "integer", headers=("species_id",)),
        Column("taxonID"),
        Column("vernacularName", need="required", headers=("commonName", "label")),
        Column("zoo_label"),
        Column("scientificName", need="recommended"),
        Column("scientificNameID"),
        Column("taxonRank", need="recommended"),
        Column("kingdom", need="recommended"),
        Column("phylum"),
        Column("class"),
        Column("order"),
        Column("family"),
        Column("genus"),
    ),
    template=("species_id", "commonName", "scientificName", "taxonRank", "kingdom"),
)

SURVEYS = Table(
    "surveys",
    "eventID",
    (
        Column("id", "integer"),
        Column("eventID", need="required", headers=("SurveyID", "survey_id")),
        Column("eventDate", "date", "recommended", headers=("SurveyDate", "SurveyStartDate")),
        Column("samplingProtocol"),
        Column("recordedBy"),
        Column("institutionCode"),
        Column("datasetName", headers=("SurveyName",)),
        Column("license"),
    ),
)

PHOTOS = Table(
    "photos",
    "filename",
    (
        Column("id", "integer", headers=("photo_id",)),
        Column("filename", need="required"),
        _SURVEY,
        _LOCALITY,
        Column("captured_at", "date", headers=("created_on",)),
        Column("photo_position", "integer", headers=("PhotoPosition",)),
    ),
)

TABLES: dict[str, Table] = {t.name: t for t in (SURVEYS, SITES, MOVIES, PHOTOS, SPECIES)}
"""Name -> table, in the order in which they can be stored."""


def template_headers() -> dict[str, tuple[str, ...]]:
    """Return the header of each empty table that a new project starts with."""
    return {table.name: table.template for table in TABLES.values() if table.template}


def known_headers(table: Table) -> dict[str, str]:
    """Return header in lower case -> column, for every header known of a table."""
    return {header.casefold(): c.name for c in table.columns for header in (c.name, *c.headers)}


EDIT_COLUMN = "edit_id"
"""The column of a file that says which edit last changed a row; it is no column of the store."""

EMPTY_MARKS = frozenset({"na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "nil", "-", "--", "---", ".", "?", "??"})
"""Words, in lower case, that people write into a cell that has no value."""

VAGUE_WORDS = re.compile(r"(unknown|not known|unspecified|undefined|unnamed|tbd|tba|todo|xx+|test)[ _-]?\d*", re.I)
"""Words that stand for a value that was to be filled in later."""

NOT_A_TAXON = frozenset({"", "not applicable", *EMPTY_MARKS})
"""Scientific names, in lower case, of labels that are no taxa."""

NON_TAXON_LABELS = frozenset(
    {"NOTHINGHERE", "NOTHING", "NOANIMALSPRESENT", "ISEENOTHING", "ICANTRECOGNISEANYTHING", "HUMANOBJECTS", "EMPTY"}
)
"""Cleaned labels that are no taxa whatever stands beside them."""

_DATUMS = """
WGS84 EPSG:4326 WORLDGEODETICSYSTEM1984 NAD83 EPSG:4269 NAD27 EPSG:4267 ETRS89 EPSG:4258 ED50 EPSG:4230 SWEREF99
EPSG:4619 RT90 EPSG:4124 EUREF89 OSGB36 EPSG:4277 GDA94 EPSG:4283 GDA2020 EPSG:7844 NZGD2000 EPSG:4167 NZGD49
EPSG:4272 SIRGAS2000 EPSG:4674 SAD69 EPSG:4618 CGCS2000 EPSG:4490 JGD2000 EPSG:4612 JGD2011 EPSG:6668 TOKYO
EPSG:4301 HARTEBEESTHOEK94 EPSG:4148 PULKOVO1942 EPSG:4284 GRS80 ITRF2014 EPSG:9000
"""
DATUMS = frozenset(_DATUMS.split())
"""Datums of geographic coordinates, in capitals without spaces, underscores and hyphens."""

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
COUNTRIES = frozenset(_COUNTRIES.split())
"""The codes of ISO 3166-1 alpha-2."""

KINGDOMS = frozenset(
    {"Animalia", "Archaea", "Bacteria", "Biota", "Chromista", "Fungi", "Plantae", "Protozoa", "Viruses"}
)
"""The kingdoms of WoRMS and GBIF; `Biota` is what belongs to none of them for certain."""

_COARSE = """
domain realm superkingdom kingdom subkingdom infrakingdom superphylum phylum subphylum infraphylum parvphylum division
subdivision gigaclass megaclass superclass class subclass infraclass subterclass parvclass cohort subcohort superorder
order suborder infraorder parvorder section subsection
"""
_FINE = """
superfamily epifamily family subfamily infrafamily supertribe tribe subtribe genus subgenus series subseries aggregate
species subspecies variety subvariety form subform forma natio mutatio unranked
"""
COARSE_RANKS = frozenset(_COARSE.split())
"""Ranks above the family and its kin."""

RANKS = COARSE_RANKS | frozenset(_FINE.split())
"""Ranks of taxa in Darwin Core, GBIF and WoRMS, in small letters."""
