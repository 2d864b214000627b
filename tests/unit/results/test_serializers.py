import contextlib
import datetime
import pickle
import subprocess
import sys
import zlib
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import (
    DeserializationError,
    MissingExtraError,
    ResultError,
    SerializationError,
)
from headrace.results import (
    CompressedSerializer,
    DateTimeSerializer,
    JSONSerializer,
    PandasSerializer,
    PickleSerializer,
    Serializer,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
python_values = st.recursive(
    st.none() | st.integers() | st.binary() | st.text() | st.dates() | st.fractions(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.integers(), inner),
    max_leaves=20,
)
aware_times = st.datetimes(timezones=st.timezones())
formats = st.sampled_from(["bz2", "gzip", "lzma", "zlib"])


@given(python_values)
def test_pickle_gives_back_what_it_took(value):
    assert PickleSerializer().deserialize(PickleSerializer().serialize(value)) == value


def test_pickle_takes_what_is_defined_in_a_function():
    base = 3

    class Local:
        def method(self):
            return base

    back = PickleSerializer().deserialize(
        PickleSerializer().serialize((Local(), lambda x: x + base))
    )
    assert back[0].method() == 3
    assert back[1](1) == 4


def test_pickles_are_read_without_cloudpickle():
    data = PickleSerializer().serialize([1])
    code = (
        "import sys; from headrace.results import PickleSerializer as P; "
        f"print(P().deserialize({data!r}), 'cloudpickle' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[1] False\n"


@given(json_values)
def test_json_gives_back_what_it_took(value):
    assert JSONSerializer().deserialize(JSONSerializer().serialize(value)) == value


@given(aware_times)
def test_a_time_comes_back_as_the_same_instant(value):
    back = DateTimeSerializer().deserialize(DateTimeSerializer().serialize(value))
    assert back.tzinfo is not None
    assert back.utcoffset() == value.utcoffset()
    assert back.replace(tzinfo=None) == value.replace(tzinfo=None)


def test_times_people_write():
    read = DateTimeSerializer().deserialize
    noon = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    assert read(b"2026-03-01T12:00:00Z") == noon
    assert read(b"2026-03-01 12:00") == noon
    assert read(b"2026-03-01T14:00:00+02:00") == noon
    naive = datetime.datetime(2026, 3, 1, 12)
    assert DateTimeSerializer().serialize(naive) == b"2026-03-01T12:00:00+00:00"
    paris = noon.astimezone(ZoneInfo("Europe/Paris"))
    assert DateTimeSerializer().serialize(paris) == b"2026-03-01T13:00:00+01:00"


@given(python_values, formats)
def test_compressed_gives_back_what_it_took(value, format):
    serializer = CompressedSerializer(PickleSerializer(), format=format)
    assert serializer.deserialize(serializer.serialize(value)) == value


@given(formats)
def test_compressed_is_smaller(format):
    value = "again " * 10_000
    serializer = CompressedSerializer(JSONSerializer(), format=format)
    assert len(serializer.serialize(value)) < 1_000


def test_compression_has_settings():
    value = list(range(2_000))
    fast, small = (
        CompressedSerializer(JSONSerializer(), format="zlib", compress_kwargs={"level": level})
        for level in (0, 9)
    )
    assert len(fast.serialize(value)) > len(small.serialize(value))
    own = CompressedSerializer(
        JSONSerializer(),
        compress=zlib.compress,
        decompress=zlib.decompress,
        decompress_kwargs={"bufsize": 10},
    )
    assert own.deserialize(small.serialize(value)) == value


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"compress": zlib.compress},
        {"decompress": zlib.decompress},
        {"format": "gzip", "compress": zlib.compress},
        {"format": "gzip", "compress": zlib.compress, "decompress": zlib.decompress},
    ],
)
def test_compression_by_format_or_functions(arguments):
    with pytest.raises(ResultError, match=r"a format .*gzip.*or both compress and decompress"):
        CompressedSerializer(JSONSerializer(), **arguments)


def test_formats_that_are_none():
    with pytest.raises(ResultError, match="no module 'rar' to compress with; there are: bz2, gzip"):
        CompressedSerializer(JSONSerializer(), format="rar")
    with pytest.raises(ResultError, match="'json' has no functions compress and decompress"):
        CompressedSerializer(JSONSerializer(), format="json")
    with pytest.raises(ResultError, match="needs a serializer, not 'gzip'"):
        CompressedSerializer("gzip")


frames = pd.DataFrame({"n": [1, 2], "s": ["a", "ü"]})


