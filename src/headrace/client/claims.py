"""How an agent asks for flow runs."""

from __future__ import annotations

from headrace.client.resource import Resource
from headrace.wire.claims import Claim, Claimed


class Claims(Resource):
    """What an agent asks for."""

    def claim(self, claim: Claim) -> Claimed:
        """Ask for flow runs to deploy; the answer is held back for up to `claim.wait` seconds.

        It is not repeated by itself: an answer that is lost on its way has given runs away, and
        they come back when nobody activates them within their lease.
        """
        return self._transport.request("POST", "/claims", claim, Claimed, wait=claim.wait)
