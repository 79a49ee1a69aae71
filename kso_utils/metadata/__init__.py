"""Tables of sites, movies and species: read, checked, and written into the store."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.metadata.checks import check_tables as check_tables
    from kso_utils.metadata.ingest import populate as populate
    from kso_utils.metadata.tables import load_tables as load_tables

__all__ = ["check_tables", "load_tables", "populate"]

__getattr__, __dir__ = lazy(
    __name__,
    {"check_tables": "checks", "load_tables": "tables", "populate": "ingest"},
    modules=("checks", "edits", "taxa", "terms"),
)
