"""How the animals of a generated movie move, and who meets whom: a plan, before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kso_utils.testing.animals import COD, CRAB, SPECIES, Species
from kso_utils.testing.scenes import HEIGHT, MARGIN_X, MARGIN_Y, WIDTH

Array = NDArray[np.float64]

_EDGE = (0.05, 0.5)


@dataclass(frozen=True)
class Level:
    """How hard a reef is.

    Attributes
    ----------
    turbidity
        Least and most, over the sites: 0 clear, 1 hardly any sight.
    contrast
        Least, most and exponent of the contrasts of animals: above 1 most are low, below 1 most are high.
    counts
        The numbers of animals of a species that are dealt out to the movies, like a pack of cards.
    overlap
        Least and most share of the frames with animals, in a movie, in which silhouettes are planned to touch.
    parting
        How fast two animals that meet drift apart, in body lengths a second: least and most.
    snow
        Marine snow, relative.
    """

    turbidity: tuple[float, float]
    contrast: tuple[float, float, float]
    counts: tuple[int, ...]
    overlap: tuple[float, float]
    parting: tuple[float, float]
    snow: float


LEVELS = {
    "easy": Level((0.08, 0.3), (0.2, 0.48, 1.0), (0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6), (0.3, 0.5), (0.1, 0.3), 0.8),
    "hard": Level((0.35, 0.75), (0.07, 0.4, 2.0), (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6), (0.56, 0.85), (0.0, 0.1), 1.6),
}


@dataclass(frozen=True)
class Animal:
    """One animal of a movie.

    Attributes
    ----------
    species, variant
        What it is and its individual look.
    length_px
        Its length in the picture.
    distance
        0 near, 1 far: far animals are drawn behind near ones, smaller, bluer and less sharp.
    contrast
        Its contrast to the background (Michelson, of luma), and whether it is brighter rather than darker.
    centre
        x and y in every frame, in pixels of the background plate: (frames, 2).
    tilt
        Radians, anticlockwise, in every frame.
    cycle
        Turns of its movement (tail, legs, bell) so far, in every frame.
    faces_left
        Whether its picture is mirrored.
    """

    species: Species
    variant: int
    length_px: float
    distance: float
    contrast: float
    bright: bool
    centre: Array
    tilt: Array
    cycle: Array
    faces_left: bool


def plan_camera(frames: int, fps: float, rng: np.random.Generator) -> Array:
    """Return the upper left corner of the picture on the plate, in every frame: a slow pan and the swell."""
    t = np.arange(frames) / fps
    period, phase = rng.uniform(24, 40), rng.uniform(0, 2 * np.pi, 3)
    pan = rng.uniform(0.7, 0.95) * MARGIN_X * np.sin(2 * np.pi * t / period + phase[0])
    swell = 3.0 * np.sin(2 * np.pi * t / rng.uniform(4, 7) + phase[1])
    bob = 0.3 * MARGIN_Y * np.sin(2 * np.pi * t / rng.uniform(5, 8) + phase[2])
    return np.stack([MARGIN_X * 0.97 + 0.95 * pan + swell * 0.5, MARGIN_Y + bob], 1)


def plan_animals(
    level: Level, counts: tuple[int, ...], camera: Array, fps: float, horizon: float, rng: np.random.Generator
) -> list[Animal]:
    """Return the animals of a movie, so placed that enough of them, and not too many, overlap.

    Parameters
    ----------
    level
        Sets the contrasts and the share of overlaps.
    counts
        Animals of each of `SPECIES`. A single animal gets a mate, because it could overlap with nobody.
    camera
        From `plan_camera`.
    fps
        Frames a second.
    horizon
        Upper edge of the sea floor, as a share of the picture's height.
    rng
        The source of randomness.
    """
    if sum(counts) == 1:
        counts = tuple(2 * n for n in counts)
    if 0 < sum(counts) and max(counts) == 1:
        first = counts.index(1)
        counts = tuple(2 if i == first else n for i, n in enumerate(counts))
    best: list[Animal] = []
    miss = np.inf
    for _ in range(40):
        plan = [_place(s, level, camera, fps, horizon, rng) for s, n in zip(SPECIES, counts, strict=True) for _ in range(n)]
        for _ in range(12):
            share = overlap_share(plan, camera)
            if share >= level.overlap[0] or not plan:
                break
            _let_meet(plan, level, fps, len(camera), rng)
        off = max(level.overlap[0] - share, share - level.overlap[1], 0.0)
        if off < miss:
            best, miss = plan, off
        if off == 0:
            break
    return sorted(best, key=lambda a: -a.distance)


def overlap_share(plan: list[Animal], camera: Array) -> float:
    """Return the estimated share of the frames with animals in which two of them overlap.

    Silhouettes are taken for ellipses somewhat smaller than the animals, so that the estimate is a low one.
    """
    if not plan:
        return 0.0
    centre = np.stack([a.centre[::5] for a in plan], 1)
    half = np.array([[a.length_px * side * 0.42 for side in a.species.body] for a in plan])
    within = centre - camera[::5, None, :]
    seen = ((within > half * 0.2) & (within < [WIDTH, HEIGHT] - half * 0.2)).all(axis=2)
    apart = (centre[:, :, None] - centre[:, None, :]) / (half[:, None] + half[None, :])
    touch = ((apart**2).sum(axis=3) < 0.7) & seen[:, :, None] & seen[:, None, :]
    touch &= ~np.eye(len(plan), dtype=bool)
    return float(touch.any(axis=(1, 2)).sum() / max(1, seen.any(axis=1).sum()))


def _place(
    species: Species, level: Level, camera: Array, fps: float, horizon: float, rng: np.random.Generator
) -> Animal:
    """Return an animal that is well inside the picture at some moment."""
    frames = len(camera)
    t = np.arange(frames) / fps
    distance = float(rng.uniform())
    moment = int(rng.uniform(0.1, 0.9) * frames)
    small, large = species.length_px
    low, high, exponent = level.contrast
    contrast = low + (high - low) * rng.uniform() ** exponent
    place = np.array([rng.uniform(0.15, 0.85) * WIDTH, rng.uniform(0.14, 0.6) * HEIGHT])
    left = bool(rng.uniform() < 0.5)
    away = t - t[moment]
    if species is COD:
        speed = rng.uniform(26, 62) * (1.15 - 0.5 * distance) * (-1 if left else 1)
        rhythm, bob = rng.uniform(0.5, 0.9), rng.uniform(3, 10)
        wander = rng.uniform(0, 2 * np.pi)
        move = np.stack([speed * away, bob * np.sin(rhythm * away * 2 + wander) + rng.normal(0, 3) * away], 1)
        cycle = t * rng.uniform(1.0, 1.6)
    elif species is CRAB:
        floor = horizon + (1 - horizon) * (0.94 - 0.6 * distance)
        place[1] = floor * HEIGHT - 12
        pace, rhythm = rng.uniform(6, 18) * (-1 if left else 1), rng.uniform(0.7, 1.6)
        steps = away - np.sin(rhythm * away * 2) / (rhythm * 2)
        move = np.stack([pace * steps, 0.02 * pace * steps], 1)
        cycle = 0.09 * np.abs(pace) * (steps - steps[0])
    else:
        rate, rise = rng.uniform(0.45, 0.75), rng.uniform(7, 16)
        push = away - 0.8 * np.sin(2 * np.pi * rate * away) / (2 * np.pi * rate)
        move = np.stack([rng.normal(0, 5) * away + 4 * np.sin(0.7 * away), -rise * push], 1)
        place[1] = rng.uniform(0.3, 0.66) * HEIGHT
        cycle = rate * (t + rng.uniform(0, 3))
    along = np.gradient(move, axis=0)
    tilt = _tilt(species, along, left, t, rng)
    return Animal(
        species,
        int(rng.integers(3)),
        float(large + (small - large) * distance),
        distance,
        float(contrast),
        bool(rng.uniform() < 0.5),
        camera[moment] + place + move,
        tilt,
        cycle,
        left and species is not CRAB,
    )


def _tilt(species: Species, along: Array, left: bool, t: Array, rng: np.random.Generator) -> Array:
    if species is COD:
        slope = np.arctan2(-along[:, 1], np.maximum(np.abs(along[:, 0]), 1e-6))
        return np.clip(slope, -0.35, 0.35) * (-1 if left else 1)
    swing = 0.03 if species is CRAB else 0.16
    return np.asarray(swing * np.sin(rng.uniform(0.3, 0.7) * t + rng.uniform(0, 6)) + rng.normal(0, swing))


def _let_meet(plan: list[Animal], level: Level, fps: float, frames: int, rng: np.random.Generator) -> None:
    """Move one animal beside another of its species; from a moment on they drift apart."""
    pairs = [(i, j) for i, a in enumerate(plan) for j, b in enumerate(plan) if i != j and a.species is b.species]
    leader, follower = pairs[int(rng.integers(len(pairs)))]
    a, b = plan[leader], plan[follower]
    length, height = (np.array(a.species.body) * a.length_px).tolist()
    away = (np.arange(frames) - rng.uniform(0.2, 0.8) * frames) / fps
    side = 1.0 if rng.uniform() < 0.5 else -1.0
    gap = rng.uniform(0.5, 0.6) + rng.uniform(*level.parting) * np.abs(away)
    drop = rng.uniform(0.16, 0.26) * (1 if rng.uniform() < 0.5 else -1) * height
    plan[follower] = replace(
        b,
        length_px=float(np.clip(a.length_px * rng.uniform(0.9, 1.1), *a.species.length_px)),
        distance=float(np.clip(a.distance + rng.choice([-0.04, 0.04]), 0, 1)),
        centre=a.centre + np.stack([side * length * gap, np.full(frames, drop)], 1),
        tilt=a.tilt,
        faces_left=a.faces_left,
    )


def set_extremes(plan: list[Animal], index: int) -> list[Animal]:
    """Return the plan in which one animal of this movie has the least or the greatest contrast.

    Every movie with an odd index holds a faint animal, every other one a striking one; so a set of movies spans
    the whole range, from 0.05 to 0.5.
    """
    if not plan:
        return plan
    chosen = index // 2 % len(plan)
    return [replace(a, contrast=_EDGE[(index + 1) % 2]) if i == chosen else a for i, a in enumerate(plan)]
