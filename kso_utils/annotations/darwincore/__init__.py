"""Darwin Core archives: what GBIF and OBIS take in."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.annotations.darwincore.checking import check as check

__all__ = ["check", "issues", "terms"]

__getattr__, __dir__ = lazy(__name__, {"check": "checking"}, modules=("issues", "terms"))
