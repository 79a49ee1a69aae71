"""What an H.264 stream says of its pictures (ITU-T H.264, 7.3.2.1), rewritten to claim a row of blocks more.

A decoder takes the bits of a picture until its blocks are full and does not ask whether any are left over, so that
wrong bits which happen to make a picture pass. Of a stream that claims one row of blocks more, a good picture ends
exactly one row early, and a wrong one somewhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

# Profiles that tell about chroma and depth, H.264 7.3.2.1.1.
_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_SPS = 7


@dataclass(frozen=True, slots=True)
class TallerSet:
    """A parameter set of pictures that are one row of blocks higher.

    Attributes
    ----------
    data
        The unit, without start code or length.
    columns
        Blocks in a row.
    """

    data: bytes
    columns: int


class _Bits:
    """Bits of a unit, read from its start; `IndexError` or `ValueError` where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def number(self, width: int) -> int:
        """Read a number of so many bits."""
        self.at += width
        return int(self.text[self.at - width : self.at], 2)

    def golomb(self) -> int:
        """Read an Exp-Golomb number (9.1)."""
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return self.number(zeros + 1) - 1


def heighten(unit: bytes) -> TallerSet | None:
    """Return a sequence parameter set with one row of blocks more; None where that is not possible.

    That is so of interlaced pictures, of sets with scaling lists or the second kind of picture order, and of damaged
    ones.
    """
    try:
        return _heighten(unit)
    except (IndexError, ValueError):
        return None


def _heighten(unit: bytes) -> TallerSet | None:
    bits = _Bits(unit[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.number(8)
    bits.number(16)
    bits.golomb()
    if profile in _HIGH:
        if bits.golomb() == 3:
            bits.number(1)
        bits.golomb()
        bits.golomb()
        if bits.number(2) & 1:
            return None
    bits.golomb()
    order = bits.golomb()
    if order == 1:
        return None
    if order == 0:
        bits.golomb()
    bits.golomb()
    bits.number(1)
    columns = bits.golomb() + 1
    start = bits.at
    rows = bits.golomb() + 1
    end = bits.at
    if not bits.number(1):
        return None
    taller = bits.text[:start] + _golomb(rows) + bits.text[end:].rstrip("0")
    taller += "0" * (-len(taller) % 8)
    data = bytes(int(taller[at : at + 8], 2) for at in range(0, len(taller), 8))
    return TallerSet(unit[:1] + _escape(data), columns)


def _golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def _escape(data: bytes) -> bytes:
    """Put a byte 3 wherever two zeros would be followed by a byte up to 3 (7.4.1)."""
    escaped, zeros = bytearray(), 0
    for byte in data:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)


def heighten_record(extradata: bytes) -> TallerSet | None:
    """Return the decoder configuration record of an MP4 or Matroska movie (avcC) with its first set made taller."""
    if len(extradata) < 8 or extradata[0] != 1 or extradata[5] & 31 != 1:
        return None
    end = 8 + int.from_bytes(extradata[6:8], "big")
    taller = heighten(extradata[8:end])
    if taller is None:
        return None
    size = len(taller.data).to_bytes(2, "big")
    return TallerSet(extradata[:6] + size + taller.data + extradata[end:], taller.columns)


def heighten_packet(packet: bytes) -> TallerSet | None:
    """Return a packet in which start codes divide the units, with every parameter set made taller; None if none is."""
    parts = packet.split(b"\0\0\1")
    columns = None
    for number, part in enumerate(parts):
        if number and part and part[0] & 31 == _SPS:
            unit = part.rstrip(b"\0")
            taller = heighten(unit)
            if taller is None:
                return None
            parts[number], columns = taller.data + part[len(unit) :], taller.columns
    return None if columns is None else TallerSet(b"\0\0\1".join(parts), columns)
