"""Media as they arrive on bad days: cut short, overwritten, or something else under a movie's name."""

from __future__ import annotations

import io
import wave
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kso_utils.core.errors import ConfigError
from kso_utils.media.encoding import write_movie
from kso_utils.media.safety import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# Of smaller pictures, what x264 makes varies from run to run.
_FRAMES, _HEIGHT, _WIDTH, _RATE = 50, 192, 256, Fraction(25)
_BLOCK_BYTES, _SECTOR_BYTES = 5_000, 512
_ABSURD = 0x7FFF_FFFF

# What ffmpeg makes of the first movie: file ending and output options.
_CONTAINERS: dict[str, tuple[str, dict[str, object]]] = {
    "mp4_late": ("mp4", {"c": "copy", "f": "mp4"}),
    "mov": ("mov", {"c:v": "prores_ks", "f": "mov"}),
    "mkv": ("mkv", {"c": "copy", "f": "matroska", "fflags": "+bitexact"}),
    "avi": ("avi", {"c:v": "mjpeg", "q:v": 3, "f": "avi"}),
    "ts": ("ts", {"c": "copy", "f": "mpegts"}),
}

_DAMAGED = ("mp4", *_CONTAINERS)


@dataclass(frozen=True, slots=True)
class CorruptMedium:
    """One file.

    Attributes
    ----------
    path
        The file.
    kind
        What was done to it: a key of `KINDS`.
    source
        Which good file it was: `mp4` (H.264, its index in front), `mp4_late` (at the end), `mov` (ProRes), `mkv`
        (H.264), `avi` (MJPEG), `ts` (H.264), `wav`; empty where it never was one.
    """

    path: Path
    kind: str
    source: str


