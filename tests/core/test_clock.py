from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kso_utils.core import clock
from kso_utils.core.clock import find_zone, utc_now
from kso_utils.core.errors import ConfigError


def test_the_time_is_utc_to_the_second():
    then = datetime.strptime(utc_now(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - then) < timedelta(minutes=1)


def test_a_zone_is_found_by_its_name():
    assert find_zone("Europe/Stockholm").key == "Europe/Stockholm"


@pytest.mark.parametrize("name", ["Stockholm", "", "../etc/passwd", "Europe", "a\0b"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(ConfigError, match="no time zone"):
        find_zone(name)


def test_a_computer_without_a_list_of_zones_says_what_to_install(monkeypatch):
    monkeypatch.setattr(clock, "available_timezones", set)
    with pytest.raises(ConfigError, match="pip install tzdata"):
        find_zone("Europe/Nowhere")
