"""A real S3 service on this computer, and a meter on the line to it."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path

KEY, SECRET = "KEYOFTHETESTSERVER20", "canary+secret/of+the+test+server"
BUCKET = "footage"
STARTED = re.compile(r"Starting s3 server on \[(http://[^\]/]+)/\]")


def find_rclone():
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


@contextmanager
def serve(folder, *options):
    """Serve the folders below `folder` as buckets; give the endpoint."""
    (folder / BUCKET).mkdir(parents=True, exist_ok=True)
    # A name is what its letters are, as with other services; and files put there behind its back are seen at once.
    # With no time at all rclone forgets each folder again and again, and takes a whole processor for it.
    options = ("--config", os.devnull, "--no-unicode-normalization", "--dir-cache-time", "1ms", *options)
    server = subprocess.Popen(
        [find_rclone(), "serve", "s3", *options, "--addr", "127.0.0.1:0", str(folder)],
        env={**os.environ, "RCLONE_AUTH_KEY": f'"{KEY},{SECRET}"'},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        for line in server.stderr:
            said.append(line)
            if found := STARTED.search(line):
                break
        else:
            raise AssertionError(f"rclone did not start: {''.join(said)}")
        # What nobody reads fills the pipe, and then the server waits.
        threading.Thread(target=deque, args=(server.stderr, 0), daemon=True).start()
        yield found[1]
        assert server.poll() is None, f"rclone ended by itself ({server.returncode})"
    finally:
        server.kill()
        server.wait()


class Meter:
    """Passes connections on to a server, counts their bytes, and breaks them where a test wants it.

    Attributes
    ----------
    endpoint
        The address to use instead of the server's.
    """

    def __init__(self, endpoint, pause_s=0.0):
        host, _, port = endpoint.removeprefix("http://").partition(":")
        self.server, self.pause_s = (host, int(port)), pause_s
        # Shared with processes that are forked from this one.
        self._counts = mmap.mmap(-1, 24)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = "http://{}:{}".format(*self._listener.getsockname())
        self.limit(None)

    def start(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def serve(self):
        """Pass connections on until it is closed."""
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            if self.sent + self.received >= self._count(16):
                client.close()
                continue
            try:
                server = socket.create_connection(self.server, timeout=10)
            except OSError:
                # Whoever waits for an answer is told at once that none will come, and the next one is served.
                client.close()
                continue
            server.settimeout(None)
            for place, one, other in ((0, client, server), (8, server, client)):
                threading.Thread(target=self._pass, args=(place, one, other), daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who accepts
        self._listener.close()

    @property
    def sent(self):
        """Bytes that clients sent so far."""
        return self._count(0)

    @property
    def received(self):
        """Bytes that clients were sent so far."""
        return self._count(8)

    def limit(self, size_bytes):
        """Break every connection after so many bytes more, or none any more."""
        total = 2**62 if size_bytes is None else self.sent + self.received + size_bytes
        struct.pack_into("q", self._counts, 16, total)

    def _count(self, place):
        return struct.unpack_from("q", self._counts, place)[0]

    def _pass(self, place, one, other):
        with suppress(OSError):
            while data := one.recv(2**16):
                with self._lock:
                    struct.pack_into("q", self._counts, place, self._count(place) + len(data))
                    if self.sent + self.received >= self._count(16):
                        break
                time.sleep(self.pause_s)
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
