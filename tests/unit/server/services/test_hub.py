"""Whoever listens is woken, by any thread, and nobody once the server ends."""

import asyncio

from headrace.server.services.hub import Hub


def test_what_is_notified_before_the_wait_is_not_missed():
    async def scenario() -> None:
        hub = Hub()
        with hub.listen("work", "run:1") as signal:
            hub.notify("run:1")
            hub.notify("run:2")
            assert await signal.wait(5)
            assert not await signal.wait(0.01)
            await asyncio.to_thread(hub.notify, "work")
            assert await signal.wait(5)
        assert not await hub.wait("work", 0.01)

    asyncio.run(scenario())


def test_a_topic_may_be_named_twice():
    async def scenario() -> None:
        hub = Hub()
        with hub.listen("run:1", "run:1") as signal:
            hub.notify("run:1")
            assert await signal.wait(5)
        assert not await hub.wait("run:1", 0.01)

    asyncio.run(scenario())


def test_all_that_listen_are_woken_and_topics_go_on_to_others():
    async def scenario() -> None:
        hub = Hub()
        forwarded: list[str] = []
        hub.forward(forwarded.append)
        both = [asyncio.create_task(hub.wait("work", 5)) for _ in range(2)]
        await asyncio.sleep(0)
        hub.notify("work")
        assert await asyncio.gather(*both) == [True, True]
        hub.deliver("work")
        assert forwarded == ["work"]

    asyncio.run(scenario())


def test_nobody_waits_once_the_server_ends():
    async def scenario() -> None:
        hub = Hub()
        waits = asyncio.create_task(hub.wait("work", 60))
        await asyncio.sleep(0)
        hub.close()
        assert await asyncio.wait_for(waits, 5) is False
        assert await asyncio.wait_for(hub.wait("work", 60), 5) is False
        hub.notify("work")

    asyncio.run(scenario())
