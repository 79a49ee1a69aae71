"""Where media and products live: a folder, a bucket or a web server, behind one door."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.archive.base import Archive as Archive
    from kso_utils.archive.base import Entry as Entry
    from kso_utils.archive.base import RangeFile as RangeFile
    from kso_utils.archive.opening import open_archive as open_archive
    from kso_utils.archive.opening import open_file as open_file

__all__ = ["Archive", "Entry", "RangeFile", "open_archive", "open_file"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "Archive": "base",
        "Entry": "base",
        "RangeFile": "base",
        "open_archive": "opening",
        "open_file": "opening",
    },
)
