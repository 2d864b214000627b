"""`python -m headrace.cli`: the command line where no program `headrace` is on the PATH."""

from __future__ import annotations

import sys

from headrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
