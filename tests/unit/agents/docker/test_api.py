"""An engine that does not answer."""

import socket
import time

import pytest

from headrace.agents.docker.api import DockerApi, EngineAway


def test_an_engine_that_says_nothing_is_away_after_the_time_that_it_may_take():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        api = DockerApi(f"tcp://127.0.0.1:{port}", timeout=0.3)
        began = time.monotonic()
        with pytest.raises(EngineAway, match=f"127.0.0.1:{port} does not answer"):
            api.inspect("any")
        took = time.monotonic() - began
        api.close()
    assert 0.25 < took < 5
