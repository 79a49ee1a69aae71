"""What the pages claim is so."""

import configparser
import re
from pathlib import Path

import pytest

from kso_utils.annotations.darwincore.issues import ISSUES
from kso_utils.cli import COMMANDS
from kso_utils.media.findings import FAULTS
from kso_utils.metadata.checks import list_checks
from kso_utils.metadata.matching import VERDICTS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/benchmarks.md", "docs/sandbox.md"])
def test_links_lead_somewhere(page: str) -> None:
    linked = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    absent = [name for name in linked if "://" not in name and not (ROOT / page).parent.joinpath(name).exists()]
    assert not absent


def test_every_benchmark_is_described() -> None:
    described = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    subjects = [path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")]
    assert [name for name in subjects if f"| `{name}` |" not in described] == []


def test_the_readme_names_commands_that_exist() -> None:
    named = set(re.findall(r"`kso ([a-z-]+)", README))
    assert named >= {"init", "check", "demo"}
    assert named <= set(COMMANDS)


def test_the_readme_tells_of_every_extra() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(config["options.extras_require"]) - {"all"}
    assert {name for name in extras if f"`{name}`" not in README} == set()


def test_the_page_of_checks_has_every_code_of_tables_movies_names_and_archives() -> None:
    page = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    of_tables, rest = page.split("\n# Names of taxa\n")
    of_names, rest = rest.split("\n# Movies\n")
    of_movies, of_archives = rest.split("\n# Archives\n")
    parts = (of_tables, of_names, of_movies, of_archives)
    told = [re.findall(r"^\| `([A-Z0-9_]+)`", part, re.M) for part in parts]
    assert [sorted(codes) for codes in told] == [
        sorted({c.code for c in list_checks()}),
        sorted(VERDICTS),
        sorted(FAULTS),
        sorted(ISSUES),
    ]