@pytest.mark.parametrize(
    ("file_type", "write", "read"),
    [
        ("csv", {"index": False}, {}),
        ("parquet", {}, {}),
        ("json", {}, {}),
        ("json", {"orient": "records"}, {"orient": "records"}),
        ("feather", {}, {}),
        ("pickle", {}, {}),
    ],
)
def test_data_frames(file_type, write, read):
    serializer = PandasSerializer(file_type, serialize_kwargs=write, deserialize_kwargs=read)
    pd.testing.assert_frame_equal(serializer.deserialize(serializer.serialize(frames)), frames)


def test_data_frames_compressed():
    serializer = CompressedSerializer(PandasSerializer("parquet"), format="gzip")
    pd.testing.assert_frame_equal(serializer.deserialize(serializer.serialize(frames)), frames)


def test_a_format_that_pandas_has_not():
    with pytest.raises(ResultError, match=r"write and read 'cvs'; it can: .*csv, .*parquet"):
        PandasSerializer("cvs")
    with pytest.raises(ResultError, match="write and read 'markdown'"):
        PandasSerializer("markdown")


def test_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headrace\[pandas\]'"):
        PandasSerializer("csv")


class Stubborn:
    def __reduce__(self):
        raise RuntimeError("not me.")


circle: list = []
circle.append(circle)


@pytest.mark.parametrize(
    ("serializer", "value", "says"),
    [
        (
            PickleSerializer(),
            Stubborn(),
            "PickleSerializer cannot take this Stubborn: RuntimeError",
        ),
        (JSONSerializer(), {1, 2}, "JSONSerializer cannot take this set"),
        (JSONSerializer(), circle, "JSONSerializer cannot take this list: ValueError: Circular"),
        (JSONSerializer(), "\ud800", None),
        (DateTimeSerializer(), "2026", "cannot take this str: it takes a datetime"),
        (DateTimeSerializer(), datetime.date(2026, 1, 1), "cannot take this date"),
        (PandasSerializer("csv"), [1], "cannot take this list: it takes a pandas DataFrame"),
        (PandasSerializer("csv", serialize_kwargs={"nope": 1}), frames, "TypeError: .*nope"),
        (
            CompressedSerializer(JSONSerializer(), "gzip"),
            {1},
            "JSONSerializer cannot take this set",
        ),
    ],
)
def test_a_value_that_does_not_fit(serializer, value, says):
    if says is None:
        # JSON escapes a lone surrogate, so that even this one comes back.
        assert serializer.deserialize(serializer.serialize(value)) == value
        return
    with pytest.raises(SerializationError, match=says):
        serializer.serialize(value)


serializers = [
    PickleSerializer(),
    JSONSerializer(),
    DateTimeSerializer(),
    PandasSerializer("parquet"),
    CompressedSerializer(JSONSerializer(), format="gzip"),
    CompressedSerializer(JSONSerializer(), format="lzma"),
]


@pytest.mark.parametrize("serializer", serializers, ids=repr)
@pytest.mark.parametrize("data", [b"", b"\xff\x00nonsense", b"[1,", b"\x80\x05."])
def test_bytes_that_are_not_its_own(serializer, data):
    with pytest.raises(DeserializationError, match=r"cannot read it: .*another serializer"):
        serializer.deserialize(data)


@given(st.sampled_from(serializers), st.binary())
def test_any_bytes_are_read_or_refused(serializer, data):
    if not isinstance(serializer, PickleSerializer):
        with contextlib.suppress(DeserializationError):
            serializer.deserialize(data)


def test_equality_is_by_kind_and_settings():
    assert PickleSerializer() == PickleSerializer()
    assert PickleSerializer() != JSONSerializer()
    assert PandasSerializer("csv") == PandasSerializer("csv")
    assert PandasSerializer("csv") != PandasSerializer("parquet")
    assert PandasSerializer("csv") != PandasSerializer("csv", {"sep": ";"})
    gzip = CompressedSerializer(JSONSerializer(), format="gzip")
    assert gzip == CompressedSerializer(JSONSerializer(), format="gzip")
    assert gzip != CompressedSerializer(JSONSerializer(), format="bz2")
    assert gzip != CompressedSerializer(PickleSerializer(), format="gzip")


@pytest.mark.parametrize("serializer", serializers, ids=repr)
def test_serializers_travel(serializer):
    assert pickle.loads(pickle.dumps(serializer)) == serializer


def test_a_serializer_of_ones_own():
    class Upper(Serializer):
        def serialize(self, value):
            return value.upper().encode()

        def deserialize(self, value):
            return value.decode()

    assert (
        CompressedSerializer(Upper(), "gzip").deserialize(
            CompressedSerializer(Upper(), "gzip").serialize("a")
        )
        == "A"
    )
    assert repr(Upper()) == "<Upper>"
    with pytest.raises(
        NotImplementedError, match="Serializer does not define `serialize`. Give the class"
    ):
        Serializer().serialize(1)
    with pytest.raises(
        NotImplementedError, match="Serializer does not define `deserialize`. Give the class"
    ):
        Serializer().deserialize(b"")
