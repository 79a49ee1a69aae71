"""From a plan to pictures and their truth: the frames of one generated movie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kso_utils.testing.animals import CRAB, PHASES, draw
from kso_utils.testing.drawing import LUMA, Image, cv2
from kso_utils.testing.scenes import HEIGHT, WIDTH, Light, Scene, Snow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kso_utils.testing.paths import Animal, Array

MIN_VISIBLE = 0.4
MIN_SIDE_PX = 12
_SILHOUETTE = 0.4 * 255
_BRIGHTEST = 205.0


@dataclass
class _Actor:
    """An animal with its pictures at the right size, and what it looked like last."""

    animal: Animal
    number: int
    phases: list[Image]
    scale: float
    gain: float | None = None
    bright: bool = True
    contrast: float = 0.0


@dataclass
class _Pose:
    """A silhouette in one frame: its place in the picture, and its size in and out of it."""

    actor: _Actor
    rows: slice
    columns: slice
    mask: Any
    whole: int


def film(
    scene: Scene, plate: Image, animals: list[Animal], camera: Array, fps: float, turbidity: float, light: Light, snow: Snow
) -> Iterator[tuple[Image, list[dict[str, Any]]]]:
    """Yield every frame (height, width, 3) uint8 RGB with the truth about it, one row an animal.

    Contrast is |A - B| / (A + B) of the mean luma A of an animal's silhouette and B of the background that it
    hides, in the scene as it is before moving light and snow pass over both.

    Parameters
    ----------
    scene, plate
        The site and its background.
    animals, camera
        The plan; far animals first.
    fps
        Frames a second.
    turbidity
        0 to 1.
    light, snow
        What moves in the water.
    """
    actors = [_Actor(a, i, *_dress(a, scene, turbidity)) for i, a in enumerate(animals, 1)]
    for number in range(len(camera)):
        corner = camera[number]
        centre = (corner[0] + (WIDTH - 1) / 2, corner[1] + (HEIGHT - 1) / 2)
        clean = cv2.getRectSubPix(plate, (WIDTH, HEIGHT), centre)
        picture = clean.copy()
        poses = [p for p in (_pose(actor, number, corner, clean, picture) for actor in actors) if p is not None]
        picture = cv2.multiply(picture, light.at(number / fps), scale=0.01)
        yield cv2.add(picture, snow.at(number / fps, (corner[0], corner[1]))), _truth(poses, number, fps)


def _dress(animal: Animal, scene: Scene, turbidity: float) -> tuple[list[Image], float]:
    """Return the phases at the animal's size, as blurred and tinted as its distance wants, and their scale."""
    veil = np.array(scene.veil, np.float32)
    cast = 0.45 + 0.55 * veil / veil.max()
    haze = animal.distance * (0.16 + 0.42 * turbidity)
    blur = 0.3 + animal.distance * (0.35 + 1.6 * turbidity)
    dressed = []
    for still in draw(animal.species, animal.variant):
        scale = animal.length_px / (max(still.shape[:2]) * 0.96)
        small = cv2.resize(still, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        border = int(3 * blur + 3)
        small = cv2.copyMakeBorder(small, *[border] * 4, cv2.BORDER_CONSTANT, value=0)
        small = cv2.GaussianBlur(small, (0, 0), blur)
        alpha = small[..., 3:] / 255
        small[..., :3] = small[..., :3] * cast * (1 - haze) + veil * 1.2 * haze * alpha
        dressed.append(small[:, ::-1].copy() if animal.faces_left else small)
    return dressed, 1.0


def _pose(actor: _Actor, number: int, corner: Any, clean: Image, picture: Image) -> _Pose | None:
    """Draw the animal into the picture; return its silhouette, or None where it is outside."""
    animal = actor.animal
    still = actor.phases[int(animal.cycle[number] * PHASES) % PHASES]
    reach = int(np.hypot(*still.shape[:2]) / 2) + 2
    x, y = animal.centre[number] - corner
    left, top = int(x) - reach, int(y) - reach
    right, bottom = left + 2 * reach, top + 2 * reach
    columns, rows = slice(max(left, 0), min(right, WIDTH)), slice(max(top, 0), min(bottom, HEIGHT))
    if columns.start >= columns.stop or rows.start >= rows.stop:
        return None
    turn = cv2.getRotationMatrix2D((still.shape[1] / 2, still.shape[0] / 2), np.degrees(animal.tilt[number]), 1.0)
    turn[:, 2] += [x - left - still.shape[1] / 2, y - top - still.shape[0] / 2]
    whole = cv2.warpAffine(still, turn, (2 * reach, 2 * reach))
    inside = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    silhouette = whole[..., 3] > _SILHOUETTE
    mask = silhouette[inside]
    if animal.species is CRAB:
        _cast_shadow(picture, x, y, animal.length_px)
    if mask.any():
        _blend(actor, whole[inside], mask, clean[rows, columns], picture[rows, columns])
    return _Pose(actor, rows, columns, mask, int(silhouette.sum()))


def _cast_shadow(picture: Image, x: float, y: float, length: float) -> None:
    """Darken the sea floor under an animal that stands on it."""
    w, h = int(length * 0.62), int(length * 0.2)
    left, top = int(x) - w, int(y + length * 0.22) - h
    box = np.s_[max(top, 0) : max(top + 2 * h, 0), max(left, 0) : max(left + 2 * w, 0)]
    patch = picture[box]
    if patch.size == 0:
        return
    gx = (np.arange(max(left, 0), max(left, 0) + patch.shape[1]) - x) / w
    gy = (np.arange(max(top, 0), max(top, 0) + patch.shape[0]) - (top + h)) / h
    dark = 1 - 0.5 * np.clip(1 - np.hypot(gx[None, :], gy[:, None]), 0, 1)
    picture[box] = (patch * dark[..., None]).astype(np.uint8)


def _blend(actor: _Actor, rgba: Image, mask: Any, clean: Image, picture: Image) -> None:
    """Lay the animal over the picture, its brightness such that its contrast is the planned one."""
    bare = clean.astype(np.float32)
    through = 1 - rgba[..., 3] / 255
    behind = bare @ LUMA
    ground = float(behind[mask].mean())
    shine = float((behind * through)[mask].mean())
    own = float((rgba[..., :3] @ LUMA)[mask].mean())
    if actor.gain is None:
        actor.bright = _is_bright(actor.animal, ground)
    if actor.gain is None or mask.sum() >= 40:
        c = actor.animal.contrast
        if actor.bright:
            target = max(min(ground * (1 + c) / (1 - c), _BRIGHTEST), ground * 1.12)
        else:
            target = ground * (1 - c) / (1 + c)
        actor.gain = max(target - shine, 0.0) / max(own, 1.0)
    over = rgba[..., :3] * actor.gain
    seen = np.clip(bare * through[..., None] + over, 0, 255) @ LUMA
    actor.contrast = abs(float(seen[mask].mean()) - ground) / (float(seen[mask].mean()) + ground)
    picture[:] = np.clip(picture * through[..., None] + over + 0.5, 0, 255)


def _is_bright(animal: Animal, ground: float) -> bool:
    """Return whether the animal is brighter than its background: a translucent one always is."""
    fits = ground * (1 + animal.contrast) / (1 - animal.contrast) < 0.8 * _BRIGHTEST
    return animal.species.body[1] >= 1.0 or (animal.bright and fits)


def _truth(poses: list[_Pose], number: int, fps: float) -> list[dict[str, Any]]:
    """Return one row for every animal that is visible and large enough."""
    owner = np.zeros((HEIGHT, WIDTH), np.int16)
    for pose in poses:
        owner[pose.rows, pose.columns][pose.mask] = pose.actor.number
    kept: list[tuple[_Pose, dict[str, Any]]] = []
    for pose in poses:
        shown = owner[pose.rows, pose.columns] == pose.actor.number
        visible = shown.sum() / max(pose.whole, 1)
        if visible < MIN_VISIBLE:
            continue
        ys, xs = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        width, height = int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)
        if min(width, height) < MIN_SIDE_PX:
            continue
        x, y = pose.columns.start + int(xs[0]), pose.rows.start + int(ys[0])
        row = {"frame_number": number, "pts_s": number / fps, "animal_id": pose.actor.number}
        row |= {"label": pose.actor.animal.species.label, "x": x, "y": y, "width": width, "height": height}
        row |= {"visible": round(float(visible), 4), "contrast": round(pose.actor.contrast, 4), "overlapping": False}
        kept.append((pose, row))
    _mark_overlaps(kept)
    return [row for _, row in kept]


def _mark_overlaps(kept: list[tuple[_Pose, dict[str, Any]]]) -> None:
    for i, (a, row) in enumerate(kept):
        for b, other in kept[:i]:
            top, bottom = max(a.rows.start, b.rows.start), min(a.rows.stop, b.rows.stop)
            left, right = max(a.columns.start, b.columns.start), min(a.columns.stop, b.columns.stop)
            if top < bottom and left < right and (_part(a, top, bottom, left, right) & _part(b, top, bottom, left, right)).any():
                row["overlapping"] = other["overlapping"] = True


def _part(pose: _Pose, top: int, bottom: int, left: int, right: int) -> Any:
    r, c = pose.rows.start, pose.columns.start
    return pose.mask[top - r : bottom - r, left - c : right - c]
