"""From underwater footage to biological information.

The public names load on first use, so `import kso_utils` costs nothing.
"""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy
from kso_utils.version import __version__

if TYPE_CHECKING:
    from kso_utils.project.opening import Project as Project
    from kso_utils.store.engine import open_store as open_store

__all__ = ["Project", "__version__", "open_store"]

__getattr__, __dir__ = lazy(
    __name__,
    {"Project": "project.opening", "open_store": "store.engine"},
    modules=("annotations", "consensus", "media", "metadata", "ml", "project", "store", "testing", "ui", "zooniverse"),
)
