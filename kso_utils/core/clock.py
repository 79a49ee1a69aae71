"""The one clock: UTC, as ISO 8601 text."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> str:
    """Return the time now in UTC, to the second, as `2026-11-21T09:30:00Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
