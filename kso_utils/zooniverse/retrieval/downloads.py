"""Bodies of answers onto the disk: as they come, unpacked, and whole or not at all."""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import requests

_BLOCK = 1 << 16


def save_body(answer: requests.Response, handle: IO[bytes]) -> None:
    """Write the body of an answer that is streamed, unpacked where it is packed with gzip.

    Raises
    ------
    requests.exceptions.ChunkedEncodingError
        If the body is shorter than announced, or the connection breaks.
    requests.exceptions.ContentDecodingError
        If what is packed is damaged or cut off.
    """
    from requests.exceptions import ChunkedEncodingError, ContentDecodingError
    from urllib3.exceptions import HTTPError

    packed = answer.headers.get("Content-Encoding", "").lower() in ("gzip", "x-gzip")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed else None
    received = 0
    # Left to itself, the library takes a packed body that ends too early for a whole one.
    try:
        for block in answer.raw.stream(_BLOCK, decode_content=False):
            received += len(block)
            handle.write(unpacking.decompress(block) if unpacking else block)
    except zlib.error as error:
        raise ContentDecodingError(f"the file is damaged: {error}") from error
    except HTTPError as error:
        raise ChunkedEncodingError(str(error)) from error
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) != received:
        raise ChunkedEncodingError(f"{received} of {announced} bytes came")
    if unpacking and (not unpacking.eof or unpacking.unused_data):
        raise ContentDecodingError("the packed file does not end where it should")
