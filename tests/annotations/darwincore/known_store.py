"""A small store of which everything is known, and what it says as an archive."""

import pandas as pd
import pytest

from kso_utils.annotations.darwincore import Dataset, Person
from kso_utils.annotations.sightings import Evidence
from kso_utils.store.engine import open_store

PLANET = 'Tab\there, "quoted"\nnew line, \U0001f991 <&> =1+1'
"""Text that no reader may stumble over."""

ASKED = ["Cod", "Crab", "Eel", "Nothing here"]


@pytest.fixture(scope="session")
def reef_file(tmp_path_factory):
    """Six movies, of which two can be published and were looked at."""
    path = tmp_path_factory.mktemp("darwincore") / "reef.sqlite"
    with open_store(path) as store:
        _fill_tables(store)
        _fill_people(store)
    return path


@pytest.fixture
def reef(reef_file, tmp_path):
    """A store of one's own."""
    path = tmp_path / "reef.sqlite"
    path.write_bytes(reef_file.read_bytes())
    with open_store(path) as store:
        yield store


@pytest.fixture(scope="session")
def dataset():
    """A data set that may be published."""
    return Dataset(
        "Fish of a reef", "What lives at a reef.", "CC-BY-4.0", Person("Ada B. Lovelace", "ada@example.org"), "reef"
    )


@pytest.fixture(scope="session")
def model():
    """What a model saw in every 50th frame of a.mp4 (25 frames a second): three cod at once in frame 500."""
    rows = [
        (1, 450, 18.0, "Cod", 0.5),
        *[(1, 500, 20.0, "Cod", c) for c in (0.9, 0.8, 0.7)],
        (1, 550, 22.0, "Crab", 0.6),
    ]
    boxes = pd.DataFrame(rows, columns=["movie_id", "frame_number", "pts_s", "label", "support"])
    looked = pd.DataFrame({"movie_id": [1], "first_s": [0.0], "step_s": [2.0], "frames": [30]})
    nobody = {"people": pd.array([pd.NA], dtype="Int64")}
    place = {"x": [10.0 * n for n in range(len(boxes))], "y": 5.0, "width": 20.0, "height": 10.0}
    boxes = boxes.assign(**place)
    return Evidence(
        "machine",
        asked_in_frames=("Cod", "Crab"),
        boxes=boxes.assign(people=pd.array([pd.NA] * len(boxes), dtype="Int64")),
        looked_frames=looked.assign(**nobody),
        identified_by="yolo-1 (yolo11n)",
        references="kso_utils 0.1.0; weights sha256 abc",
        runs=({"table": "model_runs", "id": 9, "kind": "detect", "created_at": "2025-06-03T00:00:00Z"},),
    )


def _fill_tables(store):
    store.upsert(
        "surveys",
        pd.DataFrame(
            {"id": [1], "eventID": ["S-2025"], "samplingProtocol": ["Baited camera"], "institutionCode": ["ODF"]}
        ),
        "eventID",
    )
    store.upsert(
        "sites",
        pd.DataFrame(
            {
                "id": [1, 2, 3],
                "locality": ["Reef " + PLANET, "Bank", "Nowhere"],
                "decimalLatitude": [58.5, 58.7, None],
                "decimalLongitude": [11.25, 11.5, None],
                "geodeticDatum": ["EPSG:4326", "EPSG:4326", None],
                "coordinateUncertaintyInMeters": [30.0, None, None],
                "countryCode": ["SE", "SE", None],
                "minimumDepthInMeters": [10.0, 20.0, None],
                "maximumDepthInMeters": [12.5, 30.0, None],
            }
        ),
        "locality",
    )
    store.upsert(
        "movies",
        pd.DataFrame(
            {
                "id": [1, 2, 3, 4, 5, 6],
                "filename": ["a.mp4", "b.mp4", "nowhere.mp4", "bad.mp4", "undated.mp4", "unseen.mp4"],
                "survey_id": [1, 1, None, None, None, None],
                "site_id": [1, 2, 3, 1, 1, 1],
                "eventDate": [
                    "2025-05-12T10:00:00+02:00",
                    "2025-05-14",
                    "2025-05-12",
                    "2025-05-12",
                    None,
                    "2025-05-12",
                ],
                "recordedBy": ["Ada Lovelace", None, None, None, None, None],
                "associatedMedia": ["https://example.org/a.mp4", "/disk/b.mp4", None, None, None, None],
                "fps": [25.0, 30000 / 1001, 25.0, 25.0, 25.0, 25.0],
                "fps_num": [25, 30000, 25, 25, 25, 25],
                "fps_den": [1, 1001, 1, 1, 1, 1],
                "duration_s": [60.0] * 6,
                "width": [200, 200, None, None, None, None],
                "height": [100, 100, None, None, None, None],
                "sampling_start_s": [0.0, 5.0, 0.0, 0.0, 0.0, 0.0],
                "sampling_end_s": [60.0, 55.0, 60.0, 60.0, 60.0, 60.0],
                "is_bad_deployment": [False, False, False, True, False, False],
            }
        ),
        "filename",
    )
    store.upsert(
        "species",
        pd.DataFrame(
            {
                "id": [1, 2, 3, 4],
                "vernacularName": ["Nothing here", "Cod", "Crab", "Eel"],
                "zoo_label": ["NOTHINGHERE", "COD", "CRAB", "EEL"],
                "scientificName": [None, "Gadus morhua", "Cancer pagurus", "Anguilla anguilla"],
                "scientificNameID": [None, "urn:lsid:marinespecies.org:taxname:126436", None, None],
                "taxonRank": [None, "species", "species", "species"],
                "kingdom": [None, "Animalia", "Animalia", "Animalia"],
                "is_taxon": [False, True, True, True],
            }
        ),
        "vernacularName",
    )


