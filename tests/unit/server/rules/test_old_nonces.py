"""What calls itself as an earlier process did is not taken for it."""

import datetime

from headrace.server.rules.ownership import (
    Batch,
    Ownership,
    Refused,
    Why,
    activate,
    claim,
    restart,
    write,
)

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def test_an_attempt_that_has_not_begun_has_stored_nothing():
    own, _ = claim(Ownership(start_time=NOW), "agent", NOW)
    own, _ = activate(own, 1, "nonce", NOW)
    own, _ = write(own, 1, "nonce", Batch(first=1, count=2, ending="Failed"), NOW)
    own, _ = restart(own, "Again.", NOW)
    own, _ = claim(own, "agent", NOW)
    again = Batch(first=1, count=1)
    assert write(own, 2, "nonce", again, NOW)[1] == Refused(Why.SUPERSEDED)
    assert write(own, 1, "nonce", again, NOW)[1] == Refused(Why.SUPERSEDED)
