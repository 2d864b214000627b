"""Git storage against the contract."""

import sys

import pytest

from headrace.storage import Git
from headrace.testing import StorageContract
from tests.support.git_server import git_host


class TestGit(StorageContract):
    @pytest.fixture
    def make(self, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "path", list(sys.path))
        with git_host(tmp_path) as host:
            repository = host.repository()

            def _make(flows, **arguments):
                repository.push({"flow.py": self.code_of(flows)})
                return Git("flow.py", "company/flows", repo_host=host.url, **arguments)

            yield _make
