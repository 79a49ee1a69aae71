"""Stacks of pictures that instruments write: raw numbers, TIFF, FITS, NPY and Zarr, read part by part.

A stack is always (frames, height, width), in the byte order of this machine. What a file does not say of itself is
asked for and never guessed.
"""

from __future__ import annotations

import logging
import math
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kso_utils.core.errors import (
    ConfigError,
    Denied,
    MediaCorrupt,
    MediaError,
    MediaUnsupported,
    MissingExtra,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    _Reader = Callable[[int, int], NDArray[Any]]

SUFFIXES = {
    **dict.fromkeys((".raw", ".bin", ".dat"), "raw"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".fits", ".fit", ".fts"), "fits"),
    ".npy": "npy",
    ".zarr": "zarr",
}
"""Endings of file names, in small letters, and the kinds of stack they stand for."""


class Stack:
    """A stack of pictures that is open.

    Attributes
    ----------
    path
        The file, or the folder of a Zarr array.
    shape
        (frames, height, width).
    dtype
        Type of a pixel, in the byte order of this machine.
    """

    def __init__(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], read: _Reader, closing: ExitStack | None = None
    ) -> None:
        if len(shape) == 2:
            shape = (1, *shape)
        if len(shape) != 3 or dtype.kind not in "uif":
            raise MediaUnsupported(
                f"{path} holds {dtype} of the shape {shape}; a stack is (frames, height, width) of plain numbers."
            )
        if not all(shape):
            raise MediaCorrupt(f"{path} has no picture in it; its shape is {shape}. Copy it again from its source.")
        self.path, self.shape = path, (int(shape[0]), int(shape[1]), int(shape[2]))
        self.dtype = dtype.newbyteorder("=")
        self._read, self._closing = read, closing

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.shape[0]

    def __enter__(self) -> Self:
        """Enter a block; the file is closed at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._closing is not None:
            self._closing.close()

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return the frames from `start` up to `stop`, by default to the end, as an array of its own.

        Returns
        -------
        ndarray of `dtype`, shape (frames, height, width)

        Raises
        ------
        MediaError
            If the range lies outside the stack.
        MediaCorrupt
            If the file is damaged there.
        """
        end = len(self) if stop is None else stop
        if not 0 <= start <= end <= len(self):
            raise MediaError(
                f"{self.path} has the frames 0 to {len(self) - 1}; there is no part from {start} to {end}."
            )
        if start == end:
            return np.empty((0, *self.shape[1:]), self.dtype)
        try:
            values = np.asarray(self._read(start, end))
        except (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
            raise MediaCorrupt(
                f"{self.path} cannot be read between the frames {start} and {end - 1} ({error}). Copy it again."
            ) from error
        wanted = (end - start, *self.shape[1:])
        if values.size != wanted[0] * wanted[1] * wanted[2]:
            raise MediaCorrupt(f"{self.path} gave {values.shape} where {wanted} was asked for. Copy it again.")
        return np.array(values.reshape(wanted), self.dtype, order="C")


def open_stack(
    path: str | Path,
    *,
    shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    header_bytes: int = 0,
) -> Stack:
    """Open a stack; its kind is told by the ending of its name.

    Parameters
    ----------
    path
        A `.raw`, `.bin` or `.dat` file of plain numbers; TIFF; FITS (the first picture in it); NPY; or the folder of a
        Zarr array.
    shape
        (height, width) of a raw file; of others it must be what the file says, where it is given.
    dtype
        Type and byte order of a raw file's pixels (`"<u2"`); of others it must be what the file says.
    header_bytes
        Bytes before the first frame of a raw file.

    Returns
    -------
    Stack

    Raises
    ------
    NotFound
        If there is no such file.
    ConfigError
        If shape or dtype of a raw file are not given, or differ from what another file says.
    MediaUnsupported
        If the ending is unknown, or it holds something else than grey pictures.
    MediaCorrupt
        If it is damaged, ends early, or its last frame is not whole.
    MissingExtra
        If the package that reads its kind is not installed.
    """
    file = Path(path)
    kind = SUFFIXES.get(file.suffix.lower())
    if kind is None:
        raise MediaUnsupported(f"{file} is no stack by its name. Known endings: {', '.join(SUFFIXES)}.")
    if not file.exists():
        raise NotFound(f"There is no stack {file}. Check the name and the folder.")
    if file.is_file() and file.stat().st_size == 0:
        raise MediaCorrupt(f"{file} is empty. Copy it again from its source.")
    if kind == "raw":
        return _open_raw(file, shape, dtype, header_bytes)
    opened = {"tiff": _open_tiff, "fits": _open_fits, "npy": _open_npy, "zarr": _open_zarr}[kind](file)
    if (shape is not None and tuple(shape) != opened.shape[1:]) or (
        dtype is not None and np.dtype(dtype).newbyteorder("=") != opened.dtype
    ):
        opened.close()
        raise ConfigError(
            f"{file} holds {opened.dtype} of {opened.shape[1:]}, not {np.dtype(dtype or opened.dtype)} of "
            f"{shape or opened.shape[1:]}. Leave shape and dtype out, or give the right file."
        )
    return opened


def _open_raw(file: Path, shape: tuple[int, int] | None, dtype: DTypeLike | None, header_bytes: int) -> Stack:
    if shape is None or dtype is None:
        raise ConfigError(f"{file} does not say what it holds. Give shape=(height, width) and dtype, as '<u2'.")
    kind = np.dtype(dtype)
    if kind.kind not in "uif" or min(shape) < 1 or header_bytes < 0:
        raise ConfigError(f"{file} cannot hold {kind} of {shape} after {header_bytes} bytes. Give plain numbers.")
    height, width = shape
    frame_bytes = height * width * kind.itemsize
    content = file.stat().st_size - header_bytes
    if content <= 0 or content % frame_bytes:
        raise MediaCorrupt(
            f"{file} has {content} bytes of pictures, which is {content / frame_bytes:.3f} frames of {width}x{height} "
            f"{kind}. Give the right shape and dtype, or copy it again: its last frame is not whole."
        )

    def read(start: int, stop: int) -> NDArray[Any]:
        values = np.fromfile(file, kind, (stop - start) * height * width, offset=header_bytes + start * frame_bytes)
        return values.reshape(-1, height, width)

    return Stack(file, (content // frame_bytes, height, width), kind, read)


def _open_npy(file: Path) -> Stack:
    try:
        # Mapped, not read; a pickle inside is refused, since it could run code.
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except PermissionError as error:
        raise Denied(f"{file} may not be read. Check the rights of the file.") from error
    except (OSError, ValueError, EOFError) as error:
        raise MediaCorrupt(f"{file} is no NPY file of numbers, or it is damaged ({error}).") from error
    values = array[None] if array.ndim == 2 else array
    return Stack(file, array.shape, array.dtype, lambda start, stop: values[start:stop])


def _open_tiff(file: Path) -> Stack:
    try:
        import tifffile
    except ImportError as error:
        raise MissingExtra("tifffile", "kernels") from error
    closing, complaints = ExitStack(), _Complaints()
    try:
        with complaints:
            opened = closing.enter_context(tifffile.TiffFile(file))
            pages: list[Any] = list(opened.pages)
            series = opened.series[0]
            # ImageJ describes stacks above 4 GB by their first page; the others follow it without one of their own.
            frames = int((opened.imagej_metadata or {}).get("images", len(pages)))
        if frames > len(pages) == 1:
            return _map_imagej(file, pages[0], frames, opened.byteorder)
        return _stack_tiff(file, pages, math.prod(series.shape), complaints.said, closing)
    except PermissionError as error:
        raise Denied(f"{file} may not be read. Check the rights of the file.") from error
    except MediaError:
        closing.close()
        raise
    except (OSError, ValueError, IndexError, KeyError, RuntimeError) as error:
        closing.close()
        raise MediaCorrupt(f"{file} is no TIFF file, or it is damaged ({error}). Copy it again.") from error


class _Complaints(logging.Handler):
    """What tifffile tells of a damaged file: it logs that, and then shows a shorter stack."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is said in this thread."""
        if record.thread == self._thread:
            self.said.append(record.getMessage())

    def __enter__(self) -> Self:
        """Listen, and let nothing through to the screen."""
        self._log = logging.getLogger("tifffile")
        self._log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no longer."""
        self._log.removeHandler(self)


def _stack_tiff(file: Path, pages: list[Any], pixels: int, complaints: list[str], closing: ExitStack) -> Stack:
    size = file.stat().st_size
    ends = [at + n for page in pages for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if complaints or max(ends, default=0) > size:
        why = complaints[0] if complaints else f"{size} of {max(ends)} bytes are there"
        raise MediaCorrupt(f"{file} ends too early, or it is damaged ({why}). Copy it again from its source.")
    dtype, plane = np.dtype(pages[0].dtype), tuple(pages[0].shape)
    if len(plane) != 2 or any(tuple(page.shape) != plane or page.dtype != dtype for page in pages):
        raise MediaUnsupported(
            f"{file} holds colours, or pictures of different kinds; a stack is grey pictures of one size."
        )
    if len(pages) == 1 and pixels != math.prod(plane):
        raise MediaCorrupt(f"{file} has one page for {pixels} pixels of {plane}. Save it again as plain pages.")
    return Stack(
        file,
        (len(pages), *plane),
        dtype,
        lambda start, stop: np.stack([page.asarray() for page in pages[start:stop]]),
        closing,
    )


def _map_imagej(file: Path, page: Any, frames: int, byteorder: str) -> Stack:
    plane, begin = tuple(page.shape), int(page.dataoffsets[0])
    kind = np.dtype(page.dtype).newbyteorder(byteorder)
    step, size = math.prod(plane) * kind.itemsize, file.stat().st_size
    if begin + frames * step > size:
        raise MediaCorrupt(f"{file} ends too early: {size} of {begin + frames * step} bytes are there. Copy it again.")

    def read(start: int, stop: int) -> NDArray[Any]:
        return np.fromfile(file, kind, (stop - start) * math.prod(plane), offset=begin + start * step)

    return Stack(file, (frames, *plane), kind, read)


def _open_fits(file: Path) -> Stack:
    try:
        from astropy.io import fits
        from astropy.utils.exceptions import AstropyWarning
    except ImportError as error:
        raise MissingExtra("astropy", "kernels") from error
    import warnings

    closing = ExitStack()
    try:
        # What astropy only warns of, a file that ends early among them, is damage here.
        with warnings.catch_warnings():
            warnings.simplefilter("error", AstropyWarning)
            opened = closing.enter_context(fits.open(file, mode="readonly", memmap=False, lazy_load_hdus=False))
            pictures = [hdu for hdu in opened if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2]
    except PermissionError as error:
        raise Denied(f"{file} may not be read. Check the rights of the file.") from error
    except (OSError, ValueError, TypeError, KeyError, AstropyWarning) as error:
        closing.close()
        raise MediaCorrupt(f"{file} is no FITS file, or it is damaged ({error}). Copy it again.") from error
    if not pictures:
        closing.close()
        raise MediaUnsupported(f"{file} holds no picture. Give a file with an image of two or three axes.")
    part = pictures[0]
    shape = tuple(part.shape)
    try:
        # One row tells the type after scaling: unsigned numbers are stored as signed ones with an offset.
        dtype = np.asarray(part.section[(0,) * (len(shape) - 1)]).dtype

        def read(start: int, stop: int) -> NDArray[Any]:
            return np.asarray(part.section[start:stop] if len(shape) == 3 else part.section[:, :])

        return Stack(file, shape, dtype, read, closing)
    except (OSError, ValueError, TypeError, IndexError) as error:
        closing.close()
        raise MediaCorrupt(f"{file} ends too early, or it is damaged ({error}). Copy it again.") from error
    except MediaError:
        closing.close()
        raise


def _open_zarr(folder: Path) -> Stack:
    try:
        import zarr
    except ImportError as error:
        raise MissingExtra("zarr", "kernels") from error
    try:
        opened: Any = zarr.open(folder, mode="r")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaCorrupt(f"{folder} is no Zarr array, or it is damaged ({error}).") from error
    if not isinstance(opened, zarr.Array):
        arrays = [value for _, value in opened.arrays()]
        if len(arrays) != 1:
            raise MediaUnsupported(f"{folder} holds {len(arrays)} arrays. Give the folder of one of them.")
        opened = arrays[0]
    flat = opened.ndim == 2
    return Stack(
        folder, opened.shape, np.dtype(opened.dtype), lambda start, stop: opened[:] if flat else opened[start:stop]
    )
