"""The real servers that integration tests speak to, each started once, when it is first needed."""

from tests.integration.components.azure import azure_server
from tests.integration.components.base_image import headrace_image, python_image
from tests.integration.components.docker_engine import docker_engine
from tests.integration.components.ecs import ministack
from tests.integration.components.gcs import gcs_server
from tests.integration.components.kubernetes.fixture import kubernetes_api, kubernetes_cluster
from tests.integration.components.registry import registry
from tests.integration.components.seaweedfs import s3_server

__all__ = [
    "azure_server",
    "docker_engine",
    "gcs_server",
    "headrace_image",
    "kubernetes_api",
    "kubernetes_cluster",
    "ministack",
    "python_image",
    "registry",
    "s3_server",
]
