"""The `kso` command: the steps of the road from a terminal."""

from typing import TYPE_CHECKING

from kso_utils.core.lazy import lazy

if TYPE_CHECKING:
    from kso_utils.cli.terminal import COMMANDS as COMMANDS
    from kso_utils.cli.terminal import build_parser as build_parser
    from kso_utils.cli.terminal import main as main

__all__ = ["COMMANDS", "build_parser", "main"]

__getattr__, __dir__ = lazy(__name__, {"COMMANDS": "terminal", "build_parser": "terminal", "main": "terminal"})
