"""What edits promise whatever is changed and undone, and whenever the process is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kso_utils.core.errors import MetadataError
from kso_utils.metadata import edits
from kso_utils.metadata.changes import Change
from kso_utils.metadata.table_files import TableFolder, require_unchanged
from kso_utils.store.engine import open_store

KILLING = Path(__file__).with_name("killing_edits.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(KILLING.parents[2])}


def killed(folder: Path, kills: int) -> int:
    """Run the kills; return how many came before the work was done."""
    run = [sys.executable, str(KILLING), str(folder), str(kills), "1"]
    done = subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_killed_edit_is_made_or_not_and_files_and_store_agree(tmp_path: Path) -> None:
    assert killed(tmp_path, 4) == 4


@pytest.mark.soak
def test_125_killed_edits_are_made_or_not_and_files_and_store_agree(tmp_path: Path, record_figures: Any) -> None:
    kills = killed(tmp_path, 125)
    record_figures("edit_kills", {"edit": kills, "edit_rows_lost": 0, "edit_half_done": 0})


EDIT = """
import sys
from pathlib import Path
from kso_utils.metadata import edits
from kso_utils.store.engine import open_store

folder = Path(sys.argv[1])
with open_store(folder / "kso.db") as store:
    for number in range(3):
        new = [edits.Change("sites", f"{sys.argv[2]}-{number}", "habitat", "kelp", "add")]
        edits.apply(store, edits.TableFolder(folder), new)
"""


def test_several_who_edit_at_once_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("siteName,habitat\nInner,sand\n")
    place = TableFolder(tmp_path)
    with open_store(tmp_path / "kso.db") as store:
        edits.take_in(store, place)
    args = [[sys.executable, "-c", EDIT, str(tmp_path), str(n)] for n in range(2)]
    assert [one.wait() for one in [subprocess.Popen(a, env=ENVIRONMENT) for a in args]] == [0, 0]
    with open_store(tmp_path / "kso.db") as store:
        assert len(store.read("sites")) == 7
        assert set(place.load()["sites"]["locality"]) == set(store.read("sites")["locality"])
        assert edits.history(store)["written"].all()


_NAMES = ("a", "b", "c", "Å d")
_TEXTS = st.sampled_from(["x", "=1+1", "a,b", 'say "so"', "two\nlines", "", "'", "-", "åäö"])
_STEPS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(_NAMES), st.sampled_from(["habitat", "Own"]), _TEXTS),
    st.tuples(st.just("set"), st.sampled_from(_NAMES), st.just("locality"), st.sampled_from(_NAMES)),
    st.tuples(st.just("add"), st.sampled_from(_NAMES), st.just("habitat"), _TEXTS),
    st.tuples(st.just("remove"), st.sampled_from(_NAMES), st.none(), st.none()),
    st.tuples(st.just("undo"), st.integers(0, 5), st.none(), st.none()),
)
Model = dict[str, dict[str, str]]


def model_after(model: Model, step: tuple[str, str, str, str]) -> Model | None:
    """What plain Python makes of a change; None where it must be refused."""
    action, key, column, value = step
    if action == "add":
        return None if key in model else {**model, key: {"habitat": value, "Own": ""}}
    if key not in model:
        return None
    if action == "remove":
        return {name: row for name, row in model.items() if name != key}
    if column == "locality":
        if value in model:
            return None
        return {value if name == key else name: row for name, row in model.items()}
    return None if model[key][column] == value else {**model, key: {**model[key], column: value}}


def rows_of(frame: pd.DataFrame) -> Model:
    wide = frame.reindex(columns=["locality", "habitat", "Own"]).astype("object")
    rows = wide.where(wide.notna(), "").to_dict("records")
    return {row["locality"]: {"habitat": row["habitat"], "Own": row["Own"]} for row in rows}


def walk(folder: Path, steps: list[tuple[str, str, str, str]]) -> None:
    """Make every step; the file, the store and the model agree after each, and undoing all gives the beginning."""
    (folder / "sites.csv").write_text('siteName;habitat;Own\na;"x";1\nb;;=y\n', encoding="utf-8-sig")
    place = TableFolder(folder)
    with open_store(folder / "kso.db") as store:
        edits.take_in(store, place)
        model: Model = {"a": {"habitat": "x", "Own": "1"}, "b": {"habitat": "", "Own": "=y"}}
        beginning, before = model, {}
        for step in steps:
            action, key, column, value = step
            if action == "undo":
                made = [one for one in before if before[one] is not None]
                if not made:
                    continue
                # The last edit, or now and then an undo, which does it again.
                done = edits.undo(store, place, made[-1])
                model, before[str(done.edit_id)] = before.pop(made[-1]), model
            else:
                expected = model_after(model, step)
                change = Change("sites", key, column, value, action)  # type: ignore[arg-type]
                if expected is None:
                    with pytest.raises(MetadataError):
                        edits.apply(store, place, [change])
                    continue
                done = edits.apply(store, place, [change])
                before[str(done.edit_id)], model = model, expected
            agree(store, place, model)
        while (edits.history(store)["kind"].eq("edit") & edits.history(store)["undone_by"].isna()).any():
            edits.undo(store, place)
        agree(store, place, beginning)
        assert list(rows_of(place.load()["sites"])) == list(beginning)


def agree(store: edits.Store, place: TableFolder, model: Model) -> None:  # type: ignore[name-defined]
    require_unchanged(store, place)
    in_file, in_store = rows_of(place.load()["sites"]), rows_of(store.read("sites"))
    assert in_file == model
    shown = {name: {"habitat": row["habitat"], "Own": ""} for name, row in model.items()}
    assert in_store == {
        name: {**row, "habitat": "" if row["habitat"] == "-" else row["habitat"]} for name, row in shown.items()
    }


@given(st.lists(_STEPS, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_files_store_and_a_plain_model_agree_after_every_step(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
) -> None:
    walk(tmp_path_factory.mktemp("walk"), steps)


@pytest.mark.soak
@given(st.lists(_STEPS, max_size=12))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_files_store_and_a_plain_model_agree_after_many_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, str]]
) -> None:
    walk(tmp_path_factory.mktemp("walk"), steps)
