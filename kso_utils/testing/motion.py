"""What moves in a movie without truth: boxes by background subtraction, to stand in for people's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kso_utils.media.frames import read_frames
from kso_utils.media.movie import probe
from kso_utils.media.sampling import sample_frames
from kso_utils.media.sources import file_name
from kso_utils.testing.drawing import cv2
from kso_utils.testing.reef import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[Any]
    Taken = dict[int, tuple[float, Picture]]
    Region = tuple[int, int, int, int, float]

MOVING = "moving animal"
_WORK_WIDTH = 480
_STEADY_PX = 1.5
_NEIGHBOURS_S = (-1.2, -0.8, -0.4, 0.4, 0.8, 1.2)
_LEAST_CHANGE = 12.0
_NOISE_FACTOR = 4.0
_SMALLEST_SHARE, _LARGEST_SHARE = 0.0008, 0.3
_MOST_BOXES = 12


def find_moving(
    movie: str | Path, every_s: float = 1.0, max_frames: int = 120, numbers: Sequence[int] | None = None
) -> pd.DataFrame:
    """Return boxes around what moves in a movie.

    Under a camera that stands still, the background of every frame is the median of all frames looked at; under
    one that moves, the median of frames up to 1.2 s before and after, each laid over the frame by the motion of
    its corners. What differs from the background around it by more than usual, after a morphological opening and
    closing, and is neither tiny nor most of the picture, moves.

    Parameters
    ----------
    movie
        A movie file.
    every_s
        Seconds between the frames that are looked at; less where the movie is so short that it would give fewer
        than eight.
    max_frames
        At most so many frames are looked at, spread evenly over a longer movie.
    numbers
        Frames for which boxes are wanted; by default those that are looked at for the background.

    Returns
    -------
    DataFrame
        The columns of a reef's truth, in pixels of the movie: `label` is "moving animal", `animal_id` counts from 1
        in each frame, `visible` is 1, `contrast` is |A - B| / (A + B) of the mean luma in the moving region and of
        the background under it, `overlapping` says whether the box meets another one. A frame in which nothing
        moves has no row.

    Raises
    ------
    MediaError
        If the movie cannot be read.
    """
    info = probe(movie)
    count = int(np.clip(info.duration_s / every_s, 8, max_frames))
    spread = sample_frames(movie, n=min(count, info.frames))["frame_number"].to_numpy(int)
    wanted = spread if numbers is None else np.unique(np.asarray(numbers, int))
    width = min(_WORK_WIDTH, info.width)
    size = (width, max(2, round(info.height * width / info.width)))
    offsets = np.rint(np.array([0.0, *_NEIGHBOURS_S]) * info.fps).astype(int)
    both = np.union1d(spread, wanted).tolist()
    taken = {n: (t, p) for n, t, p in read_frames(movie, both, pixels="gray8", size=size)}
    basis = [taken[n][1] for n in spread.tolist() if n in taken]
    asked = {n: taken[n] for n in wanted.tolist() if n in taken}
    if _is_steady(basis):
        plates = _still_plates(asked, basis)
    else:
        around = np.unique((wanted[:, None] + offsets).clip(0, info.frames - 1))
        pictures = {n: p for n, _, p in read_frames(movie, around.tolist(), pixels="gray8", size=size)}
        plates = _moving_plates(asked, pictures, offsets)
    scale = np.array([info.width / size[0], info.height / size[1]])
    rows: list[dict[str, Any]] = []
    for number, background, noise in plates:
        pts_s, picture = asked[number]
        rows += _describe(find_regions(picture, background, noise), number, pts_s, scale, file_name(info.path))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def find_regions(picture: Picture, background: Picture, noise: Picture) -> list[Region]:
    """Return `(x, y, width, height, contrast)` of what differs from the background, largest first.

    Parameters
    ----------
    picture, background
        Luma, (height, width). A pixel is compared with the least and the greatest value of the background within
        two pixels, so that a background laid over it not quite exactly makes no difference.
    noise
        Usual absolute difference of each pixel from the background, (height, width).
    """
    values = picture.astype(np.float32)
    bare = background.astype(np.float32) * np.float32(np.median(values) / max(float(np.median(background)), 1.0))
    square = np.ones((5, 5), np.uint8)
    change = np.maximum(values - cv2.dilate(bare, square), cv2.erode(bare, square) - values).clip(0)
    mask = (change > np.maximum(_LEAST_CHANGE, _NOISE_FACTOR * noise)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for index in np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:_MOST_BOXES] + 1:
        x, y, w, h, area = (int(v) for v in stats[index])
        if _SMALLEST_SHARE < area / mask.size < _LARGEST_SHARE and min(w, h) >= 5:
            inside = labels[y : y + h, x : x + w] == index
            animal, ground = (float(p[y : y + h, x : x + w][inside].mean()) for p in (values, bare))
            found.append((x, y, w, h, abs(animal - ground) / max(animal + ground, 1.0)))
    return found


def _is_steady(pictures: list[Picture]) -> bool:
    """Return whether the camera stands still: most frames fit the middle one without being shifted."""
    window = cv2.createHanningWindow(pictures[0].shape[::-1], cv2.CV_32F)
    middle = pictures[len(pictures) // 2] * window
    shifts = [np.hypot(*cv2.phaseCorrelate(p * window, middle)[0]) for p in pictures]
    return bool(np.median(shifts) < _STEADY_PX)


def _still_plates(asked: Taken, basis: list[Picture]) -> Iterator[tuple[int, Picture, Picture]]:
    stack = np.stack(basis)
    background = np.median(stack, axis=0).astype(np.float32)
    noise = np.median(np.abs(stack - background), axis=0).astype(np.float32)
    for number in asked:
        yield number, background, noise


def _moving_plates(
    asked: Taken, pictures: dict[int, Picture], offsets: NDArray[np.int_]
) -> Iterator[tuple[int, Picture, Picture]]:
    last = max(pictures)
    for number, (_, picture) in asked.items():
        near = {int(n) for n in (number + offsets).clip(0, last)} - {number}
        laid = [q for q in (_lay_over(pictures[n], picture) for n in sorted(near) if n in pictures) if q is not None]
        if len(laid) >= 3:
            stack = np.stack(laid)
            background = np.median(stack, axis=0)
            yield number, background, np.median(np.abs(stack - background), axis=0)


def _lay_over(other: Picture, picture: Picture) -> Picture | None:
    """Return `other` as the camera would have seen it when it took `picture`, None where that is unknown."""
    corners = cv2.goodFeaturesToTrack(picture, 300, 0.01, 8)
    if corners is None or len(corners) < 12:
        return None
    moved, found, _ = cv2.calcOpticalFlowPyrLK(picture, other, corners, None, winSize=(21, 21), maxLevel=4)
    kept = found.ravel() == 1
    if kept.sum() < 12:
        return None
    turn, _ = cv2.estimateAffinePartial2D(moved[kept], corners[kept], ransacReprojThreshold=2.0)
    if turn is None:
        return None
    view = cv2.warpAffine(
        other.astype(np.float32), turn, picture.shape[::-1], borderMode=cv2.BORDER_CONSTANT, borderValue=-1
    )
    return np.where(view < 0, picture, view).astype(np.float32)


def _describe(regions: Sequence[Region], number: int, pts_s: float, scale: Any, filename: str) -> list[dict[str, Any]]:
    rows = []
    for i, (x, y, w, h, contrast) in enumerate(regions, 1):
        meets = any(
            x < ox + ow and ox < x + w and y < oy + oh and oy < y + h
            for j, (ox, oy, ow, oh, _) in enumerate(regions, 1)
            if j != i
        )
        left, top = np.floor([x, y] * scale).astype(int)
        wide, high = np.ceil([w, h] * scale).astype(int)
        row = {"filename": filename, "frame_number": number, "pts_s": pts_s, "animal_id": i, "label": MOVING}
        row |= {"x": int(left), "y": int(top), "width": int(wide), "height": int(high)}
        rows.append({**row, "visible": 1.0, "contrast": round(contrast, 4), "overlapping": meets})
    return rows
