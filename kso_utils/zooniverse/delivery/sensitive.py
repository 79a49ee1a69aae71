"""Where animals live is not told to everybody: what Zooniverse learns of the place of a subject.

Metadata on Zooniverse are open, hidden ones too: who asks for a subject is given all of them. The rules:

- Coordinates and footprints are hidden from volunteers (`#`), whatever the template says.
- Of a sensitive site neither coordinates nor footprint nor its name or id are sent, hidden or not, nor any text in
  which its name or id occurs, as in the name of a movie. Country and water body stay: they are the place made general
  (Chapman 2020, "Current Best Practices for Generalizing Sensitive Species Occurrence Data", GBIF).
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ConfigError, MetadataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd

POSITION_COLUMNS = frozenset(("decimalLatitude", "decimalLongitude", "footprintWKT"))
"""Columns that say where a place is."""

NAME_COLUMNS = ("locality", "locationID")
"""Columns that name a place."""

_HIDDEN = ("#", "//")
# Words of ours, not of people: the name of a site may occur in them by chance.
_OURS = frozenset(("subject_type",))


def hide_positions(template: Mapping[str, str]) -> dict[str, str]:
    """Return a template (key -> column) in which positions are hidden from volunteers."""
    return {
        key if column not in POSITION_COLUMNS or key.startswith(_HIDDEN) else f"#{key.lstrip('!')}": column
        for key, column in template.items()
    }


def require_sites(sensitive: Collection[str], sites: pd.DataFrame) -> None:
    """Refuse a sensitive site that is none of `sites`: misspelled, it would not be protected.

    Raises
    ------
    ConfigError
        If there is such a one.
    """
    known = {_normal(name) for column in NAME_COLUMNS for name in sites[column].dropna()}
    if unknown := [name for name in sensitive if _normal(name) not in known]:
        raise ConfigError(
            f"metadata.sensitive_sites names {', '.join(unknown)}, which the table of sites does not have. Write them "
            "as they stand there, or they are not protected."
        )


class Secrets:
    """What must not be told of sensitive sites.

    Parameters
    ----------
    sensitive
        Their names or ids.
    items
        What is told of: needs a column of `NAME_COLUMNS` where there is a sensitive site at all.

    Raises
    ------
    MetadataError
        If an item does not say where it is from.
    """

    def __init__(self, sensitive: Collection[str], items: pd.DataFrame) -> None:
        self._sensitive = {_normal(name) for name in sensitive}
        self._columns = [column for column in NAME_COLUMNS if column in items.columns]
        if sensitive and (not self._columns or items[self._columns].isna().all(axis=1).any()):
            raise MetadataError(
                "Some sites are sensitive, and some subjects do not say from which site they are. Fill in locality."
            )

    def of(self, item: Mapping[Any, Any]) -> tuple[str, ...] | None:
        """Return the names of an item's site if it is sensitive, else None."""
        names = [str(item[column]) for column in self._columns if isinstance(item[column], str)]
        if not self._sensitive & {_normal(name) for name in names}:
            return None
        return tuple(filter(None, map(_letters, names)))


def may_tell(column: str, value: Any, names: tuple[str, ...]) -> bool:
    """Whether a value may be told of a site that is known by these names, in letters and digits alone."""
    if column in POSITION_COLUMNS or column in NAME_COLUMNS:
        return False
    return column in _OURS or not any(name in _letters(str(value)) for name in names if isinstance(value, str | dict))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _letters(text: str) -> str:
    """Return a text as spellings of one name have it in common: without spaces, marks and capitals."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", text).casefold()))
