import sys
import tempfile
from pathlib import Path

import pytest

from headrace.core.annotations import flatten, unmapped
from headrace.core.errors import MissingExtraError, MissingProgramError
from headrace.core.function_task import task
from headrace.core.states import Failed, Mapped, Pending, Success
from headrace.flow import Flow
from headrace.visualize import draw, show

graphviz = pytest.importorskip("graphviz")


@task
def numbers():
    return [1, 2]


@task
def inc(x, y=()):
    return x + len(y)


@task
def total(x):
    return sum(x)


@pytest.fixture
def flow():
    with Flow("f") as flow:
        source = numbers()
        first = inc.map(source, unmapped(source))
        second = inc.map(first)
        total(second)
    return flow


def lines(picture):
    return {line.strip() for line in picture.body}


def test_tasks_are_ellipses_and_mapped_ones_boxes(flow):
    assert lines(draw(flow)) == {
        '"numbers-1" [label=numbers shape=ellipse]',
        '"inc-1" [label="inc <map>" shape=box]',
        '"inc-2" [label="inc <map>" shape=box]',
        '"total-1" [label=total shape=ellipse]',
        '"numbers-1" -> "inc-1" [label=x style=dashed]',
        '"numbers-1" -> "inc-1" [label=y]',
        '"inc-1" -> "inc-2" [label=x style=dashed]',
        '"inc-2" -> "total-1" [label=x]',
    }


def test_a_state_colours_tasks_and_shows_children(flow):
    state = flow.run()
    drawn = lines(draw(flow, state))
    green = f'color="{Success.color}80"'
    nodes = {line for line in drawn if "shape" in line}
    assert len(nodes) == 6
    assert sum(green in line for line in nodes) == 6
    assert f'"inc-1[1]" [label="inc <map>" {green} shape=box style=filled]' in drawn
    assert {line for line in drawn if "->" in line} == {
        '"numbers-1" -> "inc-1[0]" [label=x style=dashed]',
        '"numbers-1" -> "inc-1[1]" [label=x style=dashed]',
        '"numbers-1" -> "inc-1[0]" [label=y]',
        '"numbers-1" -> "inc-1[1]" [label=y]',
        '"inc-1[0]" -> "inc-2[0]" [label=x style=dashed]',
        '"inc-1[1]" -> "inc-2[1]" [label=x style=dashed]',
        '"inc-2[0]" -> "total-1" [label=x]',
        '"inc-2[1]" -> "total-1" [label=x]',
    }


def test_tasks_without_a_state_of_their_own_are_drawn_too(flow):
    source, first = flow.get_tasks("numbers")[0], flow.get_tasks("inc")[0]
    state = Failed(result={source: Failed(), first: Mapped(map_states=[])})
    drawn = lines(draw(flow, state))
    assert (
        f'"numbers-1" [label=numbers color="{Failed.color}80" shape=ellipse style=filled]' in drawn
    )
    assert f'"inc-1" [label="inc <map>" color="{Mapped.color}80" shape=box style=filled]' in drawn
    assert '"total-1" [label=total color="#00000080" shape=ellipse style=filled]' in drawn
    assert lines(draw(flow, Pending())) == lines(draw(flow))


def test_children_that_never_were_are_drawn_without_a_state():
    with Flow("f") as flow:
        mapped = inc.map([1, 2])
    state = Success(result={mapped: Mapped(map_states=[Success(), None])})
    assert sum('"inc-1[' in line for line in lines(draw(flow, state))) == 4


def test_flattening_connects_every_child_with_every_child():
    with Flow("f") as flow:
        lists = task(lambda x: [x, x], name="lists").map([1, 2])
        inc.map(flatten(lists))
    drawn = lines(draw(flow, flow.run()))
    between = {line for line in drawn if '"lists-1[' in line and "-> " in line and "inc" in line}
    assert len(between) == 2 * 4


def test_names_with_signs_of_graphviz_are_drawn_as_they_are():
    with Flow("f") as flow:
        inc(1, task_args={"name": 'a:b "c" \\n'})
    source = draw(flow).source
    assert '"a_b' in source
    assert "\\\\n" in source


def test_horizontal_flows_go_from_left_to_right(flow):
    assert draw(flow, horizontal=True).graph_attr["rankdir"] == "LR"
    assert "rankdir" not in draw(flow).graph_attr


@pytest.mark.needs("dot")
@pytest.mark.parametrize(
    ("filename", "format", "written"),
    [
        ("a.svg", None, "a.svg"),
        ("a.svg", "svg", "a.svg"),
        ("a", "svg", "a.svg"),
        ("a.b", "svg", "a.b.svg"),
        ("a.b", None, "a.b.pdf"),
        ("a.PNG", None, "a.png"),
        ("a.svg", "png", "a.svg.png"),
    ],
)
def test_files_are_named_as_they_are_asked_for(flow, tmp_path, filename, format, written):
    picture = flow.visualize(filename=tmp_path / filename, format=format)
    assert isinstance(picture, graphviz.Digraph)
    assert [p.name for p in tmp_path.iterdir()] == [written]
    assert (tmp_path / written).stat().st_size > 100


def test_without_the_package_the_extra_is_named(flow, monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headrace\[viz\]'"):
        flow.visualize()


def test_without_the_program_it_is_named(flow, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="'dot'.*Install Graphviz"):
        flow.visualize(filename=tmp_path / "a.svg")
    with pytest.raises(MissingProgramError, match="'dot'"):
        flow.visualize()


@pytest.mark.needs("dot")
def test_without_a_viewer_the_way_out_is_named(flow, tmp_path, monkeypatch):
    import shutil

    dot = shutil.which("dot")
    (tmp_path / "dot").symlink_to(dot)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(MissingProgramError, match="xdg-open.*filename="):
        show(draw(flow), None, "svg")
    assert [each.name for each in tmp_path.iterdir()] == ["dot"]


def test_a_notebook_shows_what_is_returned(flow, monkeypatch):
    class Shell:
        config = {"IPKernelApp": {}}

    class IPython:
        @staticmethod
        def get_ipython():
            return Shell()

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    monkeypatch.setenv("PATH", str(Path("/nowhere")))
    assert isinstance(flow.visualize(), graphviz.Digraph)
