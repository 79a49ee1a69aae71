from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kso_utils.core import retries
from kso_utils.core.errors import ArchiveError, ConfigError, Interrupted, NotFound
from kso_utils.metadata import worms
from kso_utils.metadata.worms import MOST_NAMES, WORMS, batches, fetch_matches, fetch_record, require_endpoint
from kso_utils.testing.worms import COD, FIRST_INVENTED, Fault, Register, make_record, serve_worms

OLD = make_record(FIRST_INVENTED + 1, "Inventa vetus", accepted=COD)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Register]:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    with serve_worms([COD, OLD]) as running:
        yield running


def test_a_record_arrives_as_the_service_has_it(register: Register) -> None:
    assert fetch_matches(["Gadus morhua"], register.url) == [[COD]]


def test_answers_stand_in_the_order_of_the_names(register: Register) -> None:
    answers = fetch_matches(["Nothing like it", "Inventa vetus", "Gadus morha"], register.url)
    assert [[(r["AphiaID"], r["match_type"]) for r in found] for found in answers] == [
        [],
        [(OLD["AphiaID"], "exact")],
        [(126436, "near_1")],
    ]


def test_no_content_means_that_nothing_was_found(register: Register) -> None:
    assert fetch_matches(["Nothing", "Nobody"], register.url) == [[], []]


def test_a_record_is_found_by_its_number(register: Register) -> None:
    found = fetch_record(126436, register.url)
    assert found is not None
    assert found["scientificname"] == "Gadus morhua"


def test_a_number_that_is_not_there_gives_none(register: Register) -> None:
    assert fetch_record(FIRST_INVENTED, register.url) is None


def test_the_software_says_who_it_is(register: Register) -> None:
    fetch_record(126436, register.url)
    assert register.agents[0].startswith("kso_utils/")


@pytest.mark.parametrize("fault", ["500", "429", "drop", "half"])
def test_a_failure_that_passes_is_not_noticed(fault: Fault, register: Register) -> None:
    register.faults.extend([fault, fault])
    assert fetch_matches(["Gadus morhua"], register.url) == [[COD]]
    assert len(register.asked) == 3


def test_a_service_that_goes_on_failing_is_left_alone(register: Register) -> None:
    register.faults.extend(["500"] * 20)
    with pytest.raises(Interrupted, match=r"status 500.*try again later, or work offline"):
        fetch_matches(["Gadus morhua"], register.url)
    assert len(register.asked) == retries.ATTEMPTS


def test_a_service_that_does_not_answer_in_time_is_given_up(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worms, "TIMEOUT_S", 0.05)
    register.faults.extend(["slow"] * retries.ATTEMPTS)
    with pytest.raises(Interrupted, match="timed out"):
        fetch_matches(["Gadus morhua"], register.url)


def test_a_service_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Interrupted, match=rf"127.0.0.1:{port} could not be reached"):
        fetch_record(1, f"http://127.0.0.1:{port}/rest")


@pytest.mark.parametrize(
    ("fault", "said"),
    [("no json", "no JSON"), ("html", "a login page"), ("empty", "no JSON"), ("short", "not a list of as many")],
)
def test_an_answer_of_another_kind_is_refused_at_once(fault: Fault, said: str, register: Register) -> None:
    register.faults.append(fault)
    with pytest.raises(ArchiveError, match=said):
        fetch_matches(["Gadus morhua"], register.url)
    assert len(register.asked) == 1


def test_a_wrong_path_is_not_found(register: Register) -> None:
    register.faults.append("404")
    with pytest.raises(NotFound, match="address"):
        fetch_record(1, register.url)


