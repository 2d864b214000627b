"""The load generator, against a small server of its own."""

import asyncio
import json

import pytest

from benchmarks.load import Connection, Measured, drive, encode


async def answer(reader, writer):
    """Answer each request with what was asked, in pieces; hang up where that is asked for."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            _, path, _ = head.split(b"\r\n")[0].split()
            headers = dict(line.lower().split(b": ") for line in head.split(b"\r\n")[1:-2])
            body = await reader.readexactly(int(headers[b"content-length"]))
            if path == b"/away":
                return
            said = json.dumps({"path": path.decode(), "body": body.decode()}).encode()
            status = b"503 Busy" if path == b"/busy" else b"200 OK"
            whole = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said)
            if path == b"/silent":
                whole = b"HTTP/1.1 204 No Content\r\n\r\n"
            for at in range(0, len(whole), 50):
                writer.write(whole[at : at + 50])
                await asyncio.sleep(0)
    except asyncio.IncompleteReadError:
        pass  # the client has left
    finally:
        writer.close()
        await writer.wait_closed()


def served(use):
    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            return await use(url)
        finally:
            server.close()
            await asyncio.sleep(0.05)  # until the connections are closed too

    return asyncio.run(run())


def test_each_stream_is_sent_in_order_over_its_own_connection():
    seen = []
    streams = [[encode("POST", f"/{c}", b"%d" % n) for n in range(20)] for c in "ab"]
    measured = served(lambda url: drive(url, streams, lambda got: seen.append(json.loads(got))))
    for path in ("/a", "/b"):
        assert [each["body"] for each in seen if each["path"] == path] == [
            str(n) for n in range(20)
        ]
    assert measured.count == 40
    assert measured.statuses == {200: 40}
    assert measured.per_second > 0


def test_what_is_no_success_is_kept():
    measured = served(
        lambda url: drive(url, [[encode("GET", "/busy")] * 12, [encode("GET", "/silent")]])
    )
    assert measured.statuses == {503: 12, 204: 1}
    assert len(measured.problems) == 10


def test_a_server_that_hangs_up_is_an_error():
    async def use(url):
        connection = await Connection.open(url)
        with pytest.raises(ConnectionError):
            await connection.request(encode("GET", "/away"))
        with pytest.raises(ConnectionError, match="closed"):
            await connection.request(encode("GET", "/"))

    served(use)


def test_a_load_goes_on_when_it_is_hung_up_on():
    requests = [encode("GET", "/"), encode("GET", "/away"), encode("GET", "/")]
    measured = served(lambda url: drive(url, [requests]))
    assert measured.statuses == {200: 2, 0: 1}


def test_percentiles_go_by_the_nearest_rank():
    measured = Measured(latencies=[n / 100 for n in range(100, 0, -1)])
    assert measured.percentile(50) == 0.5
    assert measured.percentile(99) == 0.99
    assert measured.percentile(100) == 1.0
    assert Measured(latencies=[3.0]).percentile(50) == 3.0
