"""Files as they arrive on bad days: each gives its finding or its refusal at the right place, in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kso_utils.core.errors import ConfigError, MetadataError
from kso_utils.core.paths import write_atomic
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.tables import load_tables
from kso_utils.testing.hostile_tables import KINDS, HostileTable, write_hostile_tables

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "build" / "figures.json"
HEAVY = ("sparse", "huge_cell", "million_columns", "too_many_rows")
READ = """
import sys
from kso_utils.core.errors import MetadataError
from kso_utils.metadata.checks import check_tables
from kso_utils.metadata.tables import load_tables
try:
    check_tables(load_tables(sys.argv[1]))
except MetadataError:
    pass
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(peak)
"""


def judge(table: HostileTable) -> str:
    """Return what a reader says that it should not, empty if it is right."""
    try:
        tables = load_tables(table.path.parent)
    except MetadataError as error:
        said = str(error)
        named = (table.line is None or f"line {table.line:}" in said) and (table.column or "") in said
        return "" if table.outcome == "refused" and named and table.path.name in said else f"{table.kind}: {said}"
    if table.outcome == "refused":
        return f"{table.kind}: not refused"
    (frame,) = tables.values()
    if len(frame) != table.rows:
        return f"{table.kind}: {len(frame)} rows of {table.rows}"
    findings = [f for f in check_tables(tables) if f.code == table.code]
    headers = {column: header for column, header in frame.attrs["headers"].items()}
    places = {(f.row, headers.get(f.column or "", f.column)) for f in findings}
    return "" if not table.code or (table.line, table.column) in places else f"{table.kind}: {places}"


def peak_bytes(folder: Path) -> int:
    """Return the most memory that a process of its own held while it read and checked the tables of a folder."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * 1024


def test_every_kind_is_found_or_refused_at_its_place(tmp_path: Path) -> None:
    assert [said for table in write_hostile_tables(tmp_path, 2 * len(KINDS)) if (said := judge(table))] == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured through /proc")
@pytest.mark.parametrize("kind", HEAVY)
def test_memory_stays_within_three_files_and_200_mb(tmp_path: Path, kind: str) -> None:
    (table,) = [t for t in write_hostile_tables(tmp_path, len(KINDS)) if t.kind == kind]
    assert peak_bytes(table.path.parent) <= 3 * table.path.stat().st_size + 200e6


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    first, again = (
        [(t.kind, t.outcome, t.line, t.path.read_bytes()) for t in write_hostile_tables(tmp_path / name, 9, seed=3)]
        for name in ("first", "again")
    )
    assert first == again


def test_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="1 or more"):
        list(write_hostile_tables(tmp_path, 0))


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured through /proc")
def test_two_hundred_hostile_tables_give_no_traceback_and_take_little_memory(tmp_path: Path) -> None:
    wrong, peaks = [], []
    for table in write_hostile_tables(tmp_path, 200):
        wrong += [said] if (said := judge(table)) else []
        over = peak_bytes(table.path.parent) - 3 * table.path.stat().st_size
        peaks.append((over, table.path.parent.name))
        table.path.unlink()
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    known["hostile tables"] = {
        "files": len(peaks),
        "misjudged": len(wrong),
        "most memory beyond three files (MB)": round(max(peaks)[0] / 1e6, 1),
    }
    with write_atomic(FIGURES) as temporary:
        temporary.write_text(json.dumps(known, indent=2, sort_keys=True), encoding="utf-8")
    assert wrong == []
    assert max(peaks)[0] <= 200e6, max(peaks)
