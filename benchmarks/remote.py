"""Frames of movies on a web server: bytes and requests by the server's log, times against PyAV and ffmpeg.

The server runs in a process of its own and serves a ProRes movie of 1 GB (1920x1080, noise) and an H.264 one (key
frames 250 apart, B frames). All sides give the same brightness on 16 bits, which is checked first. Times are medians of
five interleaved runs of 64 frames spread over the movie, opening and index included: once as fast as this computer
talks to itself, where the decoder is what takes time, and once over a line of 1 Gbit/s, where bytes do too.
`KSO_BENCH_N` sets the number of frames of the ProRes movie.
"""

import multiprocessing
import os
import statistics
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path

import av
import numpy as np

from kso_utils.archive.local import LocalFile
from kso_utils.media import index, ranges
from kso_utils.media.frames import read_frames
from kso_utils.media.luma import to_gray16
from kso_utils.media.safety import find_ffmpeg

FRAMES = int(os.environ.get("KSO_BENCH_N", "750"))
WANTED = 64
REPEATS = 5
LATENCY_S = 0.08
LINE_BYTES_PER_S = 125e6
RATE = Fraction(30000, 1001)
# Milliseconds a frame that others measured: 64 spread frames by a range server on the same machine.
EXPECTED_MS = {"PyAV": 44.4, "ffmpeg": 227.0}


