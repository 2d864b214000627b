"""The Git hosts that storages read files from, each as a fake of its API and the storage for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.storage import Bitbucket, CodeCommit, GitHub, GitLab, Storage
from tests.integration.components.bitbucket_api import USER, BitbucketCloudApi, BitbucketServerApi
from tests.integration.components.code_host import TOKEN, CodeHost, serving_code
from tests.integration.components.codecommit import KEY, SECRET, CodeCommitApi
from tests.integration.components.github_api import GitHubApi
from tests.integration.components.gitlab_api import GitLabApi

PATH = "flows/nightly.py"


@dataclass(frozen=True)
class Kind:
    """A host, and how a storage reaches it.

    Attributes:
        api: Makes the fake.
        storage: Makes the storage: for a fake's address, a repository's name, and more arguments.
        repo: The repository that is meant where a test says nothing.
        tokens: By argument, the name of a secret; what is in each is in `secrets`.
        secrets: The secrets that open the repository.
        defaults: The secrets that open it where none is named.
        ref: The argument that has the ref.
    """

    api: Callable[[Path], CodeHost]
    storage: Callable[..., Storage]
    tokens: dict[str, str]
    secrets: dict[str, Any]
    defaults: dict[str, Any]
    repo: str = "company/flows"
    ref: str = "ref"


def _github(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    return GitHub(repo, path, base_url=url, **arguments)


def _enterprise(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    return GitHub(repo, path, base_url=f"{url}/api/v3", **arguments)


def _gitlab(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    return GitLab(repo, host=url, path=path, **arguments)


def _cloud(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    workspace, name = repo.split("/")
    return Bitbucket("P", name, workspace=workspace, host=url, path=path, **arguments)


def _server(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    project, name = repo.split("/")
    return Bitbucket(project, name, host=url, path=path, **arguments)


def _codecommit(url: str, repo: str, path: str = PATH, **arguments: Any) -> Storage:
    options = {"region_name": CodeCommitApi.region, "endpoint_url": url}
    return CodeCommit(repo, path, client_options=options, **arguments)


_ACCESS = {"access_token_secret": "OWN"}
_AWS = {"AWS_CREDENTIALS": {"ACCESS_KEY": KEY, "SECRET_ACCESS_KEY": SECRET}}
KINDS = {
    "github": Kind(GitHubApi, _github, _ACCESS, {"OWN": TOKEN}, {"GITHUB_ACCESS_TOKEN": TOKEN}),
    "github-enterprise": Kind(
        lambda root: GitHubApi(root, "/api/v3"),
        _enterprise,
        _ACCESS,
        {"OWN": TOKEN},
        {"GITHUB_ACCESS_TOKEN": TOKEN},
    ),
    "gitlab": Kind(
        GitLabApi,
        _gitlab,
        _ACCESS,
        {"OWN": TOKEN},
        {"GITLAB_ACCESS_TOKEN": TOKEN},
        repo="company/team/flows",
    ),
    "bitbucket-cloud": Kind(
        BitbucketCloudApi,
        _cloud,
        {"cloud_username_secret": "USER", "cloud_app_password_secret": "OWN"},
        {"USER": USER, "OWN": TOKEN},
        {"BITBUCKET_CLOUD_USERNAME": USER, "BITBUCKET_CLOUD_APP_PASSWORD": TOKEN},
    ),
    "bitbucket-server": Kind(
        BitbucketServerApi, _server, _ACCESS, {"OWN": TOKEN}, {"BITBUCKET_ACCESS_TOKEN": TOKEN}
    ),
    "codecommit": Kind(
        CodeCommitApi, _codecommit, {}, _AWS, _AWS, repo="company-flows", ref="commit"
    ),
}


@dataclass
class Place:
    """A host while it runs, with one repository."""

    kind: Kind
    api: CodeHost

    def storage(self, repo: str | None = None, ref: str | None = None, **arguments: Any) -> Any:
        """Make a storage; nothing is asked yet."""
        if ref is not None:
            arguments[self.kind.ref] = ref
        return self.kind.storage(self.api.url, repo or self.kind.repo, **arguments)


@contextmanager
def code_host(name: str, root: Path, context: Any = None) -> Iterator[Place]:
    """Run the fake of a host; with an SSL context over https."""
    kind = KINDS[name]
    api = kind.api(root)
    with serving_code(api, context):
        yield Place(kind, api)


def variables(secrets: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables that hold secrets."""
    return {
        f"HEADRACE__CONTEXT__SECRETS__{name}": value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in secrets.items()
    }
