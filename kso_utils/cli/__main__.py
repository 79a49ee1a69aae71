"""`python -m kso_utils.cli` is the `kso` command."""

import sys

from kso_utils.cli.terminal import main

if __name__ == "__main__":
    sys.exit(main())