def test_a_request_that_is_refused_says_so(register: Register) -> None:
    with pytest.raises(ArchiveError, match="status 400"):
        fetch_matches(["Gadus morhua"] * (MOST_NAMES + 1), register.url)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"AphiaID": 1}', "not a list of as many"),
        ("[3]", "the matches of a name are not a list"),
        ("[[3]]", "a record is not an object"),
        ('[[{"scientificname": "Gadus"}]]', "no AphiaID"),
        ('[[{"AphiaID": 0, "scientificname": "Gadus"}]]', "no AphiaID"),
        ('[[{"AphiaID": 1, "scientificname": null}]]', "no AphiaID or no scientificname"),
        ('[[{"AphiaID": NaN, "scientificname": "Gadus"}]]', "no JSON"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_records_that_are_none_are_refused(answer: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worms, "_ask", lambda *_: answer.encode())
    with pytest.raises(ArchiveError, match=said):
        fetch_matches(["Gadus"], WORMS)


def test_fields_of_another_kind_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = COD | {
        "rank": 3,
        "kingdom": "\ud800",
        "order": "Gadi\0formes",
        "valid_AphiaID": "many",
        "isExtinct": 2**70,
        "more": [1],
    }  # type: ignore[dict-item]
    monkeypatch.setattr(worms, "_ask", lambda *_: json.dumps([[strange], None]).encode())
    (found,), nothing = fetch_matches(["Gadus morhua", "Gadus"], WORMS)
    assert found == COD | dict.fromkeys(("rank", "kingdom", "order", "valid_AphiaID", "isExtinct"))
    assert nothing == []


def test_an_endless_answer_is_cut_off(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worms, "_MOST_BYTES", 10)
    with pytest.raises(ArchiveError, match="more than 10 bytes"):
        fetch_record(126436, register.url)


@pytest.mark.parametrize("url", [WORMS, "http://127.0.0.1:8000/rest", "http://localhost/rest", "http://[::1]:8000"])
def test_a_safe_address_may_be_asked(url: str) -> None:
    require_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://www.marinespecies.org/rest", "ftp://www.marinespecies.org", "file:///etc/passwd", "worms", ""),
        *("https://user:secret@www.marinespecies.org", "https://", "https://a..b/", "https://a b/", "https://a/\n"),
        *("https://a:port/", "http://[::1", "https://a/?b=c", "https://a/#b", "https://å.org/", "https://a/\u00a0"),
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be asked"):
        fetch_record(1, url)


@pytest.mark.parametrize(
    ("target", "followed"),
    [("/elsewhere", True), ("https://x/", True), ("http://x/", False), ("ftp://127.0.0.1/", False)],
)
def test_a_redirect_never_leads_to_a_less_safe_place(target: str, followed: bool) -> None:
    from email.message import Message
    from http.client import HTTPMessage
    from io import BytesIO
    from urllib.parse import urljoin
    from urllib.request import Request

    assert issubclass(HTTPMessage, Message)
    start = "http://127.0.0.1:8000/rest"
    redirects, request = worms._Redirects(), Request(start)
    url = urljoin(start, target)
    if followed:
        following = redirects.redirect_request(request, BytesIO(), 302, "Found", HTTPMessage(), url)
        assert following is not None
        assert following.full_url == url
    else:
        with pytest.raises(ArchiveError, match="not safe"):
            redirects.redirect_request(request, BytesIO(), 302, "Found", HTTPMessage(), url)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(st.lists(NAMES, max_size=130))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_batches_hold_every_name_once_in_order(names: list[str]) -> None:
    groups = list(batches(names))
    assert [name for group in groups for name in group] == names
    assert all(0 < len(group) <= MOST_NAMES for group in groups)


def test_a_batch_fits_into_one_address() -> None:
    groups = list(batches(["\U0001f41f" * 200] * 10))
    assert [len(group) for group in groups] == [2] * 5


@given(st.lists(NAMES, min_size=1, max_size=5))
@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_name_arrives_as_it_was_sent(register: Register, names: list[str]) -> None:
    assert fetch_matches(names, register.url) == [[] for _ in names]
    assert register.asked[-1] == names
