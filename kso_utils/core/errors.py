"""The one tree of errors.

Every error that a user may meet descends from `KsoError`, and its message says what was wrong, where, and
what to do about it. The command line and the widgets print that message and nothing else; any other
exception is a fault of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kso_utils.core.report import Report


class KsoError(Exception):
    """Anything that went wrong and that a user can do something about."""


class ConfigError(KsoError, ValueError):
    """A setting, an argument or a project file is wrong."""


class MetadataError(KsoError, ValueError):
    """Tables that cannot be used.

    Attributes
    ----------
    report : Report or None
        The findings behind the refusal, where there are any.
    """

    def __init__(self, message: str, report: Report | None = None) -> None:
        super().__init__(message)
        self.report = report


class MediaError(KsoError):
    """A movie, picture or recording could not be read or written."""


class MediaCorrupt(MediaError):
    """The file is damaged: truncated, overwritten, or not what its name says."""


class MediaUnsupported(MediaError):
    """The file is intact, but in a form that this software does not read."""


class MediaTimeout(MediaError, TimeoutError):
    """Reading or writing took longer than allowed."""


class StoreError(KsoError):
    """The store could not be opened, read or written."""


class SchemaTooNew(StoreError):
    """The store was made by a newer version of this software; it was not touched."""


class StoreBusy(StoreError, TimeoutError):
    """Another process is writing to the store."""


class IntegrityFailed(StoreError, ValueError):
    """Rows contradict the store's constraints, or the file is damaged."""


class ArchiveError(KsoError):
    """Media or products could not be fetched from, or pushed to, where they live."""


class NotFound(ArchiveError, FileNotFoundError):
    """There is nothing under that name."""


class Denied(ArchiveError, PermissionError):
    """The credentials are missing or wrong, or do not allow this."""


class ChecksumMismatch(ArchiveError):
    """What arrived is not what was sent."""


class Interrupted(ArchiveError):
    """The connection broke; what was done so far is kept, and a new call goes on from there."""


class RequestFailed(KsoError):
    """A request over the network that failed.

    Attributes
    ----------
    status : int or None
        The HTTP status; None if there was no answer (what was asked may or may not have been done).
    retry_after_s : float or None
        How long the server asks to wait before the next attempt, where it says so.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status in (408, 425, 429) or self.status >= 500


class ZooniverseError(KsoError):
    """Zooniverse refused, failed, or answered something unexpected."""


class QuotaExceeded(ZooniverseError):
    """The account may not upload that many subjects."""


class ExportTimeout(ZooniverseError, TimeoutError):
    """Zooniverse did not finish an export in time."""


class UnsafeInput(KsoError, ValueError):
    """Input that would reach outside its folder, run code, or otherwise do harm."""


class MissingExtra(KsoError, ImportError):
    """A part of the software needs a package that is not installed.

    Parameters
    ----------
    package
        The import name that was missing.
    extra
        The extra of kso_utils that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"This step needs the package '{package}', which is not installed. "
            f"Install it with: pip install 'kso_utils[{extra}]'"
        )
        self.package = package
        self.extra = extra

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        """Let it travel between processes: it is made again from its two names, not from its message."""
        return type(self), (self.package, self.extra)
