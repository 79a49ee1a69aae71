import math

import numpy as np
import pandas as pd
import pytest

from kso_utils.annotations.counts import max_n
from kso_utils.annotations.darwincore.dataset import Dataset, Person
from kso_utils.annotations.darwincore.eml import span_longitudes
from kso_utils.annotations.darwincore.events import describe_events, find_circle, plan_events
from kso_utils.annotations.sightings import locate

DATASET = Dataset("Fish of a reef", "What lives there.", "CC0-1.0", Person("Ada", "ada@example.org"), "reef")
PLACE = {
    **dict.fromkeys(["locationID", "waterBody", "habitat", "footprintWKT"]),
    **dict.fromkeys(["minimumDepthInMeters", "maximumDepthInMeters", "coordinateUncertaintyInMeters"], np.nan),
    **{"geodeticDatum": "EPSG:4326", "countryCode": "SE"},
}


def movies(*windows):
    rows = [
        {
            **{"id": number, "filename": f"{number}.mp4", "eventID": None, "survey_id": 1, "eventDate": "2025-05-12"},
            **{"sampling_start_s": start, "sampling_end_s": end, "duration_s": end, "samplingProtocol": None},
            **{"sampleSizeValue": None, "sampleSizeUnit": None, "samplingEffort": None, "locality": f"Site {number}"},
            **PLACE,
        }
        for number, (start, end) in enumerate(windows, 1)
    ]
    return pd.DataFrame(rows)


SURVEYS = pd.DataFrame(
    [{"id": 1, "eventID": "S", "eventDate": None, "samplingProtocol": None, "institutionCode": None}]
)


def survey_at(*places, **more):
    """Return the survey's row of deployments at latitudes and longitudes."""
    table = movies(*[(0.0, 10.0)] * len(places)).assign(
        decimalLatitude=[p[0] for p in places], decimalLongitude=[p[1] for p in places], **more
    )
    samples = plan_events(table, "movie", None, DATASET)
    return describe_events(samples, dict.fromkeys(samples["event"], "all"), table, SURVEYS, DATASET).iloc[0]


def test_a_window_is_one_sample():
    found = plan_events(movies((5.0, 60.0)), "movie", None, DATASET)
    assert found.values.tolist() == [["reef:1.mp4:sample", "reef:1.mp4", 1, 5.0, 60.0]]


def test_periods_are_cut_on_a_grid_from_the_movies_start():
    found = plan_events(movies((5.0, 25.0)), "bin", 10, DATASET)
    assert found["event"].tolist() == ["reef:1.mp4:0-10s", "reef:1.mp4:10-20s", "reef:1.mp4:20-30s"]
    assert found[["start_s", "end_s"]].values.tolist() == [[5, 10], [10, 20], [20, 25]]


def test_a_window_that_ends_on_the_grid_has_no_empty_period_after_it():
    assert len(plan_events(movies((0.0, 0.3)), "bin", 0.1, DATASET)) == 3


def test_the_periods_of_samples_are_those_of_max_n():
    times = pd.DataFrame({"frame_number": range(1, 2000)}).assign(movie_id=1)
    times["label"] = times["frame_number"]
    times["pts_s"] = times["frame_number"] * 1001 / 30000
    samples = plan_events(movies((0.0, 70.0)), "bin", 1.001, DATASET)
    ours = samples["start_s"].to_numpy()[locate(samples, times["movie_id"], times["pts_s"])]
    theirs = max_n(times, bin_s=1.001)["bin_start_s"]
    assert ours == pytest.approx(theirs.to_numpy())


def test_a_survey_at_one_place_has_that_place():
    survey = survey_at((58.5, 11.25), (58.5, 11.25), coordinateUncertaintyInMeters=30.0, footprintWKT="POINT (11 58)")
    told = [survey[f] for f in ("decimalLatitude", "decimalLongitude", "coordinateUncertaintyInMeters", "footprintWKT")]
    assert told == ["58.5", "11.25", "30", "POINT (11 58)"]


def test_a_survey_across_the_date_line_has_its_centre_there():
    survey = survey_at((-17.0, 179.0), (-17.0, -179.0))
    assert abs(float(survey["decimalLongitude"])) == 180.0


def test_a_survey_all_around_the_globe_has_a_footprint_alone():
    survey = survey_at((0.0, 10.0), (0.0, -170.0))
    assert (survey["decimalLatitude"], survey["coordinateUncertaintyInMeters"]) == ("", "")
    assert survey["footprintWKT"].startswith("MULTIPOINT")


def test_a_survey_of_places_in_different_datums_has_no_position():
    survey = survey_at((58.5, 11.25), (58.6, 11.25), geodeticDatum=["EPSG:4326", "EPSG:4258"])
    assert (survey["decimalLatitude"], survey["geodeticDatum"]) == ("", "")


@pytest.mark.parametrize("seed", range(20))
def test_the_circle_of_a_survey_holds_all_of_its_places(seed):
    chance = np.random.default_rng(seed)
    points = np.column_stack([chance.uniform(-180, 180, 5), chance.uniform(-80, 80, 5)])
    points = points[:1] + (points - points[:1]) / 50
    longitude, latitude, radius = find_circle(points)
    for x, y in points:
        assert great_circle_m(longitude, latitude, x, y) <= radius * (1 + 1e-9)


def great_circle_m(x1, y1, x2, y2):
    """Return the haversine distance."""
    a, b = math.radians(y1), math.radians(y2)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(x2 - x1) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(half))


@pytest.mark.parametrize(
    ("degrees", "west", "east"),
    [([11.0], 11.0, 11.0), ([11.0, 12.5, 11.2], 11.0, 12.5), ([179.0, -179.0], 179.0, -179.0)],
)
def test_the_bounding_box_is_the_shortest(degrees, west, east):
    assert span_longitudes(degrees) == (west, east)
