"""What is the same code, and what is not."""

from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, Task, task
from headrace.executors import DaskExecutor, LocalDaskExecutor
from headrace.storage import Local
from headrace.storage.fingerprint import fingerprint


def flow_in(code, **options):
    """Return the flow that code makes, as a file's is: nothing of it can be imported by name."""
    names = {"__name__": "<file>", "Flow": Flow, "task": task, "Task": Task}
    exec(code, names)
    flow = names["flow"]
    for name, value in options.items():
        setattr(flow, name, value)
    return flow


def of(body, before="", **options):
    code = f"{before}\n@task\ndef f(x=1):\n    {body}\nwith Flow('f') as flow: f()\n"
    return fingerprint(flow_in(code, **options))


def test_the_same():
    assert of("return x") == of("return x")
    assert of("return x") == of("return x  # a comment")
    assert of("return x", executor=LocalDaskExecutor()) == of(
        "return x", executor=LocalDaskExecutor()
    )


def test_different_code():
    seen = [
        of("return x"),
        of("return x + 1"),
        of("return x + 2"),
        of("return {x, 1, 'a'}"),
        of("return [y for y in x]"),
        of("return [y + 1 for y in x]"),
        of("return HELD", "HELD = 1"),
        of("return HELD", "HELD = 2"),
        of("return HELD", "HELD = [1, {'a': 2}]"),
        of("return g(x)", "def g(x): return x"),
        of("return g(x)", "def g(x): return -x"),
        of("return g(x)", "def g(x): return h(x)\ndef h(x): return 1"),
        of("return g(x)", "def g(x): return h(x)\ndef h(x): return 2"),
        of("return C().a(x)", "class C:\n  def a(self, x): return x"),
        of("return C().a(x)", "class C:\n  def a(self, x): return -x"),
        of("return C.a(x)", "class C:\n  @staticmethod\n  def a(x): return x"),
        of("return C().a", "class C:\n  @property\n  def a(self): return 1"),
        of("return C().a", "class C:\n  @property\n  def a(self): return 2"),
        of("return x", executor=LocalDaskExecutor()),
        of("return x", executor=DaskExecutor("tcp://a:1")),
        of("return x", executor=DaskExecutor("tcp://b:1")),
        of("return x", state_handlers=[lambda *_: None]),
        of("return x", state_handlers=[lambda *_: 1]),
    ]
    assert len(set(seen)) == len(seen)


def test_functions_that_call_each_other():
    before = "def g(x): return h(x)\ndef h(x): return g(x) if x else {}"
    assert of("return g(x)", before.format(1)) == of("return g(x)", before.format(1))
    assert of("return g(x)", before.format(1)) != of("return g(x)", before.format(2))


def test_what_cannot_be_hashed_is_never_the_same():
    before = "import threading\nlock = threading.Lock()"
    assert of("return lock", before) != of("return lock", before)


def test_many_mentions_of_one_function():
    """Each is looked at once: this would take 2^40 steps otherwise."""
    before = "def g0(): return 0\n"
    for n in range(1, 41):
        before += f"def g{n}(): return g{n - 1}() + g{n - 1}()\n"
    assert of("return g40()", before) == of("return g40()", before)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.text()),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_constants(first, second):
    def flow_with(value):
        with Flow("f") as flow:
            task(lambda x: x, name="f")(value)
        return fingerprint(flow)

    assert flow_with(first) == flow_with(first)
    if repr(first) != repr(second) and first != second:
        assert flow_with(first) != flow_with(second)


def test_running_and_loading_change_nothing(tmp_path):
    code = """
class Add(Task):
    def run(self, x=1):
        self.logger.debug("adding")
        return x

@task(log_stdout=True)
def show(x):
    return x

with Flow("f") as flow:
    show(show.map([1, Add()(2)]))
"""
    flow = flow_in(code, storage=Local(tmp_path))
    before = fingerprint(flow)
    flow.storage.add_flow(flow)
    assert flow.run().is_successful()
    assert fingerprint(flow) == before
    assert fingerprint(flow.storage.get_flow("f")) == before
