import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.zooniverse.delivery.sensitive import hide_positions, require_sites
from kso_utils.zooniverse.subjects import plan_subjects

NORTH = {
    **{"locality": "Kråk-Skär North", "locationID": "SE:7", "filename": "krak.mp4", "eventDate": "2026-01-02"},
    **{"decimalLatitude": 57.123456, "decimalLongitude": 11.654321, "footprintWKT": "POINT (11.654321 57.123456)"},
    **{"countryCode": "SE", "waterBody": "Skagerrak", "movie_id": 1, "clip_start_time": 0.0, "clip_end_time": 10.0},
}
SOUTH = {**NORTH, "locality": "Sound", "locationID": "SE:8", "filename": "sound.mp4", "movie_id": 2}
OPEN = {column: column for column in NORTH}


def tell(*items, template=OPEN, sensitive=("Kråk-Skär North",)):
    files = pd.DataFrame([{"path": f"{n}.mp4", "sha256": f"{n}" * 64, **item} for n, item in enumerate(items)])
    return plan_subjects(files, template, "clip", sensitive).metadata.tolist()


@pytest.mark.parametrize(("key", "shown"), [("Lat", "#Lat"), ("!Lat", "#Lat"), ("#Lat", "#Lat"), ("//Lat", "//Lat")])
@pytest.mark.parametrize("column", ["decimalLatitude", "decimalLongitude", "footprintWKT"])
def test_positions_are_hidden_whatever_the_template_says(key, shown, column):
    assert hide_positions({key: column, "Site": "locality"}) == {shown: column, "Site": "locality"}
    assert tell(SOUTH, template={key: column})[0][shown] == SOUTH[column]


@pytest.mark.parametrize("sensitive", ["Kråk-Skär North", "Kra\u030ak-Ska\u0308r North", "SE:7"])
def test_of_a_sensitive_site_only_country_and_water_are_told(sensitive):
    secret, open_ = tell(NORTH, SOUTH, sensitive=[sensitive])
    assert {"countryCode", "waterBody", "movie_id", "eventDate", "filename"} <= set(secret)
    text = json.dumps(secret, ensure_ascii=False)
    assert [word for word in ("Kråk", "SE:7", "57.1", "11.6") if word in text] == []
    assert (open_["locality"], open_["#decimalLatitude"]) == ("Sound", 57.123456)


@pytest.mark.parametrize("name", ["kråk_skär_north_01.mp4", "2026 KRÅKSKÄRNORTH.mov", "SE7-a.mp4"])
def test_text_that_holds_the_name_of_a_sensitive_site_is_left_out(name):
    assert "filename" not in tell({**NORTH, "filename": name})[0]


@given(
    st.dictionaries(
        st.sampled_from(["a", "#b", "!c", "//d", "e"]),
        st.sampled_from([c for c in NORTH if c not in ("movie_id", "clip_start_time", "clip_end_time", "filename")]),
    )
)
@settings(derandomize=True, max_examples=100, deadline=None)
def test_no_template_gives_a_sensitive_place_away(template):
    text = json.dumps(tell(NORTH, template=template), ensure_ascii=False)
    assert not any(word in text for word in ("Kråk", "SE:7", "57.123", "11.654"))
    shown = {k for k, column in template.items() if column.startswith(("decimal", "footprint"))}
    assert not {k for m in tell(SOUTH, template=template) for k in m if k in shown and not k.startswith(("#", "//"))}


def test_an_address_that_names_a_sensitive_site_is_refused():
    item = {**NORTH, "url": "https://example.org/krakskar/SE7_1.mp4"}
    with pytest.raises(MetadataError, match="address of a clip names its site"):
        tell(item)


def test_subjects_of_no_known_site_are_refused_where_some_are_sensitive():
    nowhere = {**NORTH, "locality": np.nan, "locationID": None}
    with pytest.raises(MetadataError, match="from which site"):
        tell(NORTH, nowhere)
    assert tell(nowhere, sensitive=())


def test_a_sensitive_site_that_is_not_in_the_table_is_refused():
    sites = pd.DataFrame({"locality": ["Sound", "Kråk"], "locationID": ["SE:8", None]})
    require_sites(["SE:8", "Kra\u030ak "], sites)
    with pytest.raises(ConfigError, match="Krok"):
        require_sites(["Sound", "Krok"], sites)
