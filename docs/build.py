"""Write the pages of commands, functions and checks from the code; a test checks that they are current."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kso_utils.annotations.darwincore.issues import ISSUES
from kso_utils.cli import COMMANDS, build_parser
from kso_utils.media.findings import FAULTS
from kso_utils.metadata.checks import RULEBOOK, list_checks
from kso_utils.metadata.matching import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "core", "store", "archive", "metadata", "media", "annotations", "consensus", "zooniverse", "ml", "project", "ui",
    "testing",
)  # fmt: skip


def commands_page() -> str:
    """Return the page of all commands: the help of each."""
    lines = ["# Commands", "", "Each command takes `--help` and `--json`; most take `--project FOLDER`.", ""]
    parsers = _parsers(build_parser())
    for name in COMMANDS:
        parser = parsers[name]
        lines += [f"## kso {name}", "", COMMANDS[name][0], "", "| argument | meaning |", "|---|---|"]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                continue
            shown = ", ".join(action.option_strings) or action.dest
            choices = f" ({', '.join(map(str, action.choices))})" if action.choices else ""
            lines.append(f"| `{shown}`{choices} | {action.help} |")
        lines.append("")
    return "\n".join(lines)


def _parsers(parser: argparse.ArgumentParser, before: str = "") -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its name, one of two words too."""
    found = {}
    for group in (a for a in parser._actions if isinstance(a, argparse._SubParsersAction)):
        for word, one in group.choices.items():
            found |= {before + word: one, **_parsers(one, f"{before}{word} ")}
    return found


def api_page() -> str:
    """Return the page of all public functions and classes: signature and first sentence, by room and module."""
    lines = ["# Public functions and classes", ""]
    for room in (*ROOMS, "demo"):
        place = ROOT / "kso_utils" / room
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        lines += [f"## {room}", ""]
        for file in files:
            lines += _module_lines(file)
    return "\n".join(lines).rstrip() + "\n"


def _module_lines(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    rows = [
        f"| `{node.name}{_signature(node)}` | {_first_sentence(node)} |"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    return [f"### {name}", "", _first_sentence(tree), "", "| name | what |", "|---|---|", *rows, ""] if rows else []


def _signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    if isinstance(node, ast.ClassDef):
        return ""
    return f"({', '.join(a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))})"


def _first_sentence(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    text = inspect.cleandoc(ast.get_docstring(node) or "").split("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|")


def checks_page() -> str:
    """Return the page of all checks of the tables, and of what else is checked: code, severity, meaning and fix."""
    lines = [
        "# Checks",
        "",
        "`kso check` looks at the tables of a project, and at its footage where that is at hand. An **error** would",
        "make the store wrong and stops the import; a **warning** is suspicious or cannot be published; an **info** is",
        "only told. `--strict` takes warnings for errors. Where the data tell what is meant, the report says that in",
        "place of the advice below.",
        "",
        f"There are {len(list_checks())} checks. Codes are stable; those that GBIF has too bear GBIF's name.",
        "",
    ]
    for subject in RULEBOOK:
        rows = [(c.code, c.severity, c.meaning, c.fix) for c in list_checks() if c.find.__module__ == subject.__name__]
        lines += check_lines(_title(subject.__doc__), rows)
    lines += [
        "# Names of taxa",
        "",
        "`kso taxa` matches the species to the World Register of Marine Species and says what stands in the way.",
        "",
        *check_lines(
            "What the register says of a name",
            [(code, told.severity, told.meaning, told.fix) for code, told in VERDICTS.items()],
        ),
        "# Movies",
        "",
        "`kso movies check` looks whether movies are whole, with `--deep` by decoding all of them. A movie with an",
        "**error** is not joined, converted or added; a **warning** is suspicious; an **info** is only told.",
        "",
        "With `--deep`, the movies of a project are also compared with the sha256 that the store has had of them since",
        "they were added or taken in; that of a movie which has none, as in a bucket, is registered then. It is never",
        "written over, except for a movie that is named: `kso movies --replaced NAME`.",
        "",
        *check_lines(
            "What may be wrong with a movie",
            [(code, fault.severity, fault.meaning, fault.fix or "Nothing.") for code, fault in FAULTS.items()],
        ),
        "# Archives",
        "",
        "`kso check-archive` looks at a Darwin Core archive, and `kso publish darwincore` at the one that it wrote. An",
        "**error** is what GBIF or OBIS refuse, drop or get wrong; a **warning** is what they accept with a mark.",
        "",
        *check_lines("What may be wrong with an archive", [(code, *issue) for code, issue in ISSUES.items()]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def check_lines(title: str, rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Return a section of codes with their severity, meaning and fix, in the lines of a page."""
    lines = [f"## {title}", "", "| code | severity | meaning | what to do |", "|---|---|---|---|"]
    for code, severity, meaning, fix in rows:
        cells = (re.sub(r"([|<>*_])", r"\\\1", text) for text in (meaning, fix))
        lines.append(f"| `{code}` | {severity} | {' | '.join(cells)} |")
    return [*lines, ""]


def _title(docstring: str | None) -> str:
    return (docstring or "").split("\n")[0].rstrip(".")


def pages() -> dict[Path, str]:
    """Return every generated page."""
    texts = {"commands": commands_page(), "api": api_page(), "checks": checks_page()}
    return {ROOT / "docs" / f"{name}.md": text for name, text in texts.items()}


def main() -> int:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
