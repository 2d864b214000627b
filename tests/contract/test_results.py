"""Local results against the contract; those of clouds run it in tests/integration."""

import os

import pytest

from headrace.results import LocalResult
from headrace.testing.result_contract import ResultContract


class TestLocalResult(ResultContract):
    @pytest.fixture
    def result(self, tmp_path):
        return LocalResult(dir=tmp_path / "results")


class TestLocalResultWhoseDirectoryComesLater(ResultContract):
    @pytest.fixture
    def result(self, tmp_path):
        return LocalResult(dir=tmp_path / "later" / "still", validate_dir=False)


class TestLocalResultBelowTheWorkingDirectory(ResultContract):
    @pytest.fixture
    def result(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return LocalResult(dir=os.path.join("some", "where"), validate_dir=False)


class TestLocalResultWithAnAbsoluteLocation(ResultContract):
    @pytest.fixture
    def result(self, tmp_path):
        return LocalResult(dir=tmp_path / "results")

    @pytest.fixture
    def prefix(self, tmp_path):
        return str(tmp_path / "elsewhere")
