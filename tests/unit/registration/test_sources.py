import os
import sys
import warnings

import pytest

from headrace.core.errors import LoadError, NoFlowFound
from headrace.registration.sources import Source, flows_of, sources_of
from headrace.registration.watching import changes

FLOW = "from headrace import Flow\nwith Flow('{}') as flow: pass\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("a.py", "b.py", "notes.txt", "deep/c.py", "deep/deeper/d.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(FLOW.format(path.stem))
    return tmp_path


def test_files_folders_and_patterns(here):
    def locations(*paths):
        return [source.location for source in sources_of(paths)]

    assert locations("a.py") == ["a.py"]
    assert locations(".") == ["./a.py", "./b.py"]
    assert locations("deep") == ["deep/c.py"]
    assert locations("**/*.py") == ["a.py", "b.py", "deep/c.py", "deep/deeper/d.py"]
    assert locations("a.py", str(here)) == ["a.py", f"{here}/b.py"]
    assert [s.is_optional for s in sources_of([str(here), "a.py"])] == [False, True]
    with pytest.raises(LoadError, match=r"no file or folder nope/\*"):
        sources_of(["nope/*"])
    assert sources_of(modules=["m"]) == [Source(location="m", is_module=True)]


def test_storages_are_files_and_modules(here):
    with flows_of(Source(location="a.py")) as (flow,):
        assert flow.storage.path == str(here / "a.py")
        assert flow.storage.stored_as_script
    with flows_of(Source(location="deep.c", is_module=True)) as (flow,):
        assert flow.storage.module == "deep.c"


def test_a_flow_in_a_module(here):
    (here / "several_here.py").write_text(
        FLOW.format("a") + FLOW.replace("flow:", "b:").format("b")
    )
    for name in ("several_here.b", "several_here:b"):
        with flows_of(Source(location=name, is_module=True)) as (flow,):
            assert flow.name == "b"
            assert flow.storage.module == "several_here:b"
    with pytest.raises(LoadError, match="no module 'several_here.nope'|no module 'several_here"):
        with flows_of(Source(location="several_here.nope", is_module=True)):
            pass


def test_ones_own_storage_stays(here):
    (here / "a.py").write_text(
        "from headrace import Flow\nfrom headrace.storage import Module\n"
        "with Flow('a', storage=Module('own')) as flow: pass\n"
    )
    with flows_of(Source(location="a.py")) as (flow,):
        assert flow.storage.module == "own"


def test_a_file_without_flows(here):
    (here / "a.py").write_text("x = 1\n")
    with flows_of(Source(location="a.py", is_optional=True)) as flows:
        assert flows == []
    with pytest.raises(NoFlowFound, match=r"a\.py"), flows_of(Source(location="a.py")):
        pass


def test_neighbours_of_one_file_are_not_those_of_the_next(here):
    for folder in ("one", "two"):
        (here / folder).mkdir()
        (here / folder / "beside.py").write_text(f"NAME = '{folder}'\n")
        code = "from headrace import Flow\nimport beside\nwith Flow(beside.NAME) as flow: pass\n"
        (here / folder / "flow.py").write_text(code)
    before = list(sys.path)
    names = []
    for folder in ("one", "two"):
        with flows_of(Source(location=f"{folder}/flow.py")) as (flow,):
            names.append(flow.name)
    assert names == ["one", "two"]
    assert sys.path == before
    assert "beside" not in sys.modules


def test_an_error_in_the_block_comes_out(here):
    with pytest.raises(NoFlowFound, match="mine"):
        with flows_of(Source(location="a.py", is_optional=True)):
            raise NoFlowFound("mine")


def test_a_stray_registration_does_nothing(here):
    (here / "a.py").write_text(FLOW.format("a") + "flow.register('project')\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with flows_of(Source(location="a.py")) as (flow,):
            assert flow.name == "a"
    assert "does nothing" in str(caught[0].message)


def test_changes(here):
    steps = iter(
        [
            lambda: None,
            lambda: os.utime("a.py", (1, 1)),
            lambda: os.unlink("b.py"),
            lambda: (here / "b.py").write_text("anew"),
        ]
    )
    # Each look that finds nothing waits, and then something happens.
    looked = changes(lambda: ["a.py", "b.py", "never.py"], sleep=lambda _: next(steps)())
    assert next(looked) == ["a.py", "b.py"]
    assert next(looked) == ["a.py"]
    assert next(looked) == ["b.py"]
