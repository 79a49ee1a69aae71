"""Movies in, frames and clips out."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.media.encoding import write_movie as write_movie

__all__ = ["write_movie"]

__getattr__, __dir__ = lazy(__name__, {"write_movie": "encoding"})
