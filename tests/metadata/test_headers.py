"""Tables under the headers that survey programmes use, each with the settings that it needs and what it becomes."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.ingest import populate
from kso_utils.metadata.tables import load_tables
from kso_utils.project.settings import TableSettings, parse_settings
from kso_utils.store.engine import Store

Write = Callable[..., Path]

BUV_SITES = (
    "SiteID,Region,LinkToMarineReserve,SiteName,SiteCode,SiteExposure,ProtectionStatus,ProtectionStatusDetails,"
    "IsControlSite,ControlToMR01,ControlToMR02,ControlToMR03,Latitude,Longitude,geodeticDatum,countryCode"
)
BUV_MOVIES = (
    "DropID,SurveyID,SiteID,Latitude,Longitude,EventDate,Created By,TideLevel,Weather,UnderwaterVisibility,"
    "ReplicateWithinSite,EventTimeStart,EventTimeEnd,DepthDeployment,DepthStrata,NZMHCS_Abiotic,NZMHCS_Biotic,"
    "NotesDeployment,RecordedBy,IsBadDeployment,fps,duration,fileName,LinkToVideoFile,SamplingStart,SamplingEnd,ID"
)
BUV_SETTINGS = """
dates = "DD/MM/YYYY"
[tables.columns.sites]
SiteID = "locality"
SiteCode = "locationID"
[tables.columns.movies]
SiteID = "locality"
DropID = "eventID"
"""
PHOTO_SETTINGS = """
[tables.columns.photos]
SiteID = "locality"
[tables.columns.surveys]
ID = "eventID"
"""


@dataclass
class Variant:
    """One table as it comes: its header, one row, the settings, and the columns that must come of it."""

    table: str
    header: str
    row: dict[str, str]
    becomes: dict[str, Any]
    settings: str = ""
    own: Sequence[str] = field(default_factory=tuple)


VARIANTS = {
    "template sites": Variant(
        "sites",
        "site_id,siteName,decimalLatitude,decimalLongitude,geodeticDatum,countryCode",
        {"site_id": "4", "siteName": "Inner sill", "decimalLatitude": "58.25", "countryCode": "SE"},
        {"id": 4, "locality": "Inner sill", "decimalLatitude": 58.25, "countryCode": "SE"},
    ),
    "template movies": Variant(
        "movies",
        "movie_id,filename,siteName,created_on,author,fps,duration,sampling_start,sampling_end,fpath",
        {
            "movie_id": "7",
            "filename": "a.mp4",
            "created_on": "13/08/2021",
            "fps": "29.97002997002997",
            "fpath": "x/a.mp4",
        },
        {
            "id": 7,
            "filename": "a.mp4",
            "eventDate": "2021-08-13",
            "fps": 29.97002997002997,
            "associatedMedia": "x/a.mp4",
        },
        'dates = "DD/MM/YYYY"',
    ),
    "template species": Variant(
        "species",
        "species_id,commonName,scientificName,taxonRank,kingdom",
        {"species_id": "2", "commonName": "Cod", "scientificName": "Gadus morhua", "taxonRank": "species"},
        {"id": 2, "vernacularName": "Cod", "scientificName": "Gadus morhua", "taxonRank": "species"},
    ),
    "first movies": Variant(
        "movies",
        "koster_movie_id,filename,siteName,created_on,Author,fps,duration",
        {"koster_movie_id": "1", "filename": "Sa\u0308cken 1.mov", "Author": "T. Lund", "duration": "2836.84"},
        {"id": 1, "filename": "S\u00e4cken 1.mov", "recordedBy": "T. Lund", "duration_s": 2836.84},
        '[tables.columns.movies]\nkoster_movie_id = "id"',
    ),
    "first movies with a window": Variant(
        "movies",
        "movie_id,filename,siteName,created_on,Author,fps,duration,SamplingStart,SamplingEnd",
        {"filename": "a.mov", "SamplingStart": "12", "SamplingEnd": "60.5"},
        {"filename": "a.mov", "sampling_start_s": 12.0, "sampling_end_s": 60.5},
    ),
    "first movies with a survey window": Variant(
        "movies",
        "movie_id,filename,siteName,created_on,author,fps,duration,survey_start,survey_end,fpath",
        {"filename": "a.mov", "survey_start": "12", "survey_end": "60.5"},
        {"filename": "a.mov", "sampling_start_s": 12.0, "sampling_end_s": 60.5},
    ),
    "first sites": Variant(
        "sites",
        "koster_site_id,siteName,decimalLatitude,decimalLongitude,geodeticDatum,countryCode",
        {"koster_site_id": "3", "siteName": "Grund"},
        {"id": 3, "locality": "Grund"},
        '[tables.columns.sites]\nkoster_site_id = "id"',
    ),
    "first species": Variant(
        "species",
        "koster_species_id,commonName,scientificName,taxonRank,kingdom",
        {"koster_species_id": "3", "commonName": "Cod"},
        {"id": 3, "vernacularName": "Cod"},
        '[tables.columns.species]\nkoster_species_id = "id"',
    ),
    "species of the first store": Variant(
        "species", "label,scientificName", {"label": "Cod", "scientificName": "Gadus morhua"}, {"vernacularName": "Cod"}
    ),
    "buv sites": Variant(
        "sites",
        BUV_SITES,
        {"SiteID": "AHE_1", "SiteName": "Ahe one", "SiteCode": "A1", "Latitude": "-36.25", "Longitude": "174.75"},
        {"locality": "AHE_1", "locationID": "A1", "decimalLatitude": -36.25, "decimalLongitude": 174.75},
        BUV_SETTINGS,
        ("SiteName", "LinkToMarineReserve", "ProtectionStatus"),
    ),
    "buv sites with an id": Variant(
        "sites",
        f"schema_site_id,{BUV_SITES}",
        {"schema_site_id": "12", "SiteID": "AHE_1", "SiteName": "Ahe one"},
        {"id": 12, "locality": "AHE_1"},
        '[tables.columns.sites]\nschema_site_id = "id"\nSiteID = "locality"',
    ),
    "buv movies": Variant(
        "movies",
        BUV_MOVIES,
        {
            **{"DropID": "AHE_1_20210813", "SurveyID": "AHE_2021", "SiteID": "AHE_1", "EventDate": "13/08/2021 10:15"},
            **{"RecordedBy": "M. Rangi", "IsBadDeployment": "TRUE", "fileName": "a.MP4", "LinkToVideoFile": "v/a.MP4"},
            **{"SamplingStart": "60", "SamplingEnd": "1860", "ID": "5", "Latitude": "-36.25", "duration": "2000"},
        },
        {
            **{"id": 5, "eventID": "AHE_1_20210813", "parentEventID": "AHE_2021", "locality": "AHE_1"},
            **{"eventDate": "2021-08-13T10:15", "recordedBy": "M. Rangi", "is_bad_deployment": True},
            **{"filename": "a.MP4", "associatedMedia": "v/a.MP4", "sampling_start_s": 60.0, "duration_s": 2000.0},
        },
        BUV_SETTINGS,
        ("DepthDeployment", "Created By", "Latitude", "EventTimeStart"),
    ),
    "buv surveys": Variant(
        "surveys",
        "SurveyID,SurveyName,SurveyStartDate,Year",
        {"SurveyID": "AHE_2021", "SurveyName": "Ahe", "SurveyStartDate": "2021-08-01", "Year": "2021"},
        {"eventID": "AHE_2021", "datasetName": "Ahe", "eventDate": "2021-08-01"},
        own=("Year",),
    ),
    "photos by name of site": Variant(
        "photos",
        "ID,filename,PhotoPosition,siteName,SurveyID",
        {"ID": "9", "filename": "p.jpg", "PhotoPosition": "3", "siteName": "Bank", "SurveyID": "S1"},
        {"id": 9, "filename": "p.jpg", "photo_position": 3, "locality": "Bank", "parentEventID": "S1"},
    ),
    "photos by id of site": Variant(
        "photos",
        "ID,filename,PhotoPosition,SiteID,SurveyID",
        {"ID": "9", "filename": "p.jpg", "SiteID": "Bank"},
        {"id": 9, "locality": "Bank"},
        PHOTO_SETTINGS,
    ),
    "surveys by id": Variant(
        "surveys",
        "ID,SurveyDate",
        {"ID": "S1", "SurveyDate": "2019-06"},
        {"eventID": "S1", "eventDate": "2019-06"},
        PHOTO_SETTINGS,
    ),
    "surveys by survey id": Variant(
        "surveys", "SurveyID,SurveyDate", {"SurveyID": "S1", "SurveyDate": "2019-06"}, {"eventID": "S1"}
    ),
    "chapters": Variant(
        "movies",
        "filename,siteName,go_pro_files",
        {"filename": "a.mp4", "siteName": "Bank", "go_pro_files": "GX010001.MP4; GX020001.MP4"},
        {"filename": "a.mp4", "chapters": "GX010001.MP4; GX020001.MP4"},
    ),
}


def table_settings(text: str, tables: set[str]) -> dict[str, Any]:
    """Return what a `project.toml` with that text under [tables] gives to `load_tables`."""
    settings: TableSettings = parse_settings(tomllib.loads(f"name = 'x'\n[tables]\n{text}"), "project.toml").tables
    columns = {table: renames for table, renames in settings.columns.items() if table in tables}
    return {"dates": settings.dates, "columns": columns}


def as_csv(header: str, *rows: dict[str, str]) -> str:
    names = header.split(",")
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_table_under_its_own_headers_becomes_ours(write: Write, name: str) -> None:
    variant = VARIANTS[name]
    folder = write(f"{variant.table}.csv", as_csv(variant.header, variant.row))
    frame = load_tables(folder, **table_settings(variant.settings, {variant.table}))[variant.table]
    (row,) = frame.to_dict("records")
    assert {column: row[column] for column in variant.becomes} == variant.becomes
    assert set(variant.own) <= set(frame)


def test_a_baited_survey_enters_the_store(write: Write, store: Store) -> None:
    sites, movies, surveys = VARIANTS["buv sites"], VARIANTS["buv movies"], VARIANTS["buv surveys"]
    site = {**sites.row, "geodeticDatum": "WGS84", "countryCode": "NZ"}
    good = {**movies.row, "fileName": "b.MP4", "DropID": "AHE_1_b", "ID": "6", "IsBadDeployment": "FALSE"}
    write("sites.csv", as_csv(sites.header, site))
    write("movies.csv", as_csv(movies.header, movies.row, good))
    folder = write("surveys.csv", as_csv(surveys.header, surveys.row))
    tables = load_tables(folder, **table_settings(BUV_SETTINGS, {"sites", "movies"}))
    assert check_tables(tables).ok
    populate(store, tables)
    stored = store.read("movies", order_by="id")
    assert stored["filename"].tolist() == ["a.MP4", "b.MP4"]
    assert stored["is_bad_deployment"].tolist() == [True, False]
    assert stored["eventID"].tolist() == ["AHE_1_20210813", "AHE_1_b"]
    assert stored["survey_id"].notna().all()


def test_chapters_enter_the_store_as_a_list(write: Write, store: Store) -> None:
    write("sites.csv", "siteName\nBank\n")
    row, plain = VARIANTS["chapters"].row, {"filename": "b.mp4", "siteName": "Bank"}
    folder = write("movies.csv", as_csv(VARIANTS["chapters"].header, row, plain))
    populate(store, load_tables(folder))
    chapters = store.read("movies", ["chapters"], order_by="filename")["chapters"]
    assert chapters[0] == ["GX010001.MP4", "GX020001.MP4"]
    assert pd.isna(chapters[1])
    assert populate(store, load_tables(folder))["movies"].unchanged == 2
