"""Files on their way into a bucket: sent in parts, gone on with after the process died, verified where they arrive."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from kso_utils.archive.objects import S3File, sha256_of, tag_of
from kso_utils.archive.parts import Digests, hash_file, read_part
from kso_utils.core.errors import ChecksumMismatch, ConfigError, Interrupted, NotFound
from kso_utils.core.journal import FileJournal
from kso_utils.core.paths import user_cache
from kso_utils.core.progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kso_utils.archive.s3 import Place
    from kso_utils.core.journal import Journal


def notes_of(place: Place, journal: Journal | None) -> tuple[Journal, str]:
    """Return where a copy to a place is remembered, and under which key."""
    key = f"push {place.endpoint or 'aws'} {place.address}"
    if journal is None:
        tag = hashlib.sha256(key.encode()).hexdigest()[:32]
        journal = FileJournal(user_cache("transfers") / f"{tag}.jsonl")
    return journal, key


def forget(place: Place, journal: Journal | None) -> None:
    """Forget a copy to a place; a file that remembered nothing else is removed."""
    notes, key = notes_of(place, journal)
    notes.drop(key)
    if journal is None and isinstance(notes, FileJournal):
        notes.path.unlink(missing_ok=True)


class Upload:
    """A copy of a local file to a place in a bucket.

    A service keeps a part when it is complete, and loses what it has of one that breaks off. So parts are sent one
    at a time, the next being read meanwhile: what is sent again after a break is one part, whatever happens.

    Parameters
    ----------
    place
        Where to.
    source
        The local file.
    digests
        Its checksums.
    journal
        Remembers the copy; by default a file in the user's cache.
    """

    def __init__(self, place: Place, source: Path, digests: Digests, journal: Journal | None) -> None:
        self.place, self.source, self.digests = place, source, digests
        self.journal = journal
        self.notes, self.key = notes_of(place, journal)
        self.state = self.notes.get(self.key)

    def send(self) -> None:
        """Copy the file to where there is none yet, and look at what arrived.

        Raises
        ------
        ConfigError
            If another writer put another content there meanwhile.
        ChecksumMismatch
            If something else arrived than was sent.
        ArchiveError
            As `Place.ask`; or the file changed while it was sent.
        """
        if len(self.digests.parts) == 1:
            data = read_part(self.source, self.digests, 0)
            answer = self._create("put_object", Body=data, ContentMD5=self._md5(0), **self._about())
        else:
            answer = self._send_parts()
        head = self.place.ask("head_object", (404,))
        if "refused" in head:
            self.forget()
            raise Interrupted(f"{self.place.address}: the service lost the copy. Call again to begin anew.")
        if answer.get("refused") == 412:
            self.accept(head)
            return
        # Its parts are an object now: there is nothing left to abort.
        self.state = None
        if not self._is_ours(head, answer):
            raise ChecksumMismatch(
                f"{self.place.address} arrived with another content than {self.source}. Remove it and copy it again."
            )

    def accept(self, head: dict[str, Any]) -> None:
        """Take what is there already for the copy, if it has the same content.

        Raises
        ------
        ConfigError
            If it has another.
        """
        # What is remembered as not finished has not been looked at yet, whatever was said of it when it was begun.
        told = sha256_of(head) if self.state is None else None
        if told != self.digests.sha256 if told else not self._is_ours(head):
            self.forget()
            raise ConfigError(f"{self.place.address} exists with another content. Give the file another name.")

    def forget(self) -> None:
        """Remove what is not needed any more, there and here."""
        if self.state is not None:
            self.place.ask("abort_multipart_upload", (404,), UploadId=self.state["upload_id"])
            self.state = None
        forget(self.place, self.journal)

    def _send_parts(self) -> dict[str, Any]:
        tags = self._find_parts()
        if tags is None:
            tags = {}
            self._begin()
        missing = [number for number in range(len(self.digests.parts)) if number not in tags]
        with bar(f"Sending {self.source.name}", len(self.digests.parts)) as shown:
            shown.advance(len(tags))
            for number, data in self._read(missing):
                tags[number] = self._send_part(number, data)
                shown.advance()
        parts = [{"PartNumber": number + 1, "ETag": f'"{tags[number]}"'} for number in sorted(tags)]
        answer = self._create("complete_multipart_upload", UploadId=self._id, MultipartUpload={"Parts": parts})
        if answer.get("refused") == 400:
            self.forget()
            raise Interrupted(f"{self.place.address}: the service lost parts of the copy. Call again to begin anew.")
        return answer

    @property
    def _id(self) -> str:
        return str(self.state["upload_id"]) if self.state else ""

    def _begin(self) -> None:
        answer = self.place.ask("create_multipart_upload", **self._about())
        self.state = {
            "upload_id": answer["UploadId"],
            "sha256": self.digests.sha256,
            "part_bytes": self.digests.part_bytes,
            "tags": {},
        }
        self.notes.put(self.key, self.state)

    def _find_parts(self) -> dict[int, str] | None:
        """Return the ETags of the parts that the service has, or None where there is nothing to go on with."""
        if self.state is None:
            return None
        if (self.state["sha256"], self.state["part_bytes"]) != (self.digests.sha256, self.digests.part_bytes):
            self.forget()
            return None
        try:
            listed = list(self.place.list("list_parts", UploadId=self._id))
        except NotFound:
            self.forget()
            return None
        found = {}
        for part in listed:
            number, tag = part["PartNumber"] - 1, tag_of(part)
            if part["Size"] == self._size(number) and tag in (self._tag(number), self.state["tags"].get(str(number))):
                found[number] = tag
        return found

    def _send_part(self, number: int, data: bytes) -> str:
        request = {"UploadId": self._id, "PartNumber": number + 1, "Body": data, "ContentMD5": self._md5(number)}
        answer = self.place.ask("upload_part", (404,), **request)
        if "refused" in answer:
            self.forget()
            raise Interrupted(f"{self.place.address}: the service gave the copy up. Call again to begin anew.")
        tag = tag_of(answer)
        if tag != self._tag(number) and self.state is not None:
            # The ETags of services that encrypt are no MD5, so that those of finished parts must be remembered.
            self.state["tags"][str(number)] = tag
            self.notes.put(self.key, self.state)
        return tag

    def _read(self, numbers: list[int]) -> Iterator[tuple[int, bytes]]:
        """Yield parts of the local file, each read while the one before it is sent."""
        with ThreadPoolExecutor(1) as reader:
            ahead = [reader.submit(read_part, self.source, self.digests, number) for number in numbers[:1]]
            for place, number in enumerate(numbers):
                data = ahead.pop().result()
                ahead = [reader.submit(read_part, self.source, self.digests, n) for n in numbers[place + 1 : place + 2]]
                yield number, data

    def _create(self, action: str, **request: Any) -> dict[str, Any]:
        """Let the object appear, unless there is one meanwhile; some services cannot be asked for that."""
        # An answer that is lost makes the second attempt find nothing to complete (404), or the object there (412).
        expected = (400, 404, 412) if action.startswith("complete") else (412,)
        answer = self.place.ask(action, (*expected, 501), IfNoneMatch="*", **request)
        return self.place.ask(action, expected, **request) if answer.get("refused") == 501 else answer

    def _is_ours(self, head: dict[str, Any], answer: dict[str, Any] | None = None) -> bool:
        """Whether the object has the file's content: by its ETag where that is made of MD5s, else by reading it."""
        if head["ContentLength"] != self.digests.size_bytes:
            return False
        if self.digests.tag in (tag_of(head), tag_of(answer or {})):
            return True
        return hash_file(S3File(self.place, head)) == self.digests.sha256

    def _about(self) -> dict[str, Any]:
        kind = mimetypes.guess_type(self.place.key)[0] or "application/octet-stream"
        return {"ContentType": kind, "Metadata": {"sha256": self.digests.sha256}}

    def _size(self, number: int) -> int:
        start = number * self.digests.part_bytes
        return min(start + self.digests.part_bytes, self.digests.size_bytes) - start

    def _tag(self, number: int) -> str:
        return self.digests.parts[number].hex() if number < len(self.digests.parts) else ""

    def _md5(self, number: int) -> str:
        return base64.b64encode(self.digests.parts[number]).decode()
