"""Which names of variables look as if a secret were in them."""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(r"token|secret|passw|api_?key|access_?key|credential", re.IGNORECASE)


def looks_secret(name: object) -> bool:
    """Tell whether a variable of this name seems to hold a secret."""
    return _SECRET.search(str(name)) is not None
