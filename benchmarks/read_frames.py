"""`read_frames` against a linear decode at several strides, and against a seek for every frame.

The linear decode is PyAV's and converts the wanted frames only. Each figure is the time of `read_frames`, its index
included, over that of the linear decode: the median of five pairs measured in turn, by the clock and (`_cpu`) by the
work of all threads. Both must give the same pixels.

Whoever seeks does it for each second of a minute of 1280x720 in groups of 250: with OpenCV, as is customary
(`CAP_PROP_POS_FRAMES`), and with PyAV. Those figures are the time of the other over that of `read_frames`. PyAV's
pixels must be the same, OpenCV's nearly so (it converts colours in its own way). The work of OpenCV for a frame stands
beside the one that is expected of it: beyond twice that, the machine was too busy for a fair comparison.
"""

import statistics
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from kso_utils.media import index
from kso_utils.media.frames import read_frames
from kso_utils.media.safety import run_ffmpeg

STRIDES = (1, 2, 10, 100)
REPEATS = 5
SEEKS = 60
SEEK_CPU_S = 0.165
GOAL = 5.0
MOUSE = Path(__file__).resolve().parents[2] / "shared" / "data" / "movies" / "tracktor_mouse_640x480_h264_333s.mp4"


def read_linear(path: Path, stride: int) -> Iterator[tuple[int, object]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number % stride == 0:
                yield number, frame.to_ndarray(format="rgb24")


def read_planned(path: Path, stride: int, frames: int) -> Iterator[tuple[int, object]]:
    index._load.cache_clear()
    for number, _, picture in read_frames(path, range(0, frames, stride)):
        yield number, picture


def drain(frames: Iterator[tuple[int, object]]) -> tuple[float, float]:
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in frames:
        pass
    return time.perf_counter() - start, time.process_time() - start_cpu


def checksums(frames: Iterator[tuple[int, object]]) -> list[tuple[int, int]]:
    return [(number, zlib.crc32(picture)) for number, picture in frames]


def compare(path: Path, stride: int) -> tuple[float, float]:
    frames = len(index.load_index(path))
    assert checksums(read_linear(path, stride)) == checksums(read_planned(path, stride, frames))
    ratios = []
    for _ in range(REPEATS):
        linear, linear_cpu = drain(read_linear(path, stride))
        planned, planned_cpu = drain(read_planned(path, stride, frames))
        ratios.append((planned / linear, planned_cpu / linear_cpu))
    wall, cpu = (round(statistics.median(column), 3) for column in zip(*ratios, strict=True))
    return wall, cpu


def seek_with_opencv(path: Path, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    movie = cv2.VideoCapture(str(path))
    for number in numbers:
        movie.set(cv2.CAP_PROP_POS_FRAMES, number)
        found, picture = movie.read()
        assert found
        yield number, picture
    movie.release()


def seek_with_pyav(path: Path, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    ticks = index.load_index(path).ticks
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number in numbers:
            container.seek(int(ticks[number]), stream=stream)
            yield next(
                (number, f.to_ndarray(format="bgr24")) for f in container.decode(stream) if f.pts == ticks[number]
            )


def read_planned_bgr(path: Path, numbers: list[int]) -> Iterator[tuple[int, np.ndarray]]:
    index._load.cache_clear()
    for number, _, picture in read_frames(path, numbers, pixels="bgr24"):
        yield number, picture


def compare_seeks(path: Path) -> dict[str, float]:
    numbers = list(range(0, 25 * SEEKS, 25))
    ours = dict(read_planned_bgr(path, numbers))
    assert all(np.array_equal(ours[n], p) for n, p in seek_with_pyav(path, numbers))
    assert all(np.abs(ours[n].astype(int) - p).mean() < 2 for n, p in seek_with_opencv(path, numbers))
    times = {way: [] for way in (read_planned_bgr, seek_with_opencv, seek_with_pyav)}
    for _ in range(3):
        for way, taken in times.items():
            taken.append(drain(way(path, numbers)))
    wall, cpu = ({w: statistics.median(t[k] for t in taken) for w, taken in times.items()} for k in (0, 1))
    figures = {"opencv_seek_cpu_s_per_frame": round(cpu[seek_with_opencv] / SEEKS, 4)}
    for name, way in (("opencv_seek", seek_with_opencv), ("pyav_seek", seek_with_pyav)):
        figures |= {name: round(wall[way] / wall[read_planned_bgr], 2)}
        figures |= {f"{name}_cpu": round(cpu[way] / cpu[read_planned_bgr], 2)}
    return figures


def generate(folder: Path, gop: int, size: tuple[int, int] = (640, 360), rate: int = 25, length_s: float = 60) -> Path:
    """Encode a movie, at first a minute of 640x360 at 25 frames per second, from a seed movie that ffmpeg loops."""
    seed = folder / "seed.mp4"
    if not seed.exists():
        from kso_utils.media.encoding import write_movie

        write_movie(seed, scene(), 25)
    path = folder / f"gop_{gop}_{size[1]}.mp4"
    run_ffmpeg(
        seed,
        path,
        input_options={"stream_loop": -1, "r": rate},
        filters=[("scale", {"w": size[0], "h": size[1]})],
        output_options={"c:v": "libx264", "g": gop, "preset": "veryfast", "crf": 23, "t": length_s},
    )
    return path


def scene() -> Iterator[object]:
    rng = np.random.default_rng(0)
    background = rng.integers(0, 255, (400, 700, 3), dtype=np.uint8)
    background = (background // 4 + np.linspace(0, 150, 400).astype(np.uint8)[:, None, None]).astype(np.uint8)
    for k in range(125):
        shift = abs(60 - k) // 2
        picture = background[shift // 2 : shift // 2 + 360, shift : shift + 640].copy()
        picture[150:210, 4 * k : 4 * k + 90] = (220, 160, 40)
        yield picture


def main() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        movies = {f"gop_{gop}": generate(Path(folder), gop) for gop in (250, 25)}
        if MOUSE.exists():
            movies["mouse"] = MOUSE
        for name, path in movies.items():
            for stride in STRIDES:
                wall, cpu = compare(path, stride)
                print(f"{name:8} stride {stride:4}: {wall:.3f} x a linear decode by the clock, {cpu:.3f} x its work")
                figures |= {f"{name}_stride_{stride}": wall, f"{name}_stride_{stride}_cpu": cpu}
        seeks = compare_seeks(generate(Path(folder), 250, (1280, 720)))
    slow = seeks["opencv_seek_cpu_s_per_frame"]
    fair = "fair" if slow <= 2 * SEEK_CPU_S else "VOID: OpenCV was more than twice as slow"
    print(
        f"60 frames of a minute: {seeks['opencv_seek']} x OpenCV seeking (goal {GOAL:g}), {seeks['pyav_seek']} x PyAV"
    )
    print(f"  by work {seeks['opencv_seek_cpu']} x and {seeks['pyav_seek_cpu']} x")
    print(f"  OpenCV {slow:.4f} s of work a frame, expected {SEEK_CPU_S}: {fair}")
    return figures | seeks
