"""What programs ask a server by: `Client`.

One transport, and one file for each kind of thing that can be asked about. It needs urllib3 and
msgspec and nothing else: the supervisor of every flow run holds one.
"""

from __future__ import annotations

from headrace.client.client import Client

__all__ = ["Client"]
