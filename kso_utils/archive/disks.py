"""What the disks of this computer refuse, in plain words."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kso_utils.core.errors import ArchiveError, Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turn what the system raises about a file into errors that tell a person what to do.

    Raises
    ------
    NotFound, Denied, ArchiveError
        In place of any `OSError` within the block.
    """
    try:
        yield
    except ArchiveError:  # some are errors of the system by their kind
        raise
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}. Check the name and the folder.") from error
    except PermissionError as error:
        raise Denied(f"{error.filename or path} may not be used. Check the rights of the file and folder.") from error
    except OSError as error:
        advice = "Make room on the disk." if error.errno in _FULL else "Check the name and the disk."
        raise ArchiveError(f"{path}: {error.strerror or error}. {advice}") from error