def _fill_people(store):
    """Add three people who look at clips 11 to 14 and frames 21 and 22, and a clip 15 at which two look."""
    clips = {11: (1, 0, 10), 12: (1, 10, 20), 13: (1, 25, 35), 14: (2, 10, 20), 15: (6, 0, 10), 16: (3, 0, 10)}
    frames = {21: (1, 100), 22: (2, 299)}
    store.upsert(
        "subjects",
        pd.DataFrame(
            [
                *[_subject(number, "clip", m, clip=(a, b)) for number, (m, a, b) in clips.items()],
                *[_subject(number, "frame", m, frame=n) for number, (m, n) in frames.items()],
            ]
        ),
        "id",
    )
    people = {number: 2 if number == 15 else 3 for number in [*clips, *frames]}
    rows = [
        _classification(100 * number + nth, number, f"person {nth}", 7 if number < 20 else 8)
        for number, count in people.items()
        for nth in range(count)
    ]
    store.upsert("classifications", pd.DataFrame(rows), "id")
    rule = {"agreement": 0.8, "min_people": 3}
    looked = [_looked(number, count) for number, count in people.items()]
    old = [_seen(14, "Eel", 9.0, 0.0)]
    new = [_seen(11, "Cod", 2.5, 4.0), _seen(12, "Cod", 4.0, 1.0), _seen(11, "Crab", None, None, votes=2, agreed=False)]
    for clip_rows in (old, new):
        tables = {"agg_annotations_clip": pd.DataFrame(clip_rows), "agg_subjects": pd.DataFrame(looked[:-2])}
        store.record_run("clip", {"rule": rule, "workflows": [7]}, {}, tables)
    boxes = [_box(21, "Cod", 10.0), _box(21, "Cod", 90.0), _box(21, "Crab", 50.0), _box(22, "Stone", 5.0)]
    tables = {"agg_annotations_frame": pd.DataFrame(boxes), "agg_subjects": pd.DataFrame(looked[-2:])}
    store.record_run("frame", {"rule": rule, "workflows": [8]}, {}, tables)


def _looked(subject, people):
    mind = {"labels": 1, "species": 1, "evenness": 0.0, "entropy": 0.0}
    return {"subject_id": subject, "people": people, "blanks": 0, "blank": False, **mind}


def _subject(number, kind, movie, clip=(None, None), frame=None):
    place = {"clip_start_time": clip[0], "clip_end_time": clip[1], "frame_number": frame}
    return {"id": number, "subject_type": kind, "movie_id": movie, **place}


def _classification(number, subject, user, workflow):
    version = {"workflow_id": workflow, "version_major": 1, "version_minor": 1}
    told = {"created_at": "2025-06-01T00:00:00Z", "annotations": []}
    return {"id": number, "subject_id": subject, "user": user, "user_kind": "registered", **version, **told}


def _seen(subject, label, how_many, first_seen_s, votes=3, agreed=True):
    support = {"support": votes / 3, "support_low": 0.2, "support_high": 0.94}
    told = {"how_many": how_many, "first_seen_s": first_seen_s, "agreed": agreed}
    return {"subject_id": subject, "label": label, "votes": votes, "people": 3, **support, **told}


def _box(subject, label, x):
    place = {"x": x, "y": 5.0, "width": 20.0, "height": 10.0}
    return {"subject_id": subject, "label": label, **place, "people": 3, "looked": 3, "support": 1.0, "agreed": True}
