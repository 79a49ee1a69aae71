"""What an edit list makes of a track's samples: which are packets, when each is shown, and which are hidden.

The rules are those by which ffmpeg lays a movie out, so that numbers of frames mean the same however a file is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kso_utils.media.containers.boxes import Track


@dataclass(frozen=True, eq=False)
class Layout:
    """Packets in decoding order; int64 and bool (packets,).

    Attributes
    ----------
    samples
        Sample of the track that each packet is; an edit list may use one more than once.
    pts, dts, durations
        Ticks of the track.
    is_hidden
        Whether the picture is needed for others only.
    """

    samples: NDArray[np.int64]
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    durations: NDArray[np.int64]
    is_hidden: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Part:
    """What one edit takes: samples, their times of decoding, whether they are hidden."""

    samples: NDArray[np.int64]
    dts: NDArray[np.int64]
    is_hidden: NDArray[np.bool_]


def lay_out(track: Track) -> Layout:
    """Return a track's packets as its edit list has them."""
    shifts = np.zeros(len(track.sizes), np.int64) if track.shifts is None else track.shifts
    dts = np.cumsum(track.durations) - track.durations - track.delay
    parts: list[_Part] = []
    nothing, begin = 0, -track.delay
    for span, start in track.edits.tolist():
        length = _rescale(span, track.timescale, track.movie_timescale)
        if start == -1 and not parts:
            nothing += length
        else:
            parts.append(_cut(track, dts, shifts, begin, start, length))
        begin += length
    if not len(track.edits):
        parts = [_Part(np.arange(len(dts)), dts, np.zeros(len(dts), np.bool_))]
    samples = np.concatenate([np.zeros(0, np.int64), *(part.samples for part in parts)])
    times = np.concatenate([np.zeros(0, np.int64), *(part.dts for part in parts)])
    hidden = np.concatenate([np.zeros(0, np.bool_), *(part.is_hidden for part in parts)])
    pts = times + track.delay + shifts[samples]
    early = max(0, _earliest(pts[~hidden]) - nothing) if len(track.edits) else 0
    return Layout(samples, pts - early, times - early, track.durations[samples], hidden)


def _rescale(ticks: int, to: int, of: int) -> int:
    """Return ticks of one clock in those of another, rounded half up."""
    return (2 * ticks * to + of) // (2 * of)


def _cut(track: Track, dts: NDArray[np.int64], shifts: NDArray[np.int64], begin: int, start: int, length: int) -> _Part:
    """Return what an edit takes: from the key sample that its first picture needs, to the key sample after its end.

    Where pictures are reordered it is the key sample after that one, for pictures that follow it in the file and
    are shown before it.
    """
    samples = np.arange(_entry(track, dts, shifts, start - track.delay), len(dts))
    steps = np.diff(dts[samples], append=dts[-1] + length)
    pts = dts[samples] + track.delay + shifts[samples]
    over = np.flatnonzero(track.is_key[samples] & (pts + steps >= start + length))
    last = over[:1] if track.shifts is None else over[1:2]
    kept = slice(int(last[0]) + 1 if len(last) else None)
    hidden = ((pts < start) | (pts >= start + length))[kept]
    since = (np.cumsum(steps) - steps)[kept]
    shown = np.flatnonzero(~hidden)
    times = begin + since - since[shown[0]] if len(shown) else np.full(len(hidden), begin, np.int64)
    return _Part(samples[kept], times, hidden)


def _entry(track: Track, dts: NDArray[np.int64], shifts: NDArray[np.int64], wanted: int) -> int:
    """Return the sample from which an edit that begins at a time of decoding is decoded."""
    before = int(np.searchsorted(dts, wanted, side="right"))
    able = track.is_key[:before]
    if track.shifts is not None:
        able = able & (dts[:before] + shifts[:before] <= wanted)
    found = np.flatnonzero(able)
    if len(found):
        return int(found[-1])
    return max(0, before - 1) if track.shifts is None else 0


def _earliest(pts: NDArray[np.int64]) -> int:
    """Return the time that is moved to zero: the earliest since the last one below zero, which itself stays."""
    negative = np.flatnonzero(pts < 0)
    since = pts[negative[-1] + 1 :] if len(negative) else pts
    return int(since.min()) if len(since) else -1
