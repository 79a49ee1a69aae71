"""A journal in the store: what was begun, kept where everything else is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import func, select

from kso_utils.core.clock import utc_now
from kso_utils.store.schema import TransferEntry

if TYPE_CHECKING:
    from kso_utils.store.engine import Store

_TABLE = "transfer_journal"


class StoreJournal:
    """A `kso_utils.core.journal.Journal` in the table `transfer_journal`.

    Parameters
    ----------
    store
        An open store.
    prefix
        Sets the keys of one purpose apart from those of others; it is no part of the keys given and returned.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        # The unit separator, so that no prefix and key read like another pair.
        self._prefix = f"{prefix}\x1f"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the state under `key`, or None."""
        states = self._store.read(_TABLE, columns=["state"], where={"key": self._prefix + key})["state"]
        return None if states.empty else dict(states.iloc[0])

    def put(self, key: str, state: dict[str, Any]) -> None:
        """Set the state under `key`; JSON values only."""
        row = {"key": [self._prefix + key], "state": [state], "updated_at": [utc_now()]}
        self._store.upsert(_TABLE, pd.DataFrame(row), key="key")

    def pending(self) -> dict[str, dict[str, Any]]:
        """Return every key that was put and not dropped, oldest first."""
        # Not LIKE, which takes capitals for small letters in SQLite.
        ours = func.substr(TransferEntry.key, 1, len(self._prefix)) == self._prefix
        entries = self._store.select(
            select(TransferEntry.key, TransferEntry.state).where(ours).order_by(TransferEntry.id)
        )
        keys = entries["key"].str.removeprefix(self._prefix)
        return dict(zip(keys, entries["state"], strict=True))

    def drop(self, key: str) -> None:
        """Forget `key`; unknown keys are ignored."""
        self._store.remove(_TABLE, {"key": self._prefix + key})
