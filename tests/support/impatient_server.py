"""`headrace server start` with short leases: `python impatient_server.py --lease 2 --port 4200 …`."""

from __future__ import annotations

import argparse
import datetime

from headrace.server.rules.ownership import Policy
from headrace.server.serving import serve
from headrace.server.settings import ServerSettings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--database-url")
    parser.add_argument("--lease", type=float)
    parser.add_argument("--back-off", type=float, default=5.0)
    given = parser.parse_args()
    lease = datetime.timedelta(seconds=given.lease)
    back_off = datetime.timedelta(seconds=given.back_off)
    serve(
        ServerSettings(
            host=given.host,
            port=given.port,
            database_url=given.database_url,
            policy=Policy(lease=lease, claim=2 * lease, back_off=back_off),
        ),
        lambda url, _parts: print("serving at", url, flush=True),
    )


if __name__ == "__main__":
    main()
