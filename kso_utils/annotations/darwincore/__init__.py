"""Darwin Core archives: what GBIF and OBIS take in."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.annotations.darwincore.checking import check as check
    from kso_utils.annotations.darwincore.dataset import Dataset as Dataset
    from kso_utils.annotations.darwincore.dataset import Person as Person
    from kso_utils.annotations.darwincore.writing import Published as Published
    from kso_utils.annotations.darwincore.writing import write as write

__all__ = ["Dataset", "Person", "Published", "check", "issues", "terms", "write"]

__getattr__, __dir__ = lazy(
    __name__,
    {"Dataset": "dataset", "Person": "dataset", "Published": "writing", "check": "checking", "write": "writing"},
    modules=("issues", "terms"),
)
