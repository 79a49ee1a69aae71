"""Findings about data, gathered into a report that a person can act on."""

from __future__ import annotations

import csv
import html
import io
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kso_utils.core.errors import MetadataError
from kso_utils.core.paths import write_atomic
from kso_utils.core.spreadsheets import defuse_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was noticed.

    Attributes
    ----------
    table
        The table, file or step that it is about (`movies`, `sites`, a file name).
    row
        The line as a person counts it in a spreadsheet: the header is line 1, the first record line 2. None where it
        concerns the whole table.
    column
        The column, or None.
    code
        A stable code in capitals, GBIF's issue name where one exists (`ZERO_COORDINATE`).
    severity
        `error` stops the step, `warning` does not, `info` is only told.
    value
        The offending value as text.
    message
        What is wrong, in one sentence.
    fix
        What to do about it, in one sentence.
    """

    table: str
    row: int | None
    column: str | None
    code: str
    severity: Severity
    value: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """Return the finding as one line of plain text."""
        place = self.table
        if self.row is not None:
            place += f" line {self.row}"
        if self.column:
            place += f", {self.column}"
        fix = f" {self.fix}" if self.fix else ""
        return f"{self.severity.upper()} {self.code} [{place}] {self.message}{fix}"


@dataclass(slots=True)
class Report:
    """A list of findings about one subject.

    Attributes
    ----------
    title
        What was looked at.
    findings
        The findings, in the order in which they were made.
    """

    title: str
    findings: list[Finding] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over the findings."""
        return iter(self.findings)

    def __str__(self) -> str:
        """Return the report as plain text, worst findings first."""
        lines = [f"{self.title}: {self.summary()}"]
        lines += [str(f) for severity in SEVERITIES for f in self.findings if f.severity == severity]
        return "\n".join(lines)

    def brief(self, each: int = 3) -> str:
        """Return the report as plain text, with at most `each` findings of one code and column written out."""
        lines = [f"{self.title}: {self.summary()}"]
        for severity in SEVERITIES:
            alike: dict[tuple[str, str | None, str], list[Finding]] = {}
            for finding in self.findings:
                if finding.severity == severity:
                    alike.setdefault((finding.table, finding.column, finding.code), []).append(finding)
            for (table, column, code), found in alike.items():
                lines += map(str, found[:each])
                if len(found) > each:
                    place = f"{table}, {column}" if column else table
                    lines.append(f"{severity.upper()} {code} [{place}] and {len(found) - each} more of this kind.")
        return "\n".join(lines)

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return not any(f.severity == "error" for f in self.findings)

    def add(self, finding: Finding) -> None:
        """Add one finding."""
        self.findings.append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add several findings."""
        self.findings.extend(findings)

    def strict(self) -> Report:
        """Return the same findings, with every warning made an error."""
        return Report(self.title, [replace(f, severity="error") if f.severity == "warning" else f for f in self])

    def codes(self) -> Counter[str]:
        """Return how often each code occurs."""
        return Counter(f.code for f in self.findings)

    def summary(self) -> str:
        """Return a sentence that counts the findings, `no findings` where there are none."""
        counts = Counter(f.severity for f in self.findings)
        parts = [f"{counts[s]} {s if counts[s] == 1 or s == 'info' else s + 's'}" for s in SEVERITIES if counts[s]]
        return ", ".join(parts) if parts else "no findings"

    def rows(self) -> list[dict[str, object]]:
        """Return the findings as plain dictionaries, one a finding, keyed by the fields of `Finding`."""
        return [asdict(f) for f in self.findings]

    def raise_if_errors(self) -> None:
        """Raise if there is an error among the findings.

        Raises
        ------
        MetadataError
            With the first errors in its message and this report in its attribute `report`.
        """
        errors = [f for f in self.findings if f.severity == "error"]
        if not errors:
            return
        shown = "\n".join(f"  {f}" for f in errors[:5])
        more = f"\n  and {len(errors) - 5} more" if len(errors) > 5 else ""
        raise MetadataError(f"{self.title}: {self.summary()}\n{shown}{more}", self)

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the findings as CSV text, and write it to `path` if one is given.

        Text that a spreadsheet would take for a formula is prefixed with an apostrophe.
        """
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, [f.name for f in fields(Finding)], lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow({k: defuse_cell(v) for k, v in row.items()})
        text = buffer.getvalue()
        if path is not None:
            with write_atomic(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return text

    def to_html(self) -> str:
        """Return the findings as an HTML table (a fragment, every value escaped)."""
        head = "".join(f"<th>{h}</th>" for h in ("Severity", "Where", "What", "What to do", "Code"))
        body = "".join(_html_row(f) for severity in SEVERITIES for f in self.findings if f.severity == severity)
        if not body:
            return f'<p class="findings-none">{html.escape(self.title)}: no findings.</p>'
        return f'<table class="findings"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    def _repr_html_(self) -> str:
        """Show the report as a table in a notebook."""
        return self.to_html()


def _html_row(finding: Finding) -> str:
    where = finding.table
    if finding.row is not None:
        where += f", line {finding.row}"
    if finding.column:
        where += f", {finding.column}"
    cells = (finding.severity, where, finding.message, finding.fix, finding.code)
    return f'<tr class="{finding.severity}">' + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"
