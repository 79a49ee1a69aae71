"""Whether the packets of a movie can be what an encoder wrote, seen without decoding them."""

from __future__ import annotations

from dataclasses import dataclass

# H.264 and HEVC never write these inside a unit: a byte 3 is put in between (7.4.1 of both standards).
_FORBIDDEN = (b"\0\0\0", b"\0\0\1", b"\0\0\2")
_START_CODE = b"\0\0\1"
# A unit may be followed by a few zeros, of which no standard says how many; no encoder writes as many as these.
_PADDING_BYTES = 64
_RUN_BYTES = 256
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class Layout:
    """How the units of H.264 or HEVC lie in a packet.

    Attributes
    ----------
    length_bytes
        Bytes of the length before each unit; 0 where start codes divide them.
    """

    length_bytes: int


@dataclass(frozen=True, slots=True)
class Blemish:
    """A place of a packet that no encoder writes.

    Attributes
    ----------
    zeros
        Whether zeros stand there instead of data.
    at
        Byte of the packet.
    certain
        Whether no good packet can look like this; else only its decoding tells.
    """

    zeros: bool
    at: int
    certain: bool


def find_layout(codec: str, extradata: bytes | None) -> Layout | None:
    """Return how units lie in the packets of a stream, by its codec and what comes before them; None if in no way."""
    if codec == "h264":
        return Layout((extradata[4] & 3) + 1 if extradata and len(extradata) > 6 and extradata[0] == 1 else 0)
    if codec == "hevc":
        return Layout((extradata[21] & 3) + 1 if extradata and len(extradata) > 22 and extradata[0] == 1 else 0)
    return None


def find_blemish(packet: bytes, layout: Layout | None, position: int | None, mpeg: bool = False) -> Blemish | None:
    """Return the first place of a packet that no encoder writes.

    Parameters
    ----------
    packet
        Its bytes.
    layout
        How H.264 or HEVC lie in it; None for other codecs.
    position
        Byte of the file at which it begins, where that is known: data that the disk lost is lost by sectors.
    mpeg
        Whether zeros may fill up the room before a start code (MPEG-1, MPEG-2 and MPEG-4 part 2).
    """
    if layout is None:
        return _long_run(packet, position, mpeg)
    return _in_lengths(packet, layout.length_bytes) if layout.length_bytes else _in_start_codes(packet)


def _in_lengths(packet: bytes, width: int) -> Blemish | None:
    at = 0
    while at < len(packet):
        start = at + width
        end = start + int.from_bytes(packet[at:start], "big")
        if end > len(packet) or end == start:
            return Blemish(not any(packet[at : at + 2 * width]), at, True)
        for code in _FORBIDDEN:
            found = packet.find(code, start, end)
            if found >= 0:
                return Blemish(code == _FORBIDDEN[0], found, True)
        at = end
    return None


def _in_start_codes(packet: bytes) -> Blemish | None:
    found = packet.find(bytes(_PADDING_BYTES))
    if found >= 0:
        return Blemish(True, found, True)
    return None if _START_CODE in packet[:_PADDING_BYTES] else Blemish(not any(packet[:4]), 0, True)


def _long_run(packet: bytes, position: int | None, mpeg: bool) -> Blemish | None:
    start = packet.find(bytes(_RUN_BYTES))
    while start >= 0:
        end = len(packet) - len(packet[start:].lstrip(b"\0"))
        if not (mpeg and (end == len(packet) or packet[end] == 1)):
            ends = (0, 0) if position is None else (position + start, position + end)
            # The byte before the lost sector, or the first after it, may happen to be zero too.
            lost = position is not None and end - start >= _SECTOR_BYTES - 2 and _by_sectors(*ends)
            return Blemish(True, start, lost)
        start = packet.find(bytes(_RUN_BYTES), end)
    return None


def _by_sectors(start: int, end: int) -> bool:
    """Whether zeros from one byte of a file up to another are whole sectors and at most a byte more on either side."""
    return -start % _SECTOR_BYTES <= 1 and end % _SECTOR_BYTES <= 1
