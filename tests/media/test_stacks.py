import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, MediaUnsupported, NotFound
from kso_utils.media.stacks import open_stack
from kso_utils.testing.range_server import serve_ranges

tifffile = pytest.importorskip("tifffile")
fits = pytest.importorskip("astropy.io.fits")
zarr = pytest.importorskip("zarr")

STACK = np.random.default_rng(7).integers(0, 2**16, (11, 6, 9), dtype=np.uint16)


def write_pages(path, array):
    with tifffile.TiffWriter(path) as writer:
        for picture in array:
            writer.write(picture, contiguous=False)


def write_imagej(path, array):
    tifffile.imwrite(path, array, imagej=True)
    data = bytearray(path.read_bytes())
    # As ImageJ itself writes stacks above 4 GB: the first page stands for all, nothing follows it.
    order = "big" if data[:2] == b"MM" else "little"
    with tifffile.TiffFile(path) as opened:
        at, end = opened.pages[0].offset, opened.pages[0].dataoffsets[0] + array.nbytes
    count = int.from_bytes(data[at : at + 2], order)
    link = at + 2 + 12 * count
    data[link : link + 4] = bytes(4)
    path.write_bytes(data[:end])


def write_zarr(path, array):
    made = zarr.create_array(path, shape=array.shape, chunks=(2, 4, 4), dtype=array.dtype)
    made[:] = array


WRITERS = {
    "contiguous.tif": tifffile.imwrite,
    "pages.tiff": write_pages,
    "packed.tif": lambda path, array: tifffile.imwrite(path, array, compression="zlib"),
    "tiled.tif": lambda path, array: tifffile.imwrite(path, array, tile=(16, 16)),
    "big.tif": lambda path, array: tifffile.imwrite(path, array, bigtiff=True, byteorder=">"),
    "ome.ome.tif": lambda path, array: tifffile.imwrite(path, array, ome=True),
    "imagej.tif": write_imagej,
    "plain.fits": lambda path, array: fits.writeto(path, array),
    "second.fits": lambda path, array: fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(array)]).writeto(path),
    "plain.npy": np.save,
    "swapped.npy": lambda path, array: np.save(path, array.astype(">u2")),
    "fortran.npy": lambda path, array: np.save(path, np.asfortranarray(array)),
    "plain.zarr": write_zarr,
}
RAW = {"shape": (6, 9), "dtype": "<u2"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("stacks")
    for name, write in WRITERS.items():
        write(place / name, STACK)
    (place / "plain.raw").write_bytes(STACK.astype("<u2").tobytes())
    (place / "headed.bin").write_bytes(b"x" * 100 + STACK.astype(">u2").tobytes())
    return place


def open_any(folder, name):
    if name == "headed.bin":
        return open_stack(folder / name, shape=(6, 9), dtype=">u2", header_bytes=100)
    return open_stack(folder / name, **(RAW if name.endswith(".raw") else {}))


NAMES = [*WRITERS, "plain.raw", "headed.bin"]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_gives_the_same_pictures(folder, name):
    with open_any(folder, name) as stack:
        assert (len(stack), stack.shape, stack.dtype) == (11, (11, 6, 9), np.dtype("=u2"))
        np.testing.assert_array_equal(stack.read(), STACK)


@pytest.mark.parametrize("name", NAMES)
def test_parts_are_arrays_of_their_own(folder, name):
    with open_any(folder, name) as stack:
        part = stack.read(3, 7)
        part[:] = 0
        np.testing.assert_array_equal(stack.read(3, 7), STACK[3:7])
        assert part.flags.c_contiguous
        assert part.flags.owndata
        assert stack.read(11, 11).shape == (0, 6, 9)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_part_of_any_kind(folder, data):
    name = data.draw(st.sampled_from(NAMES))
    start = data.draw(st.integers(0, 11))
    stop = data.draw(st.integers(start, 11))
    with open_any(folder, name) as stack:
        np.testing.assert_array_equal(stack.read(start, stop), STACK[start:stop])


@pytest.mark.parametrize("name", ["one.npy", "one.tif", "one.fits", "one.zarr"])
def test_one_picture_is_a_stack_of_one(tmp_path, name):
    write = {"npy": np.save, "tif": tifffile.imwrite, "fits": fits.writeto}.get(name[4:])
    if write:
        write(tmp_path / name, STACK[0])
    else:
        zarr.create_array(tmp_path / name, data=STACK[0])
    with open_stack(tmp_path / name) as stack:
        np.testing.assert_array_equal(stack.read(), STACK[:1])


def test_measured_values_stay_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    fits.writeto(tmp_path / "a.fits", values)
    with open_stack(tmp_path / "a.fits") as stack:
        np.testing.assert_array_equal(stack.read(), values)


@pytest.mark.parametrize("missing", ["shape", "dtype"])
def test_what_a_raw_file_does_not_say_is_asked_for(folder, missing):
    with pytest.raises(ConfigError, match="Give shape"):
        open_stack(folder / "plain.raw", **{**RAW, missing: None})


@pytest.mark.parametrize(("shape", "dtype"), [((6, 10), "<u2"), ((6, 9), "<f8"), ((7, 9), "u1")])
def test_a_last_frame_that_is_not_whole_is_refused(folder, shape, dtype):
    with pytest.raises(MediaCorrupt, match="not whole"):
        open_stack(folder / "plain.raw", shape=shape, dtype=dtype)


@pytest.mark.parametrize("options", [{"shape": (0, 9), "dtype": "u1"}, {"shape": (6, 9), "dtype": "O"}])
def test_a_raw_file_of_no_numbers_is_refused(folder, options):
    with pytest.raises(ConfigError, match="plain numbers"):
        open_stack(folder / "plain.raw", **options)


@pytest.mark.parametrize("options", [{"shape": (9, 6)}, {"dtype": "u1"}])
def test_a_file_that_says_otherwise_is_told(folder, options):
    with pytest.raises(ConfigError, match="uint16"):
        open_stack(folder / "plain.npy", **options)


@pytest.mark.parametrize("name", [n for n in WRITERS if not n.endswith(".zarr")])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_a_file_that_ends_early_is_refused(folder, tmp_path, name, share):
    data = (folder / name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaCorrupt, match="cut|" + name.split(".")[0]), open_stack(cut) as stack:
        stack.read()


def test_a_damaged_chunk_is_told(tmp_path):
    write_zarr(tmp_path / "a.zarr", STACK)
    chunk = next(path for path in (tmp_path / "a.zarr" / "c").rglob("*") if path.is_file())
    chunk.write_bytes(b"no chunk")
    with pytest.raises(MediaCorrupt, match="frames"), open_stack(tmp_path / "a.zarr") as stack:
        stack.read()


@pytest.mark.parametrize("ending", [".tif", ".fits", ".npy", ".raw"])
def test_what_is_no_stack_is_said_in_a_sentence(tmp_path, ending):
    file = tmp_path / f"text{ending}"
    file.write_text("hello")
    with pytest.raises(MediaCorrupt, match="text"):
        open_stack(file, **(RAW if ending == ".raw" else {}))


def test_a_folder_that_is_no_array_is_refused(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises((MediaCorrupt, MediaUnsupported), match=r"a\.zarr"):
        open_stack(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("colour.tif", np.zeros((4, 20, 20, 3), np.uint8)),
        ("complex.npy", np.zeros((2, 3, 4), np.complex64)),
        ("deep.npy", np.zeros((2, 2, 3, 4))),
        ("table.fits", None),
    ],
)
def test_what_is_no_stack_of_grey_pictures_is_refused(tmp_path, name, array):
    if array is None:
        fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / name)
    elif name.endswith("tif"):
        tifffile.imwrite(tmp_path / name, array, photometric="rgb")
    else:
        np.save(tmp_path / name, array)
    with pytest.raises(MediaUnsupported, match=name.split(".")[0]):
        open_stack(tmp_path / name)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(MediaUnsupported, match="evil"):
        open_stack(tmp_path / "evil.npy")


