"""What the process of a flow run, its supervisor and its agent tell the server."""

from __future__ import annotations

from headrace.client.resource import Resource, path
from headrace.wire.claims import Activate, Activated, Deploying, Exited
from headrace.wire.events import EventAnswer, EventBatch, RawEventBatch


class Runs(Resource):
    """What belongs to one attempt of a flow run.

    Each takes `token`, the attempt's own; None for the client's key. A repeat changes nothing, so
    what got lost on its way is sent again by itself.
    """

    def activate(self, run_id: str, activate: Activate, token: str | None = None) -> Activated:
        """Ask to begin."""
        return self._transport.request(
            "POST",
            path("runs", run_id, "activate"),
            activate,
            Activated,
            token=token,
            repeatable=True,
        )

    def events(
        self,
        run_id: str,
        batch: EventBatch | RawEventBatch | bytes,
        token: str | None = None,
        *,
        wait: float = 0.0,
    ) -> EventAnswer:
        """Report events; none at all only renew the lease.

        Args:
            run_id: The flow run's id.
            batch: The events, or the JSON of an `EventBatch`.
            token: The attempt's token.
            wait: What the batch says as `wait`, if it is JSON already.
        """
        if not isinstance(batch, bytes):
            wait = batch.wait
        return self._transport.request(
            "POST",
            path("runs", run_id, "events"),
            batch,
            EventAnswer,
            token=token,
            wait=wait,
            repeatable=True,
        )

    def deploying(self, run_id: str, deploying: Deploying, token: str | None = None) -> EventAnswer:
        """Say that a deployment goes on; the claim is renewed."""
        return self._transport.request(
            "POST",
            path("runs", run_id, "deploying"),
            deploying,
            EventAnswer,
            token=token,
            repeatable=True,
        )

    def exited(self, run_id: str, exited: Exited, token: str | None = None) -> None:
        """Say how the process of an attempt ended."""
        self._transport.request(
            "POST", path("runs", run_id, "exited"), exited, token=token, repeatable=True
        )
