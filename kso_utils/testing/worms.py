"""A register of names on this computer that speaks as WoRMS does, with as few or many names as a test needs."""

from __future__ import annotations

import difflib
import json
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kso_utils.metadata.worms import Record

Fault = Literal["500", "429", "404", "drop", "half", "slow", "no json", "html", "empty", "short"]
"""How a request goes wrong: a status, a connection that breaks before or within the answer, an answer that comes too
late or is no JSON, a login page, an empty page, or a list that is too short."""

FIRST_INVENTED = 9_000_001
_MOST_NAMES = 50

COD: Record = {
    "AphiaID": 126436,
    "url": "https://www.marinespecies.org/aphia.php?p=taxdetails&id=126436",
    "scientificname": "Gadus morhua",
    "authority": "Linnaeus, 1758",
    "status": "accepted",
    "unacceptreason": None,
    "taxonRankID": 220,
    "rank": "Species",
    "valid_AphiaID": 126436,
    "valid_name": "Gadus morhua",
    "valid_authority": "Linnaeus, 1758",
    "parentNameUsageID": 125732,
    "kingdom": "Animalia",
    "phylum": "Chordata",
    "class": "Actinopteri",
    "order": "Gadiformes",
    "family": "Gadidae",
    "genus": "Gadus",
    "citation": None,
    "lsid": "urn:lsid:marinespecies.org:taxname:126436",
    "isMarine": 1,
    "isBrackish": 1,
    "isFreshwater": 0,
    "isTerrestrial": 0,
    "isExtinct": None,
    "match_type": "exact",
    "modified": "2008-01-15T17:27:08.177Z",
}
"""The record of the Atlantic cod, as the real register has it."""


def make_record(aphia_id: int, name: str, accepted: Record | None = None, **values: str | int | None) -> Record:
    """Return an invented record.

    Parameters
    ----------
    aphia_id
        Its number; take `FIRST_INVENTED` or more, which no real name has.
    name
        The scientific name.
    accepted
        The record of the accepted name, for a synonym.
    **values
        Any field of the record, in place of that of an accepted animal.
    """
    valid = accepted or {"AphiaID": aphia_id, "scientificname": name, "authority": "Nobody, 1900"}
    record = COD | {
        "AphiaID": aphia_id,
        "url": f"https://www.marinespecies.org/aphia.php?p=taxdetails&id={aphia_id}",
        "scientificname": name,
        "authority": "Nobody, 1900",
        "status": "unaccepted" if accepted else "accepted",
        "valid_AphiaID": valid["AphiaID"],
        "valid_name": valid["scientificname"],
        "valid_authority": valid["authority"],
        "parentNameUsageID": None,
        "phylum": "Inventa",
        **dict.fromkeys(("class", "order", "family")),
        "genus": name.partition(" ")[0],
        "lsid": f"urn:lsid:marinespecies.org:taxname:{aphia_id}",
    }
    return record | values


@dataclass
class Register:
    """A running register.

    Attributes
    ----------
    url
        Its address, to be given as `endpoint`.
    records
        The names that it has; they may be changed at any time.
    asked
        The names and AphiaIDs that were asked for, request by request, those that failed included.
    agents
        The `User-Agent` of each request.
    faults
        How the next requests go wrong, one each; None lets one go well.
    """

    url: str
    records: list[Record]
    asked: list[list[str]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    stopping: threading.Event = field(default_factory=threading.Event)

    def find(self, name: str) -> list[Record]:
        """Return the records of a name, or else of names that are almost the same."""
        exact = [r | {"match_type": "exact"} for r in self.records if str(r["scientificname"]).lower() == name.lower()]
        if exact:
            return exact
        close = difflib.get_close_matches(name, [str(r["scientificname"]) for r in self.records], n=3, cutoff=0.9)
        return [r | {"match_type": "near_1"} for r in self.records if r["scientificname"] in close]


@contextmanager
def serve_worms(records: Iterable[Record]) -> Iterator[Register]:
    """Run a register of names for the length of a block.

    Parameters
    ----------
    records
        The names that it has, as `make_record` gives them.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        register = Register(f"http://127.0.0.1:{server.server_port}/rest", list(records))
        server.daemon_threads = True
        server.register = register  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield register
        finally:
            register.stopping.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self) -> None:
        """Answer with records, nothing, or a fault."""
        register: Register = self.server.register  # type: ignore[attr-defined]
        register.agents.append(self.headers.get("User-Agent", ""))
        parts = urlsplit(self.path)
        verb, _, number = parts.path.removeprefix("/rest/").partition("/")
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        names = [value for key, value in query if key == "scientificnames[]"]
        register.asked.append(names or [number])
        fault = register.faults.popleft() if register.faults else None
        if fault and self._fail(fault, register):
            return
        if verb == "AphiaRecordByAphiaID":
            self._answer(next((r for r in register.records if str(r["AphiaID"]) == number), None))
        elif verb == "AphiaRecordsByMatchNames" and 0 < len(names) <= _MOST_NAMES and ("marine_only", "false") in query:
            found = [register.find(name) for name in names]
            self._answer((found[:-1] if fault == "short" else found) if any(found) else None)
        else:
            self._send(400, b'{"message": "Bad request"}')

    def _fail(self, fault: Fault, register: Register) -> bool:
        """Go wrong; return whether there is no more to say."""
        if fault == "slow":
            register.stopping.wait(10.0)
        elif fault == "half":
            self._send(200, b"[[", length=100)
        elif fault == "no json":
            self._send(200, b"[[{]]")
        elif fault == "empty":
            self._send(200, b"")
        elif fault == "html":
            self._send(200, b"<html><body>Log in to this network</body></html>", "text/html")
        elif fault in ("500", "429", "404"):
            self._send(int(fault), b"", retry_after="0")
        self.close_connection = True
        return fault != "short"

    def _answer(self, value: Any) -> None:
        if value is None:
            self._send(204, b"")
        else:
            self._send(200, json.dumps(value).encode())

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        length: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        if status != 204:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class has
        """Say nothing."""
