import os
import pickle
import subprocess
import sys
import textwrap
import warnings

import pytest

from headrace.core.errors import FileOfFlowsNotFound, LoadError
from headrace.flow import Flow
from headrace.loading import (
    choose,
    extract_flow_from_file,
    extract_flow_from_module,
    flows_in_file,
    flows_in_module,
)

ONE = """
from headrace.core.function_task import task
from headrace.flow import Flow

@task
def one():
    return 1

with Flow("one") as flow:
    one()
"""

TWO = ONE + "with Flow('two') as other:\n    one()\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file and returns its path; what loading does to `sys.path` is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def _write(code: str, name: str = "etl.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(code))
        return path

    return _write


def test_a_file_with_one_flow(write):
    flow = extract_flow_from_file(write(ONE))
    assert flow.name == "one"
    assert isinstance(flow, Flow)
    assert [task.name for task in flow.tasks] == ["one"]


def test_the_first_flow_is_taken_or_the_one_named(write):
    path = write(TWO)
    assert extract_flow_from_file(str(path)).name == "one"
    assert extract_flow_from_file(str(path), flow_name="two").name == "two"
    assert list(flows_in_file(path)) == ["one", "two"]


def test_contents(write):
    assert extract_flow_from_file(file_contents=TWO).name == "one"
    assert extract_flow_from_file(file_contents=TWO.encode(), flow_name="two").name == "two"


@pytest.mark.parametrize("given", [{}, {"file_path": "a.py", "file_contents": ""}])
def test_either_file_or_contents(given):
    with pytest.raises(LoadError, match="either file_path or file_contents"):
        extract_flow_from_file(**given)


def test_contents_that_are_no_text():
    with pytest.raises(LoadError, match="string or bytes, not 3"):
        extract_flow_from_file(file_contents=3)


def test_no_such_file(tmp_path):
    with pytest.raises(FileOfFlowsNotFound, match="There is no file .*nowhere.py"):
        extract_flow_from_file(tmp_path / "nowhere.py")
    assert issubclass(FileOfFlowsNotFound, FileNotFoundError)


def test_a_folder(tmp_path):
    with pytest.raises(LoadError, match="cannot be read: Is a directory"):
        extract_flow_from_file(tmp_path)


def test_no_flow(write):
    with pytest.raises(LoadError, match=r"no flow in .*etl.py.*top level.*with Flow"):
        extract_flow_from_file(write("x = 1\n"))


def test_an_unknown_name_lists_those_there_are(write):
    with pytest.raises(LoadError, match="no flow 'three' in .*etl.py. Flows there: 'one', 'two'"):
        extract_flow_from_file(write(TWO), flow_name="three")


def test_several_and_no_name(write):
    with pytest.raises(LoadError, match="There are 2 flows in etl.py; name one .*'one', 'two'"):
        choose(flows_in_file(write(TWO)), None, "etl.py")


def test_an_error_of_the_file_is_its_own(write):
    with pytest.raises(ZeroDivisionError) as caught:
        extract_flow_from_file(write("def f():\n    1 / 0\nf()\n"))
    assert [entry.path.name for entry in caught.traceback][-2:] == ["etl.py", "etl.py"]
    assert caught.traceback[-1].lineno + 1 == 2


def test_a_syntax_error_names_the_file_and_line(write):
    path = write("x = 1\ny = = 2\n")
    with pytest.raises(SyntaxError) as caught:
        extract_flow_from_file(path)
    assert (caught.value.filename, caught.value.lineno) == (str(path), 2)


def test_what_is_no_text_at_all(tmp_path):
    path = tmp_path / "flow.headrace"
    path.write_bytes(b"\x80\x05\x00\x00")
    with pytest.raises((LoadError, SyntaxError)):
        extract_flow_from_file(path)


