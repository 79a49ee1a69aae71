from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kso_utils.core.clock import utc_now


def test_the_time_is_utc_to_the_second():
    then = datetime.strptime(utc_now(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - then) < timedelta(minutes=1)
