"""Storages against the contract; those of Git hosts run it in tests/integration."""

import sys

import pytest

from headrace.storage import Local, Module, Storage
from headrace.testing import StorageContract


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


class TestPickles(StorageContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda flows, **arguments: Local(directory=tmp_path / "flows", **arguments)


class TestAPickleAtAPath(StorageContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda flows, **arguments: Local(path=tmp_path / "own" / "flow.pickle", **arguments)


class TestAPythonFile(StorageContract):
    @pytest.fixture
    def make(self, tmp_path):
        def _make(flows, **arguments):
            file = tmp_path / "flows.py"
            file.write_text(self.code_of(flows))
            return Local(path=file, stored_as_script=True, **arguments)

        return _make


class TestAModule(StorageContract):
    @pytest.fixture
    def make(self, tmp_path, request):
        name = f"module_of_{abs(hash(request.node.nodeid))}"
        sys.path.insert(0, str(tmp_path))

        def _make(flows, **arguments):
            (tmp_path / f"{name}.py").write_text(self.code_of(flows))
            return Module(name, **arguments)

        return _make


class TestAModuleByItsPath(TestAModule):
    @pytest.fixture
    def make(self, tmp_path, request):
        name = f"module_by_path_{abs(hash(request.node.nodeid))}"
        sys.path.insert(0, str(tmp_path))

        def _make(flows, **arguments):
            (tmp_path / f"{name}.py").write_text(self.code_of(flows))
            return Local(path=name, stored_as_script=True, **arguments)

        return _make


class Memory(Storage):
    """One that somebody else has written: code in a dict."""

    described = ("place",)
    places = {}

    def __init__(self, place, **arguments):
        super().__init__(**arguments)
        self.place = place

    def add_flow(self, flow):
        self.check_name(flow)
        return self.keep(flow, self.place)

    def get_flow(self, flow_name):
        from headrace.loading import extract_flow_from_file

        code = self.places[self.location_of(flow_name)]
        return extract_flow_from_file(file_contents=code, flow_name=flow_name)


class TestAStorageOfSomebodyElse(StorageContract):
    @pytest.fixture
    def make(self, monkeypatch):
        # It is found by name, as one in a package is.
        monkeypatch.setitem(sys.modules, Memory.__module__, sys.modules[__name__])

        def _make(flows, **arguments):
            Memory.places["here"] = self.code_of(flows)
            return Memory("here", **arguments)

        return _make
