"""ECS, as MiniStack plays it: its tasks are real containers of the Docker engine of the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.integration.components.docker_engine import DockerEngine
from tests.integration.components.server import answers, could_not_run, free_ports, serving

if TYPE_CHECKING:
    from docker.models.containers import Container


class MiniStack(NamedTuple):
    """AWS, as far as MiniStack plays it, and the engine that its tasks run in."""

    url: str
    engine: DockerEngine
    region: str = "eu-central-1"
    cluster: str = "flows"

    @property
    def env(self) -> dict[str, str]:
        """What boto3 has to have in its environment to speak to it."""
        return aws_environment(self.url, self.region)

    def client(self, service: str) -> Any:
        """Return a client of boto3 for one of its services."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def container_of(self, task_arn: str, name: str = "flow") -> Container | None:
        """Return the container of a task, if it is still there."""
        labels = [
            f"com.amazonaws.ecs.task-arn={task_arn}",
            f"com.amazonaws.ecs.container-name={name}",
        ]
        found = self.engine.client.containers.list(
            all=True, filters={"label": labels}, ignore_removed=True
        )
        return found[0] if found else None


def aws_environment(url: str, region: str) -> dict[str, str]:
    """Return what boto3 has to have in its environment to speak to an AWS of tests, and to no other."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }


@pytest.fixture(scope="session")
def ministack(
    docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MiniStack]:
    """MiniStack, with a cluster `flows` and a bucket `flows`."""
    program = Path(sys.executable).with_name("ministack")
    if not program.exists():
        could_not_run("the package ministack is not installed")
    home = tmp_path_factory.mktemp("ministack")
    (port,) = free_ports(1)
    found = MiniStack(f"http://127.0.0.1:{port}", docker_engine)
    env = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "DOCKER_HOST": docker_engine.url,
        "MINISTACK_REGION": found.region,
        "HOME": str(home),
        "TMPDIR": str(home),
    }
    with serving([program], lambda: answers(f"{found.url}/_ministack/health"), home / "log", env):
        ecs = found.client("ecs")
        ecs.create_cluster(clusterName=found.cluster)
        ecs.close()
        s3 = found.client("s3")
        s3.create_bucket(
            Bucket="flows", CreateBucketConfiguration={"LocationConstraint": found.region}
        )
        s3.close()
        yield found
