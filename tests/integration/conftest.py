"""The real servers that integration tests speak to, each started once, when it is first needed."""

import shutil

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

#: kubectl is a second witness of what the fake cluster answers. No package of Debian's is as new as the
#: cluster, and the tests by Kubernetes' own Python client show the same, and run everywhere.
collect_ignore = [] if shutil.which("kubectl") else ["components/test_kubernetes_kubectl.py"]


def pytest_report_header() -> str:
    found = "kubectl asks the fake cluster, too" if not collect_ignore else "there is no kubectl"
    return f"headrace: {found}"
