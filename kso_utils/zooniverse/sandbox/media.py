"""The files of subjects and exports: written through a signed link for a while, read by anybody who has the address."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import TYPE_CHECKING

from kso_utils.zooniverse.sandbox.messages import Answer, Refused, Request

if TYPE_CHECKING:
    from kso_utils.zooniverse.sandbox.state import State

_GZIP = b"\x1f\x8b"


def read_medium(state: State, request: Request, key: str) -> Answer:
    """Answer with a medium, or with the part of it that a video player asks for.

    Raises
    ------
    Refused
        With status 404 if it was never written.
    """
    blob = state.blob(key)
    if blob is None or blob["data"] is None:
        raise Refused(404, "There is no such file")
    if blob["mime"] == "text/csv" and blob["data"].startswith(_GZIP):  # an export, not a subject
        return Answer(200, blob["data"], "text/csv", {"Content-Encoding": "gzip"})
    return _part(request, blob["data"], blob["mime"])


def write_medium(state: State, request: Request, key: str) -> Answer:
    """Take in a medium as the Zooniverse's storage (Azure's Put Blob) does.

    Raises
    ------
    Refused
        403 if the link is not signed, has expired, or was given for another type; 400 if the kind of blob is not named,
        or the bytes are not those of which Content-MD5 tells.
    """
    blob = state.blob(key)
    if blob is None or blob["signature"] != request.params.get("sig"):
        raise Refused(403, "The signature does not fit this file")
    if blob["expires"] is not None and blob["expires"] < time.time():
        raise Refused(403, "This link has expired")
    if request.headers.get("Content-Type") != blob["mime"]:
        raise Refused(403, f"This file was announced as {blob['mime']}")
    if request.headers.get("x-ms-blob-type") != "BlockBlob":
        raise Refused(400, "The header 'x-ms-blob-type: BlockBlob' is missing")
    told = request.headers.get("Content-MD5")
    if told is not None and told != _md5(request.body):
        raise Refused(400, "The file is not the one of which Content-MD5 tells")
    state.write_blob(key, request.body)
    return Answer(201, headers={"Content-MD5": _md5(request.body)})


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _part(request: Request, data: bytes, mime: str) -> Answer:
    headers = {"Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
    if mime == "image/svg+xml":
        headers["Content-Security-Policy"] = "sandbox"
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
    if wanted is None:
        return Answer(200, data, mime, headers)
    start = int(wanted[1])
    stop = min(len(data), int(wanted[2]) + 1 if wanted[2] else len(data))
    if start >= stop:
        return Answer(416, b"", mime, {"Content-Range": f"bytes */{len(data)}"})
    return Answer(206, data[start:stop], mime, {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})