class Server:
    """A range server in another process."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(folder, other), daemon=True)
        self.process.start()
        self.url = self.pipe.recv()

    def ask(self, latency_s: float = 0.0, bytes_per_s: float | None = None) -> tuple[int, int]:
        """Return requests and bytes since the last time, and set what the line is like from here on."""
        self.pipe.send((latency_s, bytes_per_s))
        return self.pipe.recv()

    def stop(self) -> None:
        self.pipe.send(None)
        self.process.join()


def serve(folder: Path, pipe: Connection) -> None:
    from kso_utils.testing.range_server import serve_ranges

    with serve_ranges(folder) as server:
        pipe.send(server.url)
        while (line := pipe.recv()) is not None:
            pipe.send((len(server.requests), server.sent_bytes))
            server.requests.clear()
            server.latency_s, server.bytes_per_s = line


def read_ours(url: str, numbers: list[int], threads: int | None = None) -> Iterator[np.ndarray]:
    index._load.cache_clear()
    ranges._find.cache_clear()
    for _, _, picture in read_frames(url, numbers, pixels="gray16", threads=threads):
        yield picture


def read_pyav(url: str, times: list[Fraction]) -> Iterator[np.ndarray]:
    container = open_pyav(url)
    for time_s in times:
        while (frame := seek_frame(container, time_s)) is None:  # near the end of a file it loses its place
            container.close()
            container = open_pyav(url)
        yield to_gray16(frame)
    container.close()


def open_pyav(url: str) -> av.container.InputContainer:
    container = av.open(url)
    container.streams.video[0].thread_type = "SLICE"
    return container


def seek_frame(container: av.container.InputContainer, time_s: Fraction) -> av.VideoFrame | None:
    stream = container.streams.video[0]
    pts = round(time_s / stream.time_base)
    try:
        container.seek(pts, stream=stream)
        return next((frame for frame in container.decode(stream) if frame.pts >= pts), None)
    except av.FFmpegError:
        return None


def read_ffmpeg(url: str, times: list[Fraction]) -> Iterator[np.ndarray]:
    output = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv422p10le", "-"]
    for time_s in times:
        at = f"{max(0.0, float(time_s - 1 / RATE / 2)):.6f}"
        command = [find_ffmpeg(), "-nostdin", "-v", "error", "-ss", at, "-i", url, *output]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
        frame = av.VideoFrame(1920, 1080, "yuv422p10le")
        rows = np.zeros((1080, frame.planes[0].line_size // 2), "<u2")
        rows[:, :1920] = np.frombuffer(said, "<u2", 1920 * 1080).reshape(1080, 1920)
        frame.planes[0].update(rows.tobytes())
        yield to_gray16(frame)


def timed(frames: Iterator[np.ndarray]) -> float:
    start = time.perf_counter()
    for _ in frames:
        pass
    return time.perf_counter() - start


def medians(sides: dict[str, Callable[[], Iterator[np.ndarray]]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(REPEATS):
        for name, side in sides.items():
            times[name].append(timed(side()))
    return {name: statistics.median(values) for name, values in times.items()}


def make_prores(folder: Path) -> Path:
    """Encode 30 frames of noise and repeat them without encoding."""
    seed, movie = folder / "seed.mov", folder / "prores.mov"
    source = f"testsrc2=size=1920x1080:rate={RATE},noise=alls=30:allf=t"
    coding = ["-c:v", "prores_ks", "-profile:v", "2", "-qscale:v", "16"]
    run("-f", "lavfi", "-i", source, "-frames:v", "30", *coding, str(seed))
    run("-stream_loop", "-1", "-i", str(seed), "-frames:v", str(FRAMES), "-c", "copy", str(movie))
    seed.unlink()
    return movie


def make_h264(folder: Path) -> Path:
    """Encode a group of 250 frames and repeat it 70 times without encoding."""
    seed, movie = folder / "seed.mp4", folder / "h264.mp4"
    source = "testsrc2=size=640x360:rate=25,noise=alls=20:allf=t"
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-g", "250", "-keyint_min", "250", "-sc_threshold", "0"]
    run("-f", "lavfi", "-i", source, "-frames:v", "250", *coding, "-bf", "3", str(seed))
    run("-stream_loop", "69", "-i", str(seed), "-c", "copy", str(movie))
    seed.unlink()
    return movie


def run(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def spread(frames: int) -> list[int]:
    return [(2 * k + 1) * frames // (2 * WANTED) for k in range(WANTED)]


def check_bytes(server: Server, url: str, movie: Path) -> dict[str, float]:
    """Return bytes and requests of one frame and of 64, over what they must be at least."""
    known = index.load_index(movie)
    index_bytes = sum(len(data) for _, data in ranges.find_moov(LocalFile(movie)).parts)
    figures: dict[str, float] = {"index_bytes": index_bytes}
    for name, numbers in (("one", [FRAMES // 3]), ("spread", spread(FRAMES))):
        server.ask()
        list(read_ours(url, numbers))
        requests, sent = server.ask()
        own = int(known.stored.sizes[known.shown[numbers]].sum())
        figures |= {f"{name}_requests": requests, f"{name}_bytes": sent}
        figures |= {f"{name}_over_least": round(sent / (own + index_bytes), 5)}
        most = index_bytes + 2 * own if name == "one" else 1.01 * (index_bytes + own)
        print(f"{name:6} {requests:3} requests, {sent:12,} bytes ({sent / (own + index_bytes):.4f} x index and frames)")
        assert sent <= most and requests <= len(numbers) + 4
    return figures


def check_times(server: Server, url: str, movie: Path) -> dict[str, float]:
    numbers, known = spread(FRAMES), index.load_index(movie)
    times = [int(known.ticks[number]) * known.time_base for number in numbers]
    sides = {
        "ours": lambda: read_ours(url, numbers),
        "PyAV": lambda: read_pyav(url, times),
        "ffmpeg": lambda: read_ffmpeg(url, times),
    }
    server.ask()
    sums = [[zlib.crc32(picture) for picture in side()] for side in sides.values()]
    assert sums[0] == sums[1] == sums[2]
    figures = compare(sides)
    print(f"Over a line of {LINE_BYTES_PER_S / 1e6:.0f} MB/s:")
    server.ask(bytes_per_s=LINE_BYTES_PER_S)
    figures |= {f"line_{name}": figure for name, figure in compare(sides).items()}
    server.ask(LATENCY_S)
    found = medians({"one": lambda: read_ours(url, numbers, 1), "eight": lambda: read_ours(url, numbers, 8)})
    server.ask()
    figures["eight_threads"] = round(found["one"] / found["eight"], 2)
    print(f"{figures['eight_threads']:5.1f} x one thread with eight, at {1000 * LATENCY_S:.0f} ms a request")
    return figures


def compare(sides: dict[str, Callable[[], Iterator[np.ndarray]]]) -> dict[str, float]:
    """Return the milliseconds a frame of each side, and how many times ours that is."""
    found = medians(sides)
    figures = {"ours_ms": round(1000 * found["ours"] / WANTED, 1)}
    for name, expected_ms in EXPECTED_MS.items():
        ratio, each_ms = found[name] / found["ours"], 1000 * found[name] / WANTED
        figures |= {f"times_{name}": round(ratio, 2), f"{name}_ms": round(each_ms, 1)}
        print(f"{ratio:5.1f} x {name} ({each_ms:.1f} ms a frame; expected {expected_ms})")
    print(f"      ours {figures['ours_ms']} ms a frame")
    return figures


def check_groups(server: Server, url: str, movie: Path) -> dict[str, float]:
    known = index.load_index(movie)
    numbers = spread(len(known))
    expected = [zlib.crc32(picture) for _, _, picture in read_frames(movie, numbers, pixels="gray16")]
    server.ask()
    assert [zlib.crc32(picture) for picture in read_ours(url, numbers)] == expected
    requests, sent = server.ask()
    keys = known.keys[np.maximum(known.key_before(np.array(numbers)), 0)]
    touched = np.isin(np.maximum.accumulate(np.where(known.is_key, np.arange(len(known.pts)), 0)), keys)
    share = sent / int(known.stored.sizes[touched].sum())
    groups = len(np.unique(keys))
    print(f"H.264: {groups} groups for {WANTED} frames, {requests} requests, {share:.3f} x the bytes of the groups")
    assert groups <= WANTED and share <= 1.02
    return {"h264_groups": groups, "h264_requests": requests, "h264_bytes_over_groups": round(share, 4)}


def main() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prores, h264 = make_prores(folder), make_h264(folder)
        print(f"ProRes: {prores.stat().st_size / 1e9:.2f} GB, {FRAMES} frames")
        server = Server(folder)
        try:
            figures = check_bytes(server, f"{server.url}/prores.mov", prores)
            figures |= check_groups(server, f"{server.url}/h264.mp4", h264)
            return figures | check_times(server, f"{server.url}/prores.mov", prores)
        finally:
            server.stop()
