"""What holds on PostgreSQL alone; all that holds on both databases is tested beside."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from contextlib import ExitStack

import pandas as pd
import psycopg
import pytest

from kso_utils.core.errors import IntegrityFailed, StoreBusy, StoreError
from kso_utils.store.connection import connect_url, describe_url
from kso_utils.store.engine import open_store
from kso_utils.store.rows import Counts

server = pytest.mark.only_on("postgresql")


def localities(store):
    return store.read("sites", order_by="id")["locality"].tolist()


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@127.0.0.1:9/x",
        "postgresql+psycopg://me:secret@127.0.0.1:9/x",
        "postgres://me@127.0.0.1:9/x?password=secret",
    ],
)
def test_a_server_that_does_not_answer_is_named_without_the_password(url):
    with pytest.raises(StoreError, match=r"^postgresql://me@127\.0\.0\.1:9/x: there is no connection") as caught:
        open_store(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["postgresql://me:secret@host:port/x", "postgresql+psycopg2://me:secret@host/x"])
def test_an_address_that_cannot_be_read_is_refused_without_the_password(url):
    with pytest.raises(StoreError, match="Not a database address") as caught:
        open_store(url)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_options_of_an_address_are_kept_but_not_shown():
    engine = connect_url("postgresql://me@host/x?connect_timeout=60&application_name=survey", read_only=False)
    assert engine.dialect.create_connect_args(engine.url)[1]["connect_timeout"] == "60"
    assert describe_url(engine.url) == "postgresql://me@host/x"


@server
def test_a_database_that_is_not_there_is_named(address):
    with pytest.raises(StoreError, match=r'there is no connection.*"nowhere" does not exist'):
        open_store(f"{address.rpartition('/')[0]}/nowhere")


@server
def test_a_database_that_does_not_keep_every_text_is_refused(databases):
    address = databases.create("TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreError, match=r"SQL_ASCII.* ENCODING 'UTF8'"):
        open_store(address)
    databases.drop(address)


@server
def test_an_address_may_name_a_schema(databases, address):
    databases.execute(address, "CREATE SCHEMA other")
    with open_store(f"{address}?options=-csearch_path%3Dother") as other, open_store(address) as store:
        assert other.upsert("sites", pd.DataFrame({"locality": ["a"], "id": [4]}), "locality") == Counts(inserted=1)
        assert other.check().ok
        assert localities(store) == []


# Ids


@server
def test_an_id_that_was_given_is_not_drawn_later(store):
    store.upsert("sites", pd.DataFrame({"id": [1, 7], "locality": ["a", "b"]}), "locality")
    store.upsert("sites", pd.DataFrame({"locality": ["c", "d"]}), "locality")
    assert store.read("sites", order_by="id")["id"].tolist() == [1, 7, 8, 9]


@server
def test_rows_with_and_without_an_id_go_in_together(store):
    sites = pd.DataFrame({"id": [None, 3, None], "locality": ["a", "b", "c"]})
    assert store.upsert("sites", sites, "locality") == Counts(inserted=3)
    assert localities(store) == ["b", "a", "c"]


@server
def test_an_id_that_a_row_was_changed_to_is_not_drawn_later(store):
    store.upsert("sites", pd.DataFrame({"locality": ["a"]}), "locality")
    store.upsert("sites", pd.DataFrame({"locality": ["a"], "id": [2]}), "locality")
    store.upsert("sites", pd.DataFrame({"locality": ["b"]}), "locality")
    assert localities(store) == ["a", "b"]


@server
def test_a_small_id_does_not_turn_the_count_back(store):
    for number in (-5, 9, 3):
        store.upsert("sites", pd.DataFrame({"id": [number], "locality": [f"given {number}"]}), "id")
    store.upsert("sites", pd.DataFrame({"locality": ["drawn"]}), "locality")
    assert store.read("sites", where={"locality": "drawn"})["id"].tolist() == [10]


# Values


@server
def test_text_with_a_nul_is_refused_with_its_place(store):
    with pytest.raises(StoreError, match=r"sites, row 2, habitat: 'sa\\x00nd' holds a NUL"):
        store.upsert("sites", pd.DataFrame({"locality": ["a", "b"], "habitat": ["", "sa\0nd"]}), "locality")
    assert localities(store) == []


@server
def test_a_condition_with_a_nul_finds_nothing(road):
    assert road.read("sites", where={"locality": "North\0reef"}).empty
    assert road.read("sites", where={"locality": ["North\0reef", "South reef"]})["id"].tolist() == [2]


@server
def test_json_keeps_a_nul_in_its_text(store):
    run_id = store.record_run("train", {"note": "a\0b"}, {}, {})
    assert store.read("model_runs", where={"id": run_id})["params"].tolist() == [{"note": "a\0b"}]


@server
def test_text_is_sorted_by_its_characters_whatever_the_language_of_the_database(databases):
    if not databases.knows_languages:
        pytest.skip("this server sorts as in no language")
    address = databases.create("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'")
    names = ["Z", "a", "B", "å", "z", "_"]
    with open_store(address) as store:
        store.upsert("sites", pd.DataFrame({"locality": names}), "locality")
        assert store.read("sites", order_by="locality")["locality"].tolist() == sorted(names)
    databases.drop(address)


# Rights and failures


@pytest.fixture
def guest(databases, road, address):
    """The address of the road for a user who may read it, and nothing else."""
    name = address.rpartition("/")[2]
    databases.execute(address, f'CREATE ROLE "{name}" LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{name}"')
    yield address.replace("//kso@", f"//{name}@")
    databases.execute(address, f'DROP OWNED BY "{name}"; DROP ROLE "{name}"')


@server
def test_a_user_who_may_read_can_read(guest):
    with open_store(guest, read_only=True) as store:
        assert localities(store) == ["North reef", "South reef"]


@server
def test_a_user_who_may_not_write_is_told_what_to_ask_for(guest):
    with (
        open_store(guest) as store,
        pytest.raises(StoreError, match=r"may not do that .*sites.*Let the database's owner"),
    ):
        store.upsert("sites", pd.DataFrame({"locality": ["x"]}), "locality")


@server
@pytest.mark.parametrize(
    ("state", "error", "meaning"),
    [
        ("40001", StoreBusy, "another process changed the same rows"),
        ("40P01", StoreBusy, "waited for each other"),
        ("53100", StoreError, r"disk is full \(it is so\)\. Make room"),
        ("XX001", IntegrityFailed, "damaged"),
        ("XX002", IntegrityFailed, "REINDEX"),
        ("22012", StoreError, r"/kso_test_\w+: it is so\.$"),
        ("23001", IntegrityFailed, "contradict the store's constraints: it is so"),
    ],
)
def test_a_failure_of_the_server_is_put_in_words(store, state, error, meaning):
    with pytest.raises(StoreError, match=meaning) as caught, store.atomic():
        store._writing().exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'it is so.' USING ERRCODE = '{state}'; END $$")
    assert type(caught.value) is error


@server
def test_a_unique_index_that_others_made_is_named_as_they_did(databases, road, address):
    databases.execute(address, "CREATE UNIQUE INDEX only_one_habitat ON sites (habitat)")
    databases.execute(address, "CREATE TABLE guests (name text CONSTRAINT one_name UNIQUE)")
    with pytest.raises(IntegrityFailed, match="the same only_one_habitat"):
        road.upsert("sites", pd.DataFrame({"locality": ["a", "b"], "habitat": "sand"}), "locality")
    with pytest.raises(IntegrityFailed, match="the same one_name"), road.atomic():
        road._writing().exec_driver_sql("INSERT INTO guests VALUES ('a'), ('a')")


def break_connections(address):
    with psycopg.connect(address, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() "
            "AND datname = current_database()"
        )


@server
def test_a_connection_that_breaks_leaves_nothing_half_done_and_the_next_one_works(store, address):
    with pytest.raises(StoreError, match="the connection to the server broke"), store.atomic():
        store.upsert("sites", pd.DataFrame({"locality": ["a"]}), "locality")
        break_connections(address)
        store.upsert("sites", pd.DataFrame({"locality": ["b"]}), "locality")
    assert localities(store) == []


@server
def test_an_open_store_outlives_a_restart_of_the_server(road, address):
    assert len(road.read("sites")) == 2
    break_connections(address)
    assert len(road.read("sites")) == 2


# Several at once


@server
def test_a_block_reads_what_the_writer_before_it_left(store, address):
    """The right to write is taken before anything is read, so the count of one is seen by the other."""
    code = """if True:
        import sys
        import pandas as pd
        from kso_utils.store.engine import open_store
        with open_store(sys.argv[1]) as store:
            print("open", flush=True)
            with store.atomic():
                seen = len(store.read("sites"))
                store.upsert("sites", pd.DataFrame({"locality": [f"after {seen}"]}), "locality")
    """
    with store.atomic():
        second = subprocess.Popen([sys.executable, "-c", code, address], stdout=subprocess.PIPE)
        assert second.stdout.readline() == b"open\n"
        wait_for_waiting(address)
        store.upsert("sites", pd.DataFrame({"locality": ["first"]}), "locality")
    second.communicate()
    assert localities(store) == ["first", "after 1"]


def wait_for_waiting(address):
    """Return when a process waits for the right to write; fail where none does."""
    with psycopg.connect(address, autocommit=True) as other:
        for _ in range(3000):
            (waiting,) = other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if waiting == (1,):
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


@server
def test_a_reader_does_not_wait_for_a_writer(road, address):
    with road.atomic(), open_store(address, read_only=True) as reader:
        road.upsert("sites", pd.DataFrame({"locality": ["x"]}), "locality")
        assert localities(reader) == ["North reef", "South reef"]


@server
def test_as_many_may_read_at_once_as_the_server_takes(road):
    with ExitStack() as readers:
        for _ in range(20):
            readers.enter_context(road._reading())
        assert len(road.read("sites")) == 2