def write_corrupt_media(folder: str | Path, count: int = 300, seed: int = 0) -> Iterator[CorruptMedium]:
    """Write corrupt media, one after the other; the good files that they are made from lie in `good` beside them.

    Parameters
    ----------
    folder
        Where to; files of the same names are written over.
    count
        How many; kinds and containers take turns, each time damaged elsewhere.
    seed
        What chance begins with.

    Yields
    ------
    CorruptMedium
        The file that was just written.

    Raises
    ------
    ConfigError
        If `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"{count} files cannot be written. Give 1 or more.")
    root = Path(folder)
    good = write_good_media(root / "good")
    turns = _turns()
    for number in range(count):
        kind, source = turns[number % len(turns)]
        rng = np.random.default_rng([seed, number])
        data = KINDS[kind][1](good[source].read_bytes() if source else b"", rng, number // len(turns))
        ending = good[source].suffix if source else ".mp4"
        path = root / f"{number:03}_{kind}_{source or 'none'}{'.mp4' if kind == 'wrong_ending' else ending}"
        path.write_bytes(data)
        yield CorruptMedium(path, kind, source)


def write_good_media(folder: Path) -> dict[str, Path]:
    """Write one good file of each kind that is damaged, or return those that are there; named as in `CorruptMedium`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {"mp4": folder / "mp4.mp4", "wav": folder / "wav.wav"}
    if not paths["mp4"].exists():
        write_movie(paths["mp4"], _scene(), _RATE)
    for name, (ending, options) in _CONTAINERS.items():
        paths[name] = folder / f"{name}.{ending}"
        if not paths[name].exists():
            run_ffmpeg(paths["mp4"], paths[name], output_options=options)
    with wave.open(str(paths["wav"]), "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9_000, 9_000, 16_000, dtype="<i2").tobytes())
    return paths


def _scene() -> Iterator[NDArray[np.uint8]]:
    """Yield pictures of a textured ground over which something moves, with the noise of a camera."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(40, 200, (_HEIGHT // 8 + 8, _WIDTH // 8 + 8, 3)).repeat(8, 0).repeat(8, 1)
    for number in range(_FRAMES):
        picture = coarse[number // 3 : number // 3 + _HEIGHT, number // 2 : number // 2 + _WIDTH].astype(np.int16)
        picture[40:70, 2 * number : 2 * number + 30] = (230, 160, 60)
        yield np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def _truncated(data: bytes, rng: np.random.Generator, turn: int) -> bytes:
    share = (rng.uniform(0.02, 0.98), 1 - rng.uniform(0, 0.01), rng.uniform(0.9, 0.99), rng.uniform(0, 0.05))[turn % 4]
    return data[: max(1, min(len(data) - 1, round(len(data) * share)))]


def _flipped(flips: int) -> Callable[[bytes, np.random.Generator, int], bytes]:
    def flip(data: bytes, rng: np.random.Generator, _: int) -> bytes:
        bits = np.unpackbits(np.frombuffer(data, np.uint8))
        bits[rng.choice(len(bits), flips, replace=False)] ^= 1
        return np.packbits(bits).tobytes()

    return flip


def _zeroed(size: int, step: int) -> Callable[[bytes, np.random.Generator, int], bytes]:
    """Return what overwrites `size` bytes with zeros, from a multiple of `step` on; without a size to the end."""

    def overwrite(data: bytes, rng: np.random.Generator, _: int) -> bytes:
        while True:
            start = int(rng.integers(len(data) // step)) * step
            stop = min(start + size, len(data)) if size else len(data)
            damaged = data[:start] + bytes(stop - start) + data[stop:]
            if damaged != data:
                return damaged

    return overwrite


def _swapped_head(data: bytes, rng: np.random.Generator, _: int) -> bytes:
    heads = (
        b"RIFF\x24\x08\x00\x00AVI LIST",
        b"\x1a\x45\xdf\xa3" + bytes(28),
        b"\x47\x40\x00\x10" * 8,
        b"\xff\xd8\xff\xe0",
    )
    head = heads[int(rng.integers(len(heads)))]
    return head + data[len(head) :]


def _absurd_count(data: bytes, rng: np.random.Generator, turn: int) -> bytes:
    """Say that a table of the index has two thousand million entries."""
    tables = [name for name in (b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"stss", b"stsd", b"elst") if name in data]
    name = tables[turn % len(tables)]
    at = data.index(name) + 4 + (8 if name == b"stsz" else 4)
    return data[:at] + _ABSURD.to_bytes(4, "big") + data[at + 4 :]


def _zip(data: bytes, rng: np.random.Generator, _: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("dive.mp4"), data)
    return packed.getvalue()


def _text(*texts: str) -> Callable[[bytes, np.random.Generator, int], bytes]:
    return lambda data, rng, turn: texts[turn % len(texts)].encode()


_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n"
_SDP = (
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
)
_DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    "<Representation><BaseURL>good/mp4.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"
)

_Damage = tuple[tuple[str, ...], "Callable[[bytes, np.random.Generator, int], bytes]"]
KINDS: dict[str, _Damage] = {
    "truncated": ((*_DAMAGED, "wav"), _truncated),
    "flipped_1": (_DAMAGED, _flipped(1)),
    "flipped_10": (_DAMAGED, _flipped(10)),
    "flipped_100": (_DAMAGED, _flipped(100)),
    "zeroed_block": (_DAMAGED, _zeroed(_BLOCK_BYTES, 1)),
    "zeroed_sector": (_DAMAGED, _zeroed(_SECTOR_BYTES, _SECTOR_BYTES)),
    "zeroed_tail": (_DAMAGED, _zeroed(0, 1)),
    "swapped_head": (("mp4", "mov", "mkv"), _swapped_head),
    "doubled": (("mp4", "mkv", "ts"), lambda data, rng, turn: data + data),
    "absurd_count": (("mp4", "mp4_late", "mov"), _absurd_count),
    "wrong_ending": (("mkv", "wav"), lambda data, rng, turn: data),
    "zipped": (("mp4",), _zip),
    "empty": (("",), _text("")),
    "text": (("",), _text("hello", "\n", "site,fish\nInre viken,3\n")),
    "page": (("",), _text("<!DOCTYPE html><html><body><h1>404 Not Found</h1></body></html>\n" * 20)),
    "noise": (("",), lambda data, rng, turn: rng.bytes(10 ** (turn % 6 + 1))),
    "zeros": (("",), lambda data, rng, turn: bytes(10 ** (turn % 6 + 1))),
    "playlist": (("",), _text(_HLS.format("good/ts.ts"), _HLS.format("http://127.0.0.1:9/secret.ts"))),
    "part_list": (("",), _text("ffconcat version 1.0\nfile good/mp4.mp4\n", "file 'good/mp4.mp4'\n")),
    "session": (("",), _text(_SDP)),
    "manifest": (("",), _text(_DASH)),
    "picture": (("",), lambda data, rng, turn: b"\x89PNG\r\n\x1a\n" + rng.bytes(500)),
}
"""Name -> the good files that it is made from, and what makes it of one, given chance and the number of the turn."""


def _turns() -> list[tuple[str, str]]:
    return [(kind, source) for kind, (sources, _) in KINDS.items() for source in sources]
