"""One server and one agent for the tests of a file, on SQLite, then on PostgreSQL; leases are short."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.quick import QuickPlace
from tests.support.place import running_place

#: Seconds that a process owns its run without a word.
LEASE = 2.0
#: The same on a bad network. A claim is good for twice as long, which has to be longer than the 5 s in
#: which a server expects to be asked again.
LEASE_ON_A_BAD_NETWORK = 4.0


@pytest.fixture(scope="module")
def whole(
    request: pytest.FixtureRequest,
    shared_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[QuickPlace]:
    folder = tmp_path_factory.mktemp("chaos")
    bad_network: bool = getattr(request.module, "BAD_NETWORK", False)
    lease = LEASE_ON_A_BAD_NETWORK if bad_network else LEASE
    with running_place(
        folder,
        shared_database_url,
        lease=lease,
        back_off=0.1,
        bad_network=bad_network,
        kind=QuickPlace,
    ) as place:
        place.database_url = shared_database_url
        yield place


@pytest.fixture
def place(whole: QuickPlace) -> Iterator[QuickPlace]:
    for file in whole.marks.iterdir():
        file.unlink()
    yield whole
    # Whatever a test did, the next finds all of it at work.
    if whole.network is not None:
        whole.network.away = False
        whole.network.plan.odds = {}
    if whole.server.process_id is None:
        whole.server.start()
    if not whole.agent.is_running:
        whole.agent.start()
