"""What a person looks at: the report of a project as one page."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.ui.report import Figure as Figure
    from kso_utils.ui.report import Picture as Picture
    from kso_utils.ui.report import ReportContent as ReportContent
    from kso_utils.ui.report import write_report as write_report

__all__ = ["Figure", "Picture", "ReportContent", "write_report"]

__getattr__, __dir__ = lazy(
    __name__, {"Figure": "report", "Picture": "report", "ReportContent": "report", "write_report": "report"}
)
