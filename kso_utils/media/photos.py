"""What a photo file is, and whether it is whole: JPEG, PNG and TIFF, told by their content and not by their name."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.core.errors import Denied, MediaCorrupt, MediaUnsupported, MissingExtra, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".tif", ".tiff"))
"""File name endings of photos that are read, in small letters."""

_KINDS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"II*\0": "tiff", b"MM\0*": "tiff"}
_MOST_BYTES = 2**29
_MOST_PIXELS = 2**28
# A sector of a disk; no camera writes so many zeros where its code for "nothing more here" is not zeros.
_ZEROS = bytes(512)
_EXIF_FOLDER, _TAKEN, _OFFSET, _ORIENTATION, _COMPRESSION = 0x8769, 0x9003, 0x9011, 0x0112, 0x0103
_READ = (_EXIF_FOLDER, _TAKEN, _OFFSET, _ORIENTATION, _COMPRESSION)
# TIFFs without compression, or with one that leaves runs of zeros.
_PLAIN = (1, 32773)
_TAKEN_TEXT = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_OFFSET_TEXT = re.compile(r"[+-]\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """What a photo file is.

    Attributes
    ----------
    path
        The file.
    kind
        `jpeg`, `png` or `tiff`.
    width, height
        Pixels, of the picture turned upright.
    captured_at
        When the camera says that it was taken (ISO 8601): by its own clock, with an offset from UTC where it gives
        one; or None.
    """

    path: Path
    kind: str
    width: int
    height: int
    captured_at: str | None


def probe_photo(path: str | Path) -> PhotoInfo:
    """Look at a photo, and decode all of it.

    A file that is cut off, or of which a part was overwritten by zeros, is refused. What cannot be told: zeros in a
    TIFF without compression, and single bits of a JPEG that still make a picture.

    Raises
    ------
    NotFound, Denied
        If there is no such file, or it may not be read.
    MediaCorrupt
        If it is empty or damaged.
    MediaUnsupported
        If it is no JPEG, PNG or TIFF, or larger than 512 MiB or 268 million pixels.
    """
    file = Path(path)
    data = _load(file)
    kind = next((kind for mark, kind in _KINDS.items() if data.startswith(mark)), None)
    if kind is None:
        raise MediaUnsupported(f"{file} is not a JPEG, PNG or TIFF. Save it as one of these with a program for photos.")
    exif = b""
    try:
        if kind == "jpeg":
            exif = _walk_jpeg(data)
        elif kind == "png":
            exif = _find_chunk(data, b"eXIf")
        tags = _read_exif(data if kind == "tiff" else exif)
        if kind == "tiff" and tags.get(_COMPRESSION, 1) not in _PLAIN and (zeros := data.find(_ZEROS)) >= 0:
            raise ValueError(f"from byte {zeros} on it holds zeros")
    except (struct.error, IndexError, ValueError) as error:
        raise MediaCorrupt(f"{file} is damaged: {error}. Copy it again from its source.") from error
    height, width = _decode_tiff(file, data) if kind == "tiff" else _decode(file, data, kind)
    if tags.get(_ORIENTATION, 1) in (5, 6, 7, 8):
        width, height = height, width
    return PhotoInfo(file, kind, width, height, _format_moment(tags))


def _load(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > _MOST_BYTES:
            raise MediaUnsupported(f"{file} has {size} bytes, more than a photo may have here ({_MOST_BYTES}).")
        data = file.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"There is no photo {file}. Check the name and the folder.") from error
    except PermissionError as error:
        raise Denied(f"{file} may not be read. Check the rights of the file.") from error
    if not data:
        raise MediaCorrupt(f"{file} is empty. Copy it again from its source.")
    return data


def _walk_jpeg(data: bytes) -> bytes:
    """Return the EXIF block of a JPEG; refuse one that does not go on to its end, or holds zeros where codes must be.

    The parts of a JPEG are those of ITU-T T.81, annex B.
    """
    place, exif, zeros_are_codes = 2, b"", True
    while True:
        if data[place] != 0xFF:
            raise ValueError(f"byte {place} does not begin a part of the file")
        mark = data[place + 1]
        if mark == 0xFF:
            place += 1
            continue
        if mark == 0xD9:
            return exif
        (length,) = struct.unpack_from(">H", data, place + 2)
        part = data[place + 4 : place + 2 + length]
        place += 2 + length
        if mark == 0xE1 and part.startswith(b"Exif\0\0"):
            exif = part[6:]
        elif mark == 0xC4:
            zeros_are_codes &= all(symbol == 0 for symbol in _first_symbols(part))
        elif mark == 0xDA:
            start, place = place, _find_marker(data, place)
            if not zeros_are_codes and (zeros := data.find(_ZEROS, start, place)) >= 0:
                raise ValueError(f"from byte {zeros} on it holds zeros")


def _first_symbols(part: bytes) -> Iterator[int]:
    """Yield what the code of zeros alone stands for in each Huffman table of a part."""
    place = 0
    while place < len(part):
        count = sum(part[place + 1 : place + 17])
        yield part[place + 17]
        place += 17 + count


def _find_marker(data: bytes, place: int) -> int:
    """Return where coded data end: at a marker that is neither a filling zero nor a restart."""
    while (place := data.find(b"\xff", place)) >= 0:
        if data[place + 1] and not 0xD0 <= data[place + 1] <= 0xD7 and data[place + 1] != 0xFF:
            return place
        place += 1
    raise ValueError("it ends in the middle of the picture")


def _find_chunk(data: bytes, name: bytes) -> bytes:
    """Return the content of a chunk of a PNG, empty where there is none; the decoder looks at their checksums."""
    place, found = 8, b""
    while True:
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == name:
            found = data[place + 8 : place + 8 + length]
        if kind == b"IEND":
            return found
        place += 12 + length


def _read_exif(exif: bytes) -> dict[int, Any]:
    """Return the few tags of a TIFF structure that matter here; a structure that cannot be followed has none."""
    if len(exif) < 8:
        return {}
    order = "<" if exif[:2] == b"II" else ">"
    tags: dict[int, Any] = {}
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        _read_folder(exif, order, start, tags)
        if _EXIF_FOLDER in tags:
            _read_folder(exif, order, tags[_EXIF_FOLDER], tags)
    except (struct.error, UnicodeDecodeError):
        pass  # what a camera says of itself may be broken in a picture that is not
    return tags


def _read_folder(exif: bytes, order: str, start: int, tags: dict[int, Any]) -> None:
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", exif, place)
        if tag not in _READ or kind not in (2, 3, 4):
            continue
        if kind == 2:
            at = place + 8 if number <= 4 else struct.unpack_from(f"{order}I", exif, place + 8)[0]
            tags[tag] = exif[at : at + min(number, 64)].split(b"\0")[0].decode("ascii")
        else:
            (tags[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", exif, place + 8)


def _format_moment(tags: dict[int, Any]) -> str | None:
    found = _TAKEN_TEXT.fullmatch(str(tags.get(_TAKEN, "")).strip())
    if not found or found[1] == "0000":
        return None
    offset = str(tags.get(_OFFSET, "")).strip()
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}" + (offset if _OFFSET_TEXT.fullmatch(offset) else "")


def _decode(file: Path, data: bytes, kind: str) -> tuple[int, int]:
    """Return height and width of the stored picture, after decoding it as strictly as its decoder can."""
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media") from error
    limits = {"err_detect": "crccheck+explode", "max_pixels": str(_MOST_PIXELS)}
    try:
        with av.open(io.BytesIO(data), "r", format=f"{kind}_pipe") as container:
            stream = container.streams.video[0]
            stream.codec_context.options = limits
            frames = [(frame.height, frame.width) for frame in container.decode(stream)]
    except (av.FFmpegError, IndexError) as error:
        raise MediaCorrupt(f"{file} cannot be decoded: it is damaged. Copy it again from its source.") from error
    if not frames:
        raise MediaCorrupt(f"{file} holds no picture that can be decoded. Copy it again from its source.")
    return frames[0]


def _decode_tiff(file: Path, data: bytes) -> tuple[int, int]:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("cv2", "media") from error
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise MediaUnsupported(f"{file} is a TIFF that cannot be read here. Save it as PNG.") from error
    if picture is None:
        raise MediaCorrupt(f"{file} cannot be decoded: it is damaged. Copy it again from its source.")
    return int(picture.shape[0]), int(picture.shape[1])
