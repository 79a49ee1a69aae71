"""Photos: what they say of themselves, and that no damaged one passes for whole."""

import random
import struct
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("av")

from kso_utils.core.errors import MediaCorrupt, MediaError, MediaUnsupported, NotFound  # noqa: E402
from kso_utils.media.photos import probe_photo  # noqa: E402

KINDS = {
    "plain.jpg": [],
    "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1],
    "restarts.jpg": [cv2.IMWRITE_JPEG_OPTIMIZE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4],
    "picture.png": [],
    "packed.tif": [cv2.IMWRITE_TIFF_COMPRESSION, 5],
}


def draw(kind: str) -> bytes:
    """A picture of 120 x 160 pixels, with noise as every camera has it."""
    noise = np.random.default_rng(1)
    smooth = cv2.resize(noise.integers(0, 255, (12, 16, 3), dtype=np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(smooth + noise.normal(0, 5, smooth.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(Path(kind).suffix, picture, KINDS[kind])[1].tobytes())


@pytest.fixture(params=KINDS)
def photo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(draw(request.param))
    return path


def test_size_and_kind(photo: Path) -> None:
    info = probe_photo(photo)
    kind = {".jpg": "jpeg", ".png": "png", ".tif": "tiff"}[photo.suffix]
    assert (info.kind, info.width, info.height, info.captured_at) == (kind, 160, 120, None)


@pytest.mark.parametrize("damage", ["cut", "sector", "tail"])
def test_damaged_photos_are_refused(photo: Path, damage: str) -> None:
    whole, rng = photo.read_bytes(), random.Random(1)  # noqa: S311 - places, not secrets
    for _ in range(20):
        data = bytearray(whole)
        if damage == "cut":
            del data[rng.randrange(20, len(data) - 2) :]
        elif damage == "sector":
            place = rng.randrange(700, len(data) - 600)
            data[place : place + 512] = bytes(512)
        else:
            place = rng.randrange(len(data) // 2, len(data) - 600)
            data[place:] = bytes(len(data) - place)
        photo.write_bytes(data)
        with pytest.raises(MediaCorrupt, match=photo.name):
            probe_photo(photo)


@pytest.mark.parametrize("optimize", [0, 1])
def test_a_black_picture_is_no_damage(tmp_path: Path, optimize: int) -> None:
    """Its codes are zeros from end to end where they were chosen for it."""
    black = cv2.imencode(".jpg", np.zeros((800, 1200, 3), np.uint8), [cv2.IMWRITE_JPEG_OPTIMIZE, optimize])[1]
    (tmp_path / "black.jpg").write_bytes(black.tobytes())
    assert probe_photo(tmp_path / "black.jpg").width == 1200


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", MediaCorrupt),
        (b"<html>", MediaUnsupported),
        (b"GIF89a" + bytes(50), MediaUnsupported),
        (b"\xff\xd8\xff", MediaCorrupt),
        (b"\xff\xd8\xff\xe1\0\x02" * 3, MediaCorrupt),
        (b"\x89PNG\r\n\x1a\n", MediaCorrupt),
        (b"II*\0" + bytes(8), MediaCorrupt),
    ],
)
def test_what_is_no_photo_is_refused_by_name(tmp_path: Path, content: bytes, error: type[MediaError]) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(error, match=r"x\.jpg"):
        probe_photo(path)


def test_random_bytes_behind_a_right_beginning_end_in_a_named_error(tmp_path: Path) -> None:
    rng, path = random.Random(2), tmp_path / "x.jpg"  # noqa: S311 - noise, not secrets
    for start in (b"\xff\xd8\xff\xe0\0\x10", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"\xff\xd8\xff\xc4\0\x20"):
        for _ in range(20):
            path.write_bytes(start + rng.randbytes(rng.randrange(300)))
            with pytest.raises(MediaError):
                probe_photo(path)


def test_a_photo_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        probe_photo(tmp_path / "none.jpg")


def write_exif(path: Path, taken: bytes, offset: bytes = b"", turned: int = 1, order: str = "<") -> Path:
    """Put an EXIF block behind the first two bytes of a JPEG."""
    texts = [(0x9003, taken)] + ([(0x9011, offset)] if offset else [])
    folder, at = b"", 38 + 2 + 12 * len(texts) + 4
    values = b""
    for tag, text in texts:
        folder += struct.pack(f"{order}HHII", tag, 2, len(text) + 1, at + len(values))
        values += text + b"\0"
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    block += struct.pack(f"{order}HHHIHHHHIII", 2, 0x0112, 3, 1, turned, 0, 0x8769, 4, 1, 38, 0)
    block += struct.pack(f"{order}H", len(texts)) + folder + bytes(4) + values
    part = b"Exif\0\0" + block
    data = draw("plain.jpg")
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + data[2:])
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("taken", "offset", "moment"),
    [
        (b"2024:05:01 10:20:30", b"", "2024-05-01T10:20:30"),
        (b"2024:05:01 10:20:30", b"+02:00", "2024-05-01T10:20:30+02:00"),
        (b"2024:05:01 10:20:30", b"   :  ", "2024-05-01T10:20:30"),
        (b"0000:00:00 00:00:00", b"", None),
        (b"    :  :     :  :  ", b"", None),
    ],
)
def test_the_moment_is_the_cameras(tmp_path: Path, taken: bytes, offset: bytes, moment: str | None, order: str) -> None:
    assert probe_photo(write_exif(tmp_path / "a.jpg", taken, offset, order=order)).captured_at == moment


def test_a_photo_that_is_turned_has_the_size_that_is_seen(tmp_path: Path) -> None:
    info = probe_photo(write_exif(tmp_path / "a.jpg", b"2024:05:01 10:20:30", turned=6))
    assert (info.width, info.height) == (120, 160)


def test_what_a_camera_says_may_be_broken_in_a_whole_picture(tmp_path: Path) -> None:
    path = write_exif(tmp_path / "a.jpg", b"2024:05:01 10:20:30")
    path.write_bytes(
        path.read_bytes().replace(struct.pack("<HHII", 0x8769, 4, 1, 38), struct.pack("<HHII", 0x8769, 4, 1, 10**9))
    )
    assert probe_photo(path).captured_at is None
