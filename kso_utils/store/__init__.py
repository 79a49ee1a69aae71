"""The store: everything a project knows, in one SQLite file."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.store.backups import restore_backup as restore_backup
    from kso_utils.store.engine import Store as Store
    from kso_utils.store.engine import open_store as open_store
    from kso_utils.store.rows import Counts as Counts

__all__ = ["Counts", "Store", "open_store", "restore_backup"]

__getattr__, __dir__ = lazy(
    __name__,
    {"Counts": "rows", "Store": "engine", "open_store": "engine", "restore_backup": "backups"},
    modules=("journal", "provenance", "queries"),
)
