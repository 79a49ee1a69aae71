"""The one clock: UTC, as ISO 8601 text; and the zones of other clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from kso_utils.core.errors import ConfigError


def utc_now() -> str:
    """Return the time now in UTC, to the second, as `2026-11-21T09:30:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of a name (`Europe/Stockholm`).

    Raises
    ------
    ConfigError
        If there is none, or the computer has no list of time zones.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not available_timezones():
            raise ConfigError("This computer has no list of time zones. Install it with: pip install tzdata") from error
        raise ConfigError(f"There is no time zone {name!r}. Give a name like Europe/Stockholm or UTC.") from error
