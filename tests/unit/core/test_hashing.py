"""Content hashes: equal for equal content, in any process; different otherwise."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import operator
import os
import pathlib
import re
import subprocess
import sys
import threading
import typing
import uuid
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.caching import hash_input, hash_inputs
from headrace.core.hashing import UNHASHABLE


class Plain:
    def __init__(self, value: object) -> None:
        self.value = value
        self.itself = self


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: object


class Tags(set):
    pass


class Named(str):
    __slots__ = ()


class Pair(typing.NamedTuple):
    a: int
    b: int


def make() -> list[object]:
    """Return values that all differ from each other, made anew at each call."""
    return [
        None, True, False, 0, 1, -1, 2**100, 10**5000, 0.0, -0.0, 1.0, 1.5, float("nan"), float("inf"),
        1 + 2j, "", "1", "ü", "\ud800", b"", b"1", bytearray(b"1"), ..., NotImplemented,
        [], (), {}, set(), [[]], [()], ([],), [1], (1,), {1}, {1: 1}, [1, 2], [2, 1], [1.0, 2], [True, 2],
        ["a", "bc"], ["ab", "c"], [["a"], "bc"], [10**5000], ["a", ["b", {"c": ("d", None)}]],
        {"a": 1, "b": 2}, {"a": 2, "b": 1}, {1: "a"}, {"1": "a"}, {(1, 2): {3}}, {"a": {"b": {"c": 1}}},
        {"x", "y", "z"}, {("x", 1), ("y", 2)}, {frozenset({1}), frozenset({2})}, Tags({"x", "y", "z"}),
        Named("1"), Pair(1, 2), Plain(1), Plain(2), Plain({"x", "y", "z"}), Slotted(1), Slotted(2), Colour.RED,
        Colour.BLUE, Point(1), Point(1, 2), Point({"x", "y"}), Frozen(1), Frozen({"x", "y"}),
        collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), collections.Counter("aab"),
        collections.defaultdict(int, a=1, b=2), collections.deque([1, 2]), range(3), range(4), slice(1, 2),
        datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), datetime.timedelta(1), datetime.time(1),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
        decimal.Decimal(1), decimal.Decimal("1.0"), fractions.Fraction(1, 2), uuid.UUID(int=1),
        pathlib.PurePosixPath("a"), re.compile("a"), re.compile("a", re.ASCII), int, str, Plain, len, make,
        operator.add, operator.itemgetter(1), functools.partial(int, base=2), ",".join, Plain(1).__init__,
        ValueError("a"), ValueError("b"),
    ]  # fmt: skip


def make_arrays() -> list[object]:
    import numpy as np
    import pandas as pd

    table = {"a": [1, 2], "b": ["x", None], "c": [1.5, None]}
    return [
        np.arange(3), np.arange(3.0), np.arange(3, dtype="i4"), np.arange(4), np.arange(6).reshape(2, 3),
        np.arange(6).reshape(3, 2), np.zeros((0, 3)), np.zeros((3, 0)), np.array(5), np.float64(1), np.int64(1),
        np.array(["a", "b"]), np.array(["a", None], dtype=object), np.array([{"x", "y"}], dtype=object),
        np.array(["2024-01-01"], dtype="M8[s]"), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.dtype("f8"), np.ma.masked_array([1, 2], [True, False]), {"rows": np.arange(3)},
        pd.DataFrame(table), pd.DataFrame(table, index=[1, 2]), pd.DataFrame(table)[["a", "c", "b"]],
        pd.DataFrame(table).astype({"b": "category"}), pd.DataFrame(table).astype({"a": "Int64"}),
        pd.DataFrame(), pd.Series([1, 2]), pd.Series([1, 2], name="q"), pd.Series([1.0, 2]),
        pd.Series(["a", "b"]), pd.Series(["ab", ""]), pd.RangeIndex(3), pd.Index(["a"]), pd.Index(["a"], name="n"),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]), pd.to_datetime(["2024-01-01"]),
        pd.to_datetime(["2024-01-01"], utc=True), pd.Timestamp("2024-01-01"), pd.NA, pd.NaT,
    ]  # fmt: skip


@pytest.mark.parametrize("makes", [make, make_arrays])
def test_equal_content_gives_equal_hashes_and_other_content_others(makes) -> None:
    first, second = map(hash_input, makes()), map(hash_input, makes())
    values = makes()
    seen: dict[str, object] = {}
    for value, one, two in zip(values, first, second, strict=True):
        assert one == two, f"{value!r} has two hashes"
        assert re.fullmatch("[0-9a-f]{32}", one), f"{value!r} cannot be hashed"
        assert one not in seen, f"{value!r} has the hash of {seen[one]!r}"
        seen[one] = value


def test_hashes_are_the_same_in_another_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_hashing as t\n"
        "print(*map(t.hash_input, [*t.make(), *t.make_arrays()]), sep='\\n')"
    )
    here = str(pathlib.Path(__file__).parent)
    # The classes of this module have to be found under one name in all processes.
    done = [
        subprocess.run(
            [sys.executable, "-c", code, here],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": s},
        ).stdout.split()
        for s in ("0", "1")
    ]
    assert len(done[0]) > 100
    assert done[0] == done[1]


def test_the_order_of_dicts_and_sets_does_not_count() -> None:
    assert hash_input({"a": 1, "b": [2]}) == hash_input({"b": [2], "a": 1})
    assert hash_input({"x": {"a": 1, "b": 2}}) == hash_input({"x": {"b": 2, "a": 1}})
    some = [str(n) for n in range(100)]
    assert hash_input({*some}) == hash_input({*reversed(some)})
    one, two = collections.defaultdict(int, a=1, b=2), collections.defaultdict(int, b=2, a=1)
    assert hash_input(one) == hash_input(two)


def test_whether_parts_are_shared_does_not_count() -> None:
    part = [1, object]
    assert hash_input([part, part]) == hash_input([[1, object], [1, object]])


def test_a_value_inside_itself() -> None:
    def ring(size: int) -> list[object]:
        top: list[object] = []
        inner = top
        for _ in range(size):
            inner.append(inner := [])
        inner.append(top)
        return top

    assert hash_input(ring(2)) == hash_input(ring(2))
    assert hash_input(ring(2)) != hash_input(ring(3))
    assert not hash_input(ring(2)).startswith(UNHASHABLE)


def test_arrays_are_hashed_by_what_they_show_and_not_by_how_they_lie() -> None:
    import numpy as np

    array = np.arange(12).reshape(3, 4)
    assert hash_input(array) == hash_input(np.asfortranarray(array))
    assert hash_input(array[:, ::2]) == hash_input(array[:, ::2].copy())


def test_a_column_is_hashed_by_its_values() -> None:
    import pandas as pd

    whole = pd.Series(["a", "b", "c", None])
    assert hash_input(whole[1:3].reset_index(drop=True)) == hash_input(pd.Series(["b", "c"]))


def generator():
    yield 1


class Refuses:
    def __reduce__(self):
        raise RuntimeError("not me")


def nested(depth: int) -> list[object]:
    top: list[object] = []
    for _ in range(depth):
        top = [top]
    return top


@pytest.mark.parametrize(
    "value",
    [
        generator(),
        threading.Lock(),
        lambda: 1,
        sys,
        sys._getframe(),
        Refuses(),
        type("Local", (), {}),
        type("Local", (), {})(),
        nested(100_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_hashed_equals_nothing_not_even_itself(value) -> None:
    hashes = [hash_input(value), hash_input(value), hash_input([value]), hash_input({"a": value})]
    assert len(set(hashes)) == 4
    assert all(found.startswith(UNHASHABLE) for found in hashes)


def test_an_open_file_cannot_be_hashed(tmp_path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert hash_input(file).startswith(UNHASHABLE)


def test_hashing_changes_nothing() -> None:
    iterator = iter([1, 2])
    hash_input(iterator)
    assert list(iterator) == [1, 2]


def test_inputs_are_hashed_by_name() -> None:
    assert hash_inputs({"x": 1, "y": [2]}) == {"x": hash_input(1), "y": hash_input([2])}
    assert hash_inputs({}) == {}


def test_hashing_imports_neither_numpy_nor_pandas() -> None:
    code = (
        "import sys; from headrace.core.caching import hash_input; hash_input([{'a': {1}}, object()])\n"
        "print({'numpy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.frozensets(st.text(max_size=3) | st.integers(), max_size=4)
    ),
    max_leaves=8,
)


def exact(value: object) -> object:
    """Return something equal for two values exactly if they have the same types and content."""
    if isinstance(value, list | tuple):
        return type(value), tuple(exact(v) for v in value)
    if isinstance(value, dict):
        return dict, frozenset((key, exact(v)) for key, v in value.items())
    if isinstance(value, frozenset):
        return frozenset, frozenset(exact(v) for v in value)
    return type(value), repr(value)


@given(values, values)
def test_hashes_are_equal_exactly_if_the_content_is(one, two) -> None:
    assert (hash_input(one) == hash_input(two)) == (exact(one) == exact(two))
