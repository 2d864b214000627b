import pytest

from headrace.config import set_temporary_config
from headrace.core.errors import LoadError, StorageError
from headrace.flow import Flow
from headrace.storage import (
    Local,
    Module,
    Storage,
    get_default_storage_class,
    storage_from,
)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (None, "no description of a storage"),
        ({}, "no description"),
        ({"type": "Floppy", "flows": {}}, "no storage 'Floppy' in this version"),
        ({"type": "no.such:Kind"}, "cannot be imported"),
        ({"type": "headrace.flow:Flow"}, "is no storage"),
        ({"type": "headrace.storage:Nothing"}, "cannot be imported"),
        ({"type": "Module", "labels": []}, "another version"),
    ],
)
def test_what_is_no_description(description, words):
    with pytest.raises(StorageError, match=words):
        storage_from(description)


def test_the_default():
    assert get_default_storage_class() is Local
    for path in ("headrace.storage.Module", "prefect.storage.Module"):
        with set_temporary_config({"flows.defaults.storage.default_class": path}):
            assert get_default_storage_class() is Module
    with set_temporary_config({"flows.defaults.storage.default_class": "headrace.storage.Nope"}):
        with pytest.raises(StorageError, match="default_class"):
            get_default_storage_class()


@pytest.mark.parametrize("name", ["", "__main__", "<file>", "1x"])
def test_modules_that_cannot_be_imported(name):
    with pytest.raises(StorageError, match="Module storage"):
        Module(name)


def test_a_module_that_is_not_there():
    storage = Module("no_such.module_here")
    storage.add_flow(Flow("a"))
    with pytest.raises(LoadError, match="no module 'no_such'"):
        storage.get_flow("a")


def test_a_kind_that_says_nothing():
    class Nothing(Storage):
        pass

    class Keeping(Storage):
        def add_flow(self, flow):
            return self.keep(flow, "here")

    with pytest.raises(TypeError, match="abstract class Nothing .*add_flow"):
        Nothing()
    with pytest.raises(NotImplementedError, match="Keeping does not define `get_flow`"):
        Keeping().get_flow("a")


def test_what_is_no_json():
    class Odd(Storage):
        described = ("odd",)
        odd = object()

        def add_flow(self, flow):
            return self.keep(flow, "here")

    with pytest.raises(StorageError, match="no JSON"):
        Odd().serialize()


def test_flows_of_prefect_1_are_prepared_for(tmp_path):
    """A run's process, which knows nothing, loads a file that imports `prefect`."""
    import subprocess
    import sys

    file = tmp_path / "old.py"
    file.write_text("import prefect\nwith prefect.Flow('old') as flow: pass\n")
    registering = f"""
import json
from headrace.compat.prefect import install
install()
from headrace.registration.sources import flows_of, sources_of
(source,) = sources_of([{str(file)!r}])
with flows_of(source) as (flow,):
    flow.storage.add_flow(flow)
    print(json.dumps(flow.storage.serialize()))
"""
    running = """
import json, sys
from headrace.storage import storage_from
print(storage_from(json.loads(sys.argv[1])).get_flow("old").name)
"""

    def python(program, *arguments):
        return subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        ).stdout

    assert python(running, python(registering)).strip() == "old"
