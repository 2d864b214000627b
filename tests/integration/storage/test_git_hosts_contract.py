"""Storages of Git hosts against the contract."""

import pytest

from headrace import context
from headrace.testing import StorageContract
from tests.support.code_hosts import KINDS, code_host


class TestGitHosts(StorageContract):
    @pytest.fixture(params=[name for name in KINDS if name != "github-enterprise"])
    def make(self, request, tmp_path, monkeypatch):
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        with code_host(request.param, tmp_path) as place, context(secrets=place.kind.defaults):
            repository = place.api.repository(place.kind.repo)

            def _make(flows, **arguments):
                repository.push({"flows/nightly.py": self.code_of(flows)})
                return place.storage(**arguments)

            yield _make
