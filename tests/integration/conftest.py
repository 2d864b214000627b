"""The real servers that integration tests speak to, each started once, when it is first needed."""

from tests.integration.components.azure import azure_server
from tests.integration.components.gcs import gcs_server
from tests.integration.components.seaweedfs import s3_server

__all__ = ["azure_server", "gcs_server", "s3_server"]
