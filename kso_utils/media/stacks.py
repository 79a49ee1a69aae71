"""Stacks of pictures that instruments write: raw numbers, TIFF, FITS, NPY and Zarr, read part by part.

A stack is always (frames, height, width), in the byte order of this machine. What a file does not say of itself is
asked for and never guessed.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from contextlib import ExitStack
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kso_utils.archive.local import LocalFile
from kso_utils.core.errors import ConfigError, MediaCorrupt, MediaError, MediaUnsupported, MissingExtra, NotFound
from kso_utils.media.ranges import BlockFile
from kso_utils.media.sources import Footage, name_of, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike, NDArray

    from kso_utils.archive.base import RangeFile

    _Reader = Callable[[int, int], NDArray[Any]]

SUFFIXES = {
    **dict.fromkeys((".raw", ".bin", ".dat"), "raw"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".fits", ".fit", ".fts"), "fits"),
    ".npy": "npy",
    ".zarr": "zarr",
}
"""Endings of file names, in small letters, and the kinds of stack they stand for."""


# What libraries read at once of a file that is not here.
_BUFFER_BYTES = 2**16


class Stack:
    """A stack of pictures that is open.

    Attributes
    ----------
    name
        The file, or the folder of a Zarr array: its path or address.
    shape
        (frames, height, width).
    dtype
        Type of a pixel, in the byte order of this machine.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], read: _Reader, closing: ExitStack | None = None
    ) -> None:
        _require_grey(name, shape, dtype)
        if len(shape) == 2:
            shape = (1, *shape)
        if not all(shape):
            raise MediaCorrupt(f"{name} has no picture in it; its shape is {shape}. Copy it again from its source.")
        self.name, self.shape = name, (int(shape[0]), int(shape[1]), int(shape[2]))
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
                f"{self.name} has the frames 0 to {len(self) - 1}; there is no part from {start} to {end}."
            )
        if start == end:
            return np.empty((0, *self.shape[1:]), self.dtype)
        try:
            values = np.asarray(self._read(start, end))
        except (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
            raise MediaCorrupt(
                f"{self.name} cannot be read between the frames {start} and {end - 1} ({error}). Copy it again."
            ) from error
        wanted = (end - start, *self.shape[1:])
        if values.size != wanted[0] * wanted[1] * wanted[2]:
            raise MediaCorrupt(f"{self.name} gave {values.shape} where {wanted} was asked for. Copy it again.")
        return np.array(values.reshape(wanted), self.dtype, order="C")


def _require_grey(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) not in (2, 3) or dtype.kind not in "uif":
        raise MediaUnsupported(
            f"{name} holds {dtype} of the shape {shape}; a stack is (frames, height, width) of plain numbers."
        )


def open_stack(
    stack: Footage,
    *,
    shape: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    header_bytes: int = 0,
) -> Stack:
    """Open a stack; its kind is told by the ending of its name.

    Parameters
    ----------
    stack
        A path, an address (`s3://`, `https://`, read by the parts that are needed) or an open file of an archive: a
        `.raw`, `.bin` or `.dat` file of plain numbers; TIFF; FITS (the first picture in it); NPY; or, on this machine,
        the folder of a Zarr array (a chunk that it lacks holds its fill value, as the format says).
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
    NotFound, Denied, ArchiveError
        If there is no such file, or it cannot be read.
    ConfigError
        If shape or dtype of a raw file are not given, or differ from what another file says.
    MediaUnsupported
        If the ending is unknown, or it holds something else than grey pictures.
    MediaCorrupt
        If it is damaged, ends early, or its last frame is not whole.
    MissingExtra
        If the package that reads its kind is not installed.
    """
    source = resolve(stack)
    name = name_of(source)
    kind = SUFFIXES.get(Path(re.split("[?#]", name)[0] if "://" in name else name).suffix.lower())
    if kind is None:
        raise MediaUnsupported(f"{name} is no stack by its name. Known endings: {', '.join(SUFFIXES)}.")
    if kind == "zarr":
        if not isinstance(source, Path):
            raise MediaUnsupported(f"{name} is a folder of many files. Copy it to this machine to read it.")
        opened = _open_zarr(source)
    else:
        file = LocalFile(source) if isinstance(source, Path) else source
        if not file.size_bytes:
            raise MediaCorrupt(f"{name} is empty. Copy it again from its source.")
        if kind == "raw":
            return _open_raw(file, shape, dtype, header_bytes)
        opened = {"tiff": _open_tiff, "fits": _open_fits, "npy": _open_npy}[kind](file)
    if (shape is not None and tuple(shape) != opened.shape[1:]) or (
        dtype is not None and np.dtype(dtype).newbyteorder("=") != opened.dtype
    ):
        opened.close()
        raise ConfigError(
            f"{name} holds {opened.dtype} of {opened.shape[1:]}, not {np.dtype(dtype or opened.dtype)} of "
            f"{shape or opened.shape[1:]}. Leave shape and dtype out, or give the right file."
        )
    return opened


def _open_raw(file: RangeFile, shape: tuple[int, int] | None, dtype: DTypeLike | None, header_bytes: int) -> Stack:
    name = file.address
    if shape is None or dtype is None:
        raise ConfigError(f"{name} does not say what it holds. Give shape=(height, width) and dtype, as '<u2'.")
    kind = np.dtype(dtype)
    if kind.kind not in "uif" or min(shape) < 1 or header_bytes < 0:
        raise ConfigError(f"{name} cannot hold {kind} of {shape} after {header_bytes} bytes. Give plain numbers.")
    height, width = shape
    frame_bytes = height * width * kind.itemsize
    content = file.size_bytes - header_bytes
    if content <= 0 or content % frame_bytes:
        raise MediaCorrupt(
            f"{name} has {content} bytes of pictures, which is {content / frame_bytes:.3f} frames of {width}x{height} "
            f"{kind}. Give the right shape and dtype, or copy it again: its last frame is not whole."
        )
    return _plain(file, header_bytes, (content // frame_bytes, height, width), kind)


def _plain(file: RangeFile, begin: int, shape: tuple[int, ...], kind: np.dtype[Any]) -> Stack:
    """Return a stack of frames that lie one after the other as they are."""
    step = math.prod(shape[-2:]) * kind.itemsize
    end = begin + math.prod(shape) * kind.itemsize
    if end > file.size_bytes:
        raise MediaCorrupt(f"{file.address} ends too early: {file.size_bytes} of {end} bytes are there. Copy it again.")
    return Stack(
        file.address,
        shape,
        kind,
        lambda start, stop: np.frombuffer(file.read(begin + start * step, begin + stop * step), kind),
    )


class _Handle(RawIOBase):
    """A file of an archive as libraries read one."""

    def __init__(self, file: RangeFile) -> None:
        self._file = BlockFile(file)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _handle(file: RangeFile) -> Path | BufferedReader:
    return file.path if isinstance(file, LocalFile) else BufferedReader(_Handle(file), _BUFFER_BYTES)


def _open_npy(file: RangeFile) -> Stack:
    handle = BufferedReader(_Handle(file), _BUFFER_BYTES)
    try:
        # The header alone is read by numpy, so that no pickle can come of it.
        version = np.lib.format.read_magic(handle)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, interleaved, dtype = read(handle)
    except (ValueError, EOFError, UnicodeDecodeError) as error:
        raise MediaCorrupt(f"{file.address} is no NPY file of numbers, or it is damaged ({error}).") from error
    _require_grey(file.address, shape, dtype)
    plain = _plain(file, handle.tell(), shape, dtype)
    if not interleaved:
        return plain
    if not isinstance(file, LocalFile):
        raise MediaUnsupported(f"{file.address} has its frames interleaved (Fortran order). Copy it here to read it.")
    array = np.memmap(file.path, dtype, "r", handle.tell(), shape, "F")
    return Stack(file.address, shape, dtype, lambda start, stop: array[start:stop] if len(shape) == 3 else array)


def _open_tiff(file: RangeFile) -> Stack:
    try:
        import tifffile
    except ImportError as error:
        raise MissingExtra("tifffile", "kernels") from error
    closing, complaints = ExitStack(), _Complaints()
    try:
        with complaints:
            opened = closing.enter_context(tifffile.TiffFile(_handle(file)))
            pages: list[Any] = list(opened.pages)
            series = opened.series[0]
            # ImageJ describes stacks above 4 GB by their first page; the others follow it without one of their own.
            frames = int((opened.imagej_metadata or {}).get("images", len(pages)))
        if frames > len(pages) == 1:
            kind = np.dtype(pages[0].dtype).newbyteorder(opened.byteorder)
            closing.close()
            return _plain(file, int(pages[0].dataoffsets[0]), (frames, *pages[0].shape), kind)
        return _stack_tiff(file, pages, math.prod(series.shape), complaints.said, closing)
    except MediaError:
        closing.close()
        raise
    except (OSError, ValueError, IndexError, KeyError, RuntimeError) as error:
        closing.close()
        raise MediaCorrupt(f"{file.address} is no TIFF file, or it is damaged ({error}). Copy it again.") from error


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


def _stack_tiff(file: RangeFile, pages: list[Any], pixels: int, complaints: list[str], closing: ExitStack) -> Stack:
    size = file.size_bytes
    ends = [at + n for page in pages for at, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if complaints or max(ends, default=0) > size:
        why = complaints[0] if complaints else f"{size} of {max(ends)} bytes are there"
        raise MediaCorrupt(f"{file.address} ends too early, or it is damaged ({why}). Copy it again from its source.")
    dtype, plane = np.dtype(pages[0].dtype), tuple(pages[0].shape)
    if len(plane) != 2 or any(tuple(page.shape) != plane or page.dtype != dtype for page in pages):
        raise MediaUnsupported(
            f"{file.address} holds colours, or pictures of different kinds; a stack is grey pictures of one size."
        )
    if len(pages) == 1 and pixels != math.prod(plane):
        raise MediaCorrupt(f"{file.address} has one page for {pixels} pixels of {plane}. Save it again as plain pages.")
    return Stack(
        file.address,
        (len(pages), *plane),
        dtype,
        lambda start, stop: np.stack([page.asarray() for page in pages[start:stop]]),
        closing,
    )


def _open_fits(file: RangeFile) -> Stack:
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
            opened = closing.enter_context(
                fits.open(_handle(file), mode="readonly", memmap=False, lazy_load_hdus=False)
            )
            pictures = [hdu for hdu in opened if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS", 0) >= 2]
    except (OSError, ValueError, TypeError, KeyError, AstropyWarning) as error:
        closing.close()
        raise MediaCorrupt(f"{file.address} is no FITS file, or it is damaged ({error}). Copy it again.") from error
    if not pictures:
        closing.close()
        raise MediaUnsupported(f"{file.address} holds no picture. Give a file with an image of two or three axes.")
    part = pictures[0]
    shape = tuple(part.shape)
    try:
        # One row tells the type after scaling: unsigned numbers are stored as signed ones with an offset.
        dtype = np.asarray(part.section[(0,) * (len(shape) - 1)]).dtype

        def read(start: int, stop: int) -> NDArray[Any]:
            return np.asarray(part.section[start:stop] if len(shape) == 3 else part.section[:, :])

        return Stack(file.address, shape, dtype, read, closing)
    except (OSError, ValueError, TypeError, IndexError) as error:
        closing.close()
        raise MediaCorrupt(f"{file.address} ends too early, or it is damaged ({error}). Copy it again.") from error
    except MediaError:
        closing.close()
        raise


def _open_zarr(folder: Path) -> Stack:
    try:
        import zarr
    except ImportError as error:
        raise MissingExtra("zarr", "kernels") from error
    if not folder.is_dir():
        raise NotFound(f"There is no stack {folder}. Check the name and the folder.")
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
        str(folder), opened.shape, np.dtype(opened.dtype), lambda start, stop: opened[:] if flat else opened[start:stop]
    )