def test_a_file_that_ends_the_process(write):
    with pytest.raises(LoadError, match=r"ended the process.*sys.exit\(3\).*__name__"):
        extract_flow_from_file(write("import sys\nsys.exit(3)\n"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be copied here")
@pytest.mark.parametrize("end", ["", "if not child: sys.exit(3)\n", "if not child: 1 / 0\n"])
@pytest.mark.parametrize("load", ["flows_in_file(sys.argv[1])", "flows_in_module('etl')"])
def test_a_process_that_a_file_forks_ends_with_the_file(write, end, load):
    path = write(f"import os, sys\nchild = os.fork()\n{end}{ONE}if child: os.wait()\n")
    program = f"import sys; from headrace.loading import *; print(list({load}))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['one']\n"
    assert ("ZeroDivisionError" in done.stderr) == ("1 / 0" in end)


def test_a_file_knows_where_it_is_and_finds_what_is_beside_it(write):
    write("NAME = 'beside'\n", "beside_the_flow.py")
    path = write(
        """
        import os
        from headrace.flow import Flow
        from beside_the_flow import NAME
        flow = Flow(NAME)
        here = os.path.abspath(__file__)
        assert os.path.basename(here) == "etl.py"
        assert __name__ == "<etl>"
        """
    )
    assert extract_flow_from_file(path).name == "beside"
    assert sys.path[0] == str(path.parent)
    assert sys.modules.pop("beside_the_flow").NAME == "beside"


def test_loading_twice_adds_the_folder_once(write):
    path = write(ONE)
    extract_flow_from_file(path)
    extract_flow_from_file(path)
    assert sys.path.count(str(path.parent)) == 1


def test_what_is_below_the_main_guard_is_not_run(write):
    assert extract_flow_from_file(write(ONE + "if __name__ == '__main__':\n    1 / 0\n"))


@pytest.mark.parametrize("call", ["run", "register"])
def test_a_stray_call_warns_and_does_nothing(write, call):
    path = write(ONE + f"state = flow.{call}()\n")
    with pytest.warns(UserWarning, match=f"flow.{call}") as warned:
        extract_flow_from_file(path)
    assert [warning.filename for warning in warned] == [str(path)]


def test_a_stray_run_gives_a_state(write):
    path = write(ONE + "state = flow.run()\nassert state.is_pending(), state\n")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert extract_flow_from_file(path)


def test_a_dataclass_with_annotations_as_strings(write):
    code = """
    from __future__ import annotations
    from dataclasses import InitVar, dataclass
    from typing import ClassVar
    from headrace.flow import Flow

    @dataclass
    class Row:
        kind: ClassVar[str]
        x: int
        y: InitVar[int] = 0

    flow = Flow(f"rows-{Row(1).x}")
    """
    assert extract_flow_from_file(write(code)).name == "rows-1"
    assert "<etl>" not in sys.modules


def test_the_loader_gives_a_file_no_imports_of_its_own(write):
    code = "from headrace.flow import Flow\ndef f(x: 1 + 1): ...\nflow = Flow(str(f.__annotations__['x']))"
    assert extract_flow_from_file(write(code)).name == "2"


def test_functions_of_a_file_travel_whole(write):
    cloudpickle = pytest.importorskip("cloudpickle")
    flow = extract_flow_from_file(write(ONE))
    twin = pickle.loads(cloudpickle.dumps(flow))
    (task,) = twin.tasks
    assert task.run() == 1


# -- modules ---------------------------------------------------------------------------------


@pytest.fixture
def package(write, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    write("", "pack/__init__.py")
    write(ONE, "pack/one.py")
    write(TWO, "pack/two.py")
    write("x = 3\n", "pack/none.py")
    write("import pack.missing\n", "pack/broken.py")
    write("raise SystemExit\n", "pack/ends.py")
    write(ONE + "def make():\n    return Flow('made')\n", "pack/makes.py")
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "flow_name", "found"),
    [
        ("pack.one", None, "one"),
        ("pack.one", "one", "one"),
        ("pack.two", "two", "two"),
        ("pack.two:other", None, "two"),
        ("pack.makes:make", None, "made"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_module(name, flow_name, found):
    assert extract_flow_from_module(name, flow_name).name == found


@pytest.mark.parametrize(
    ("name", "flow_name", "message"),
    [
        ("pack.two", None, "There are 2 flows in pack.two; name one of them: 'one', 'two'"),
        ("pack.two", "three", "no flow 'three' in pack.two. Flows there: 'one', 'two'"),
        ("pack.one:flow", "two", "no flow 'two' in pack.one:flow. Flows there: 'one'"),
        ("pack.none", None, "no flow in pack.none"),
        ("pack.none:x", None, "'pack.none:x' names is no flow, but 3"),
        ("pack.none:y.z", None, "no 'y' in <module"),
        ("pack.gone", None, "no module 'pack.gone'"),
        ("nowhere_at_all", None, "no module 'nowhere_at_all'"),
        ("pack.one:", None, "'pack.one:' names no module; write"),
        (":flow", None, "':flow' names no module"),
        ("pack.ends", None, "pack.ends ended the process"),
    ],
)
@pytest.mark.usefixtures("package")
def test_a_module_that_does_not_give_the_flow(name, flow_name, message):
    with pytest.raises(LoadError, match=message):
        extract_flow_from_module(name, flow_name)


@pytest.mark.usefixtures("package")
def test_an_import_that_fails_inside_a_module_is_the_modules_own_error():
    with pytest.raises(ModuleNotFoundError, match="pack.missing"):
        flows_in_module("pack.broken")


def test_code_that_is_no_file_may_name_its_file():
    code = """
from headrace import Flow
from headrace.storage import S3
with Flow("f", storage=S3("b", stored_as_script=True, local_script_path=__file__)) as flow:
    pass
"""
    assert extract_flow_from_file(file_contents=code).storage.local_script_path == "<flow>"
