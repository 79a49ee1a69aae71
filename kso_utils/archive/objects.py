"""Objects of a bucket, as an S3 service tells of them, and read in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kso_utils.core.errors import ArchiveError

if TYPE_CHECKING:
    from kso_utils.archive.s3 import Place


def tag_of(answer: dict[str, Any]) -> str:
    """Return the ETag in an answer; some services put it in quotes here, and not there."""
    return str(answer.get("ETag", "")).strip('"')


def sha256_of(head: dict[str, Any]) -> str | None:
    """Return the sha256 that a file was pushed with; services may write names of metadata with a capital."""
    told = {name.lower(): value for name, value in head.get("Metadata", {}).items()}
    return told.get("sha256")


class S3File:
    """An object of which parts are read; it can be given to other processes.

    Attributes
    ----------
    address, size_bytes, identity
        As in `RangeFile`.
    sha256
        The content's, where whoever put it there said so.
    """

    def __init__(self, place: Place, head: dict[str, Any]) -> None:
        self.place, self.address = place, place.address
        self.size_bytes, self.identity = int(head["ContentLength"]), tag_of(head)
        self.sha256 = sha256_of(head)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`."""
        if not 0 <= start <= stop <= self.size_bytes:
            raise ArchiveError(
                f"{self.address} has {self.size_bytes} bytes; bytes {start} to {stop} were asked for. Open it again."
            )
        if start == stop:
            return b""
        answer = self.place.ask("get_object", Range=f"bytes={start}-{stop - 1}", IfMatch=f'"{self.identity}"')
        if "ContentRange" not in answer:
            raise ArchiveError(f"{self.address}: the service sends no parts of files. Fetch it by other means.")
        # Some services do not know the condition.
        if tag_of(answer) != self.identity:
            raise ArchiveError(f"{self.address} was changed while it was read. Begin again.")
        data: bytes = answer["Body"]
        if answer["ContentRange"] != f"bytes {start}-{stop - 1}/{self.size_bytes}" or len(data) != stop - start:
            raise ArchiveError(f"{self.address}: the service sent other bytes than {start} to {stop}. Begin again.")
        return data
