"""Loggers that stay silent until the user asks for them."""

from __future__ import annotations

import logging


def logger(name: str) -> logging.Logger:
    """Return the logger of a module (`logger(__name__)`).

    The library adds no handler but a null one and never touches the root logger; `kso --verbose` or
    `logging.basicConfig()` in a notebook makes it speak.
    """
    logging.getLogger("kso_utils").addHandler(_NULL)
    return logging.getLogger(name)


_NULL = logging.NullHandler()
