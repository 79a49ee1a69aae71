"""The animals of the generated reef, drawn: a cod, an edible crab and a moon jellyfish, phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from kso_utils.testing.drawing import Canvas, Image, cloud, cv2, mix, ramp, smooth_curve

PHASES = 12
_BACK = [(-0.82, 0.04), (-0.55, 0.075), (-0.25, 0.15), (0.1, 0.205), (0.35, 0.215), (0.6, 0.185), (0.8, 0.12)]
_SNOUT = [(0.93, 0.055), (0.985, 0.0), (0.96, -0.04)]
_BELLY = [(0.8, -0.12), (0.6, -0.175), (0.35, -0.205), (0.1, -0.195), (-0.25, -0.14), (-0.55, -0.07), (-0.82, -0.04)]
_DORSAL = (
    [(0.47, 0.19), (0.38, 0.36), (0.29, 0.37), (0.15, 0.19)],
    [(0.12, 0.19), (0.03, 0.30), (-0.06, 0.29), (-0.22, 0.14)],
    [(-0.27, 0.13), (-0.33, 0.22), (-0.41, 0.21), (-0.56, 0.06)],
)
_ANAL = (
    [(0.08, -0.18), (0.0, -0.29), (-0.08, -0.28), (-0.25, -0.13)],
    [(-0.29, -0.12), (-0.35, -0.20), (-0.43, -0.19), (-0.57, -0.06)],
)
_TAIL = [(-0.76, 0.04), (-0.9, 0.13), (-1.0, 0.19), (-0.975, 0.0), (-1.0, -0.19), (-0.9, -0.13), (-0.76, -0.04)]


@dataclass(frozen=True)
class Species:
    """A species of the reef.

    Attributes
    ----------
    label
        The vernacular name, as in the truth.
    scientific_name, taxon_id
        The name, and its AphiaID in the World Register of Marine Species.
    body
        Length and height of the drawing in units of a body length.
    length_px
        Shortest and longest animal in the picture.
    """

    label: str
    scientific_name: str
    taxon_id: int
    body: tuple[float, float]
    length_px: tuple[float, float]


COD = Species("Atlantic cod", "Gadus morhua", 126436, (1.0, 0.38), (66.0, 140.0))
CRAB = Species("Edible crab", "Cancer pagurus", 107276, (1.0, 0.66), (60.0, 118.0))
JELLY = Species("Moon jellyfish", "Aurelia aurita", 135306, (0.72, 1.0), (62.0, 132.0))
SPECIES = (COD, CRAB, JELLY)


@cache
def draw(species: Species, variant: int) -> tuple[Image, ...]:
    """Return an animal of one individual look in `PHASES` phases of its movement.

    Parameters
    ----------
    species
        One of `SPECIES`.
    variant
        Seeds the markings.

    Returns
    -------
    tuple of ndarray
        Pictures (height, width, 4) float32: colours premultiplied by alpha, alpha from 0 to 255. The cod faces
        right, the crab faces the viewer, the jellyfish rises.
    """
    rng = np.random.default_rng([variant, species.taxon_id])
    turns = 2 * np.pi * np.arange(PHASES) / PHASES
    if species is CRAB:
        shell = cloud((512, 512), rng, 0.9)
        return tuple(_draw_crab(shell, turn) for turn in turns)
    still = _draw_cod(rng) if species is COD else _draw_jelly(rng)
    move = _bend_cod if species is COD else _pulse_jelly
    return tuple(move(still, turn) for turn in turns)


def _draw_cod(rng: np.random.Generator) -> Image:
    c = Canvas(400, 176, 192)
    x, y = c.grid()
    fin = mix(np.array([92, 84, 62]), np.array([150, 138, 104]), rng.uniform())
    rays = 0.86 + 0.14 * np.sin(x * 210 + y * 60)
    for points in (*_DORSAL, *_ANAL):
        c.paint(c.shape(smooth_curve(points)), fin, 0.8)
    c.paint(c.shape(smooth_curve(_TAIL)), fin * 0.9, 0.92)
    c.shade(rays)
    back = np.interp(x[0], *np.array(_BACK).T).astype(np.float32)
    belly = np.interp(x[0], *np.array(_BELLY[::-1]).T).astype(np.float32)
    v = (y - (back + belly) / 2) / np.maximum((back - belly) / 2, 0.02)
    skin = mix(np.array([216, 210, 184.0]), np.array([142, 128, 88.0]), ramp(v, -0.75, 0.1)[..., None])
    skin = mix(skin, np.array([82, 74, 48.0]), ramp(v, 0.1, 0.95)[..., None])
    spots = cloud((176, 400), rng, 0.62)
    skin = skin * (1 - 0.34 * ramp(spots, 0.35, 1.0) * ramp(v, -0.35, 0.25))[..., None]
    skin = skin * (0.72 + 0.28 * np.sqrt(np.clip(1 - (v * 0.98) ** 2, 0, 1)))[..., None]
    c.paint(c.shape(smooth_curve(_BACK + _SNOUT + _BELLY)), skin)
    line = [(-0.8, 0.0), (-0.4, 0.02), (-0.05, 0.05), (0.2, 0.1), (0.45, 0.1), (0.6, 0.08)]
    c.paint(c.stroke(smooth_curve(line, False), [0.014, 0.02]), (228, 222, 196), 0.75)
    gill = [(0.6, 0.12), (0.555, 0.04), (0.555, -0.05), (0.6, -0.13)]
    c.paint(c.stroke(smooth_curve(gill, False), [0.01, 0.022, 0.01]), (62, 54, 36), 0.6)
    c.paint(c.stroke(smooth_curve([(0.97, -0.03), (0.9, -0.05), (0.85, -0.07)], False), [0.016, 0.01]), (58, 46, 34), 0.8)
    c.paint(c.stroke([(0.9, -0.085), (0.87, -0.14), (0.85, -0.16)], [0.014, 0.004]), (150, 134, 104), 0.9)
    pectoral = smooth_curve([(0.5, -0.01), (0.4, 0.03), (0.27, -0.01), (0.26, -0.07), (0.38, -0.09), (0.5, -0.05)])
    c.paint(c.shape(pectoral), fin * 0.85, 0.8)
    c.paint(c.shape(smooth_curve([(0.58, -0.165), (0.5, -0.25), (0.46, -0.26), (0.5, -0.17)])), fin, 0.85)
    for radius, colour in ((0.058, (206, 188, 128)), (0.036, (16, 16, 18))):
        c.paint(c.dot(0.795, 0.045, radius, radius), colour)
    c.paint(c.dot(0.808, 0.06, 0.012, 0.012), (245, 248, 250))
    return c.rgba()


def _bend_cod(still: Image, turn: float) -> Image:
    """Beat the tail: seen from the side, the after-body shortens twice a beat and sways a little."""
    h, w = still.shape[:2]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    behind = np.clip((w * 0.55 - x) / (w * 0.5), 0, 1) ** 2
    side = np.float32(np.sin(turn))
    source_x = x - behind * w * 0.075 * side**2
    source_y = y + behind * h * 0.09 * np.sin(turn + 0.7) - 2.0 * side * (1 - behind) * (x > 0) * 0.6
    bent = cv2.remap(still, source_x, source_y.astype(np.float32), cv2.INTER_LINEAR)
    bent[..., :3] *= (1 - 0.18 * behind * side)[..., None]
    return bent


def _draw_crab(shell: Image, turn: float) -> Image:
    c = Canvas(384, 256, 184)
    brown, dark = np.array([146, 80, 50.0]), np.array([80, 42, 30.0])
    for side in (-1, 1):
        for leg in range(4):
            lift = 0.06 * np.sin(turn + leg * np.pi / 2 + (side < 0) * np.pi)
            spread = (0.98, 1.0, 0.9, 0.72)[leg]
            foot = (side * (spread + 0.4 * lift), -0.1 - 0.135 * leg + max(lift, 0) * 0.7)
            knee = (side * (0.72 * spread + 0.02), 0.26 - 0.09 * leg + lift)
            path = smooth_curve([(side * 0.34, 0.1 - 0.05 * leg), knee, foot], False)
            c.paint(c.stroke(path, [0.1, 0.095, 0.075, 0.02]), mix(dark, brown, 0.35 + 0.12 * leg))
            c.paint(c.stroke(path[:9] + [0, 0.012], [0.03, 0.02]), (186, 116, 76), 0.5)
    _paint_shell(c, shell, brown, dark)
    for side in (-1, 1):
        reach = 0.02 * np.sin(turn + side)
        arm = smooth_curve([(side * 0.42, -0.06), (side * 0.6, -0.24), (side * 0.46, -0.4 + reach)], False)
        c.paint(c.stroke(arm, [0.15, 0.16, 0.13]), mix(dark, brown, 0.75))
        _paint_claw(c, side, reach, brown)
    return c.rgba()


def _paint_shell(c: Canvas, shell: Image, brown: Image, dark: Image) -> None:
    angle = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    crust = 1 + 0.022 * np.abs(np.sin(angle * 10)) * (np.sin(angle) < 0.35)
    rim = np.stack([0.6 * np.cos(angle) * crust, 0.04 + np.where(np.sin(angle) > 0, 0.38, 0.3) * np.sin(angle) * crust], 1)
    x, y = c.grid()
    r = np.hypot(x / 0.6, (y - 0.04) / 0.36)
    light = 0.62 + 0.55 * np.clip(1 - np.hypot(x / 0.62 + 0.12, (y - 0.2) / 0.46), 0, 1)
    grain = 1 + 0.07 * shell[: c.height, : c.width]
    colour = mix(brown * 1.12, dark * 1.25, ramp(r, 0.45, 1.05)[..., None]) * (light * grain)[..., None]
    c.paint(c.shape(rim), colour)
    front = np.roll(rim, -86, axis=0)[:99]
    c.paint(c.stroke(front * [0.985, 0.97], [0.02, 0.05, 0.02]), (206, 150, 106), 0.6)
    for side in (-1, 1):
        c.paint(c.stroke([(side * 0.1, -0.2), (side * 0.12, -0.27)], [0.035, 0.03]), dark)
        c.paint(c.dot(side * 0.12, -0.27, 0.032, 0.032), (18, 14, 14))
        groove = smooth_curve([(side * 0.08, 0.2), (side * 0.16, 0.08), (side * 0.12, -0.06)], False)
        c.paint(c.stroke(groove, [0.012, 0.02, 0.01]), dark * 0.8, 0.5)


def _paint_claw(c: Canvas, side: int, reach: float, brown: Image) -> None:
    centre = np.array([side * 0.32, -0.44 + reach])
    palm = [(0.24, 0.06), (0.1, 0.14), (-0.06, 0.1), (-0.1, 0.0), (-0.02, -0.1), (0.14, -0.12), (0.25, -0.04)]
    c.paint(c.shape(smooth_curve(np.array(palm) * [side, 1] + centre)), brown * 1.12)
    c.paint(c.dot(centre[0] + side * 0.1, centre[1] + 0.05, 0.1, 0.045), (214, 148, 104), 0.55)
    for upper in (1, -1):
        finger = smooth_curve([(-0.04, 0.05 * upper), (-0.15, 0.06 * upper), (-0.23, 0.015 * upper)], False)
        c.paint(c.stroke(finger * [side, 1] + centre, [0.085, 0.07, 0.02]), brown)
        c.paint(c.stroke(finger[7:] * [side, 1] + centre, [0.075, 0.06, 0.018]), (26, 20, 20))


def _draw_jelly(rng: np.random.Generator) -> Image:
    c = Canvas(272, 368, 128)
    x, y = c.grid()
    milk = mix(np.array([196, 214, 232.0]), np.array([226, 218, 236.0]), rng.uniform())
    for k in range(4):
        sway = 0.07 * np.sin(np.linspace(0, 4, 5) + k * 1.7)
        xs = np.linspace(-0.26, 0.26, 4)[k] * np.linspace(1, 1.35, 5) + sway
        arm = smooth_curve(np.stack([xs, np.linspace(0.16, -1.05 + 0.22 * (k % 2), 5)], 1), False)
        c.paint(c.stroke(arm, [0.17, 0.15, 0.11, 0.03]), milk * 0.95, 0.5)
        c.paint(c.stroke(arm + [0.02 * np.sin(k), 0], [0.05, 0.05, 0.01]), milk * 1.08, 0.5)
    for k in np.linspace(-0.95, 0.95, 40):
        hang = 0.2 + 0.08 * np.sin(k * 23)
        fringe = [(k * 0.97, 0.2 - 0.1 * (1 - k * k)), (k * 0.99 + 0.02 * np.sin(k * 40), 0.1 - hang)]
        c.paint(c.stroke(fringe, [0.016, 0.006]), milk, 0.45)
    dome = [(-1, 0.2), (-0.93, 0.55), (-0.66, 0.97), (0, 1.16), (0.66, 0.97), (0.93, 0.55), (1, 0.2)]
    skirt = [(0.7, 0.1), (0.35, 0.05), (0, 0.03), (-0.35, 0.05), (-0.7, 0.1)]
    bell = c.shape(smooth_curve(dome + skirt))
    r = np.hypot(x, (y - 0.2) / 0.96)
    rim = ramp(r, 0.55, 1.0)
    ribs = 0.5 + 0.5 * np.cos(np.arctan2(x, y + 0.35) * 46)
    c.paint(bell, milk * (0.82 + 0.3 * rim + 0.05 * ribs * ramp(r, 0.3, 0.8))[..., None], 0.5)
    c.paint(bell * rim, milk * 1.1, 0.5)
    c.paint(c.stroke(smooth_curve([(-0.99, 0.2), *skirt[::-1], (0.99, 0.2)], False), [0.05, 0.06, 0.05]), milk * 1.1, 0.6)
    pink = mix(np.array([196, 120, 176.0]), np.array([220, 140, 150.0]), rng.uniform())
    for gx, gy in ((-0.27, 0.74), (0.27, 0.74), (-0.33, 0.44), (0.33, 0.44)):
        ring = c.dot(gx, gy, 0.21, 0.135) - c.dot(gx, gy - 0.01, 0.12, 0.065)
        c.paint(np.clip(ring, 0, 1), pink, 0.8)
    c.paint(c.dot(-0.42, 0.88, 0.2, 0.07) * bell, (250, 252, 255), 0.3)
    return c.rgba()


def _pulse_jelly(still: Image, turn: float) -> Image:
    """Close the bell once a turn: narrower and taller; the arms trail."""
    h, w = still.shape[:2]
    x, y = np.meshgrid(np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32))
    closed = 0.5 - 0.5 * np.cos(turn)
    low = np.clip((y - h * 0.1) / (h * 0.45), 0, 1)
    narrow = 1 - 0.2 * closed * low
    wave = w * 0.035 * np.sin(y / h * 9 - turn) * np.clip((y - h * 0.45) / (h * 0.5), 0, 1)
    source_x = (x - w / 2 + wave) / narrow + w / 2
    source_y = h * 0.3 + (y - h * 0.3) / (0.92 + 0.08 * closed)
    return cv2.remap(still, source_x.astype(np.float32), source_y.astype(np.float32), cv2.INTER_LINEAR)
