"""One project, and one function for each step of the road."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.project.opening import Project as Project
    from kso_utils.project.settings import Settings as Settings

__getattr__, __dir__ = lazy(
    __name__, {"Project": "opening", "Settings": "settings"}, modules=("opening", "settings", "steps")
)