def test_an_unknown_ending_and_a_missing_file(tmp_path):
    with pytest.raises(MediaUnsupported, match="ending"):
        open_stack(tmp_path / "a.mp4")
    with pytest.raises(NotFound, match="no file"):
        open_stack(tmp_path / "a.npy")


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 12), (5, 3)])
def test_a_part_outside_the_stack_is_refused(folder, start, stop):
    with open_stack(folder / "plain.npy") as stack, pytest.raises(MediaError, match="0 to 10"):
        stack.read(start, stop)


def test_a_part_of_a_long_stack_takes_little_memory(tmp_path):
    import tracemalloc

    np.save(tmp_path / "long.npy", np.zeros((4000, 64, 64), np.uint16))
    tracemalloc.start()
    with open_stack(tmp_path / "long.npy") as stack:
        stack.read(2000, 2010)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("name", [n for n in NAMES if not n.endswith(".zarr") and n != "fortran.npy"])
def test_a_stack_on_a_web_server_is_read_by_its_parts(folder, name):
    options = {"headed.bin": {"shape": (6, 9), "dtype": ">u2", "header_bytes": 100}, "plain.raw": RAW}.get(name, {})
    with serve_ranges(folder) as server, open_stack(server.address(name), **options) as stack:
        np.testing.assert_array_equal(stack.read(3, 7), STACK[3:7])


def test_frames_that_are_interleaved_are_not_read_elsewhere(folder):
    with serve_ranges(folder) as server, pytest.raises(MediaUnsupported, match="interleaved"):
        open_stack(server.address("fortran.npy"))


def test_a_part_of_a_long_stack_elsewhere_is_all_that_is_read(tmp_path):
    np.save(tmp_path / "long.npy", np.arange(1000 * 64 * 64, dtype=np.uint32).reshape(1000, 64, 64))
    with serve_ranges(tmp_path) as server:
        with open_stack(server.address("long.npy")) as stack:
            assert stack.read(500, 501)[0, 0, 0] == 500 * 64 * 64
        assert server.sent_bytes < 2**20
