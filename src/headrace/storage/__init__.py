"""Storages: where the code of flows is, so that a run elsewhere can load it.

`flow.run()` does not look at them. Registration puts the flow into its storage and tells the server
where it is; a run loads it from there.
"""

from headrace.storage.azure import Azure as Azure
from headrace.storage.base import Storage as Storage
from headrace.storage.bitbucket import Bitbucket as Bitbucket
from headrace.storage.codecommit import CodeCommit as CodeCommit
from headrace.storage.docker import Docker as Docker
from headrace.storage.gcs import GCS as GCS
from headrace.storage.git import Git as Git
from headrace.storage.github import GitHub as GitHub
from headrace.storage.gitlab import GitLab as GitLab
from headrace.storage.local import Local as Local
from headrace.storage.module import Module as Module
from headrace.storage.rebuilding import get_default_storage_class as get_default_storage_class
from headrace.storage.rebuilding import storage_from as storage_from
from headrace.storage.s3 import S3 as S3
from headrace.storage.webhook import Webhook as Webhook
