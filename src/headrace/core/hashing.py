"""A hash of a value's content, the same in each process.

What is hashed is the type of a value and what it is made of, written to one stream in a form that
no two different values share. It takes no part in security: equal hashes let a cached result stand
in for a run.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hashlib import blake2b

#: What the hash of a value that cannot be hashed begins with.
UNHASHABLE: Final = "unhashable:"
_DIGEST_BYTES: Final = 16
_PICKLE_PROTOCOL: Final = 4
_DEFAULT_PICKLING: Final[Any] = (object.__reduce_ex__, object.__reduce__)

#: Values that Python itself writes exactly and unmistakably, one by one or in a flat list.
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})


class _Unhashable(Exception):
    """Some part of the value cannot be hashed."""


def hash_value(value: object) -> str:
    """Return a hash of a value's content: 32 hexadecimal digits.

    Equal content gives an equal hash, in another process and under another PYTHONHASHSEED too, as
    long as Python and the libraries of the types involved stay the same. In detail:

    - The order of dicts, sets and frozensets does not count; that of lists and tuples does.
    - The type counts: `1`, `1.0` and `True` differ, and so do a list and a tuple.
    - numpy arrays are hashed by type, shape and bytes, pandas objects column by column; neither
      library is imported for it.
    - Dataclasses are hashed by their fields, other objects by the state that pickle would store.
    - Classes and functions are hashed by name, so a change of their code changes no hash.

    A value that pickle cannot store (a generator, a lock, a lambda, an open file), or that holds
    one, gives `"unhashable:"` and a random number. It equals no other hash, not even the next of
    the same value: what cannot be compared is never taken for unchanged.
    """
    from hashlib import blake2b

    stream = blake2b(digest_size=_DIGEST_BYTES)
    try:
        ContentWriter(stream, []).write(value)
    except Exception:  # noqa: BLE001 - pickling calls the value's own code, which may raise anything
        import os

        return UNHASHABLE + os.urandom(_DIGEST_BYTES).hex()
    return stream.hexdigest()


class ContentWriter:
    """Writes values to a hash. A child may take classes and functions otherwise than by name.

    Args:
        stream: The hash.
        path: The ids of the containers and objects that hold what is written next.
    """

    __slots__ = ("_path", "_stream")

    def __init__(self, stream: blake2b, path: list[int]) -> None:
        self._stream = stream
        self._path = path

    def write(self, value: Any) -> None:
        """Write one value.

        Raises:
            _Unhashable: If the value, or a part of it, cannot be stored by pickle.
            Exception: Whatever the value's own code raises.
        """
        kind = type(value)
        if kind in _PLAIN:
            self._plain(kind, value)
            return
        if id(value) in self._path:
            # A value inside itself: where it is, counted from the outside, says which.
            self._text("again", str(self._path.index(id(value))))
            return
        self._path.append(id(value))
        try:
            self._composed(kind, value)
        finally:
            self._path.pop()

    def part(self, stream: blake2b) -> ContentWriter:
        """Return a writer to another hash, for what this one writes in parts."""
        return ContentWriter(stream, self._path)

    def require_name(self, value: Any) -> None:
        """Write a class or a function as the name by which it can be imported."""
        if not self._name(value):
            raise _Unhashable(f"{value!r} cannot be found by its name")

    # -- the stream ---------------------------------------------------------------------------

    def _bytes(self, tag: str, content: bytes | memoryview) -> None:
        # The length keeps neighbours apart: ("a", "bc") from ("ab", "c").
        self._stream.update(f"{tag}:{len(content)}:".encode())
        self._stream.update(content)

    def _text(self, tag: str, content: str) -> None:
        self._bytes(tag, content.encode("utf-8", "surrogatepass"))

    def _plain(self, kind: type, value: Any) -> None:
        if kind is str:
            self._text("str", value)
        elif kind is bytes:
            self._bytes("bytes", value)
        elif kind is int:
            self._text("int", hex(value))  # decimal digits of a huge int are slow, and refused
        else:
            self._text("repr", f"{kind.__name__} {value!r}")

    def _unordered(self, tag: str, values: Iterable[Any]) -> None:
        """Write values in an order that depends on them alone: that of their own hashes."""
        from hashlib import blake2b

        digests: list[bytes] = []
        for value in values:
            stream = blake2b(digest_size=_DIGEST_BYTES)
            self.part(stream).write(value)
            digests.append(stream.digest())
        self._bytes(tag, b"".join(sorted(digests)))

    # -- kinds of values ----------------------------------------------------------------------

    def _composed(self, kind: type, value: Any) -> None:
        if kind is list or kind is tuple:
            self._sequence(kind.__name__, value)
        elif kind is dict:
            self._unordered("dict", value.items())
        elif isinstance(value, (set, frozenset)):
            # A subclass too: pickle would store its members in the order they happen to have.
            self.require_name(kind)
            self._unordered("set", value)
            self.write(getattr(value, "__dict__", None))
        elif issubclass(kind, type) or kind is FunctionType:
            self.require_name(value)
        elif not (self._numpy(kind, value) or self._pandas(value)):
            self._object(kind, value)

    def _sequence(self, tag: str, values: list[Any] | tuple[Any, ...]) -> None:
        kinds = set(map(type, values))
        if kinds <= _PLAIN:
            # One call for the whole list, where Python's own notation leaves no doubt.
            try:
                self._text(f"flat {tag}", repr(values))
                return
            except ValueError:
                pass  # it holds an int with more digits than Python writes
        self._text(tag, str(len(values)))
        for value in values:
            self.write(value)

    def _name(self, value: Any) -> bool:
        module = getattr(value, "__module__", None) or "builtins"
        name = getattr(value, "__qualname__", "")
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not value:
            return False
        self._text("name", f"{module}:{name}")
        return True

    def _object(self, kind: type, value: Any) -> None:
        fields = getattr(kind, "__dataclass_fields__", None)
        if fields is not None and _is_plain_dataclass(kind):
            self.require_name(kind)
            present = [(name, getattr(value, name)) for name in fields if hasattr(value, name)]
            self._unordered("dataclass", present)
            return
        if kind is BuiltinFunctionType and self._name(value):
            return
        from copyreg import dispatch_table

        special = dispatch_table.get(kind)
        reduced = special(value) if special else value.__reduce_ex__(_PICKLE_PROTOCOL)
        if isinstance(reduced, str):
            self._text("global", f"{kind.__module__}:{reduced}")
            return
        maker, arguments, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        self._text("object", kind.__qualname__)
        for part in (maker, arguments, state):
            self.write(part)
        self._sequence("items", list(items or ()))
        if isinstance(value, OrderedDict):
            self._sequence("pairs", list(pairs or ()))
        else:
            self._unordered("pairs", pairs or ())

    def _numpy(self, kind: type, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if numpy is None or kind is not getattr(numpy, "ndarray", None):
            return False
        self._text("ndarray", f"{value.dtype!r} {value.shape}")
        if value.dtype.hasobject:
            self._sequence("objects", value.ravel().tolist())
        else:
            flat = value.ravel()
            self._bytes("data", memoryview(flat.view("uint8")) if flat.nbytes else b"")
        return True

    def _pandas(self, value: Any) -> bool:
        pandas = sys.modules.get("pandas")
        frame = getattr(pandas, "DataFrame", None)
        series = getattr(pandas, "Series", None)
        index = getattr(pandas, "Index", None)
        if frame is None or series is None or index is None:
            return False
        if isinstance(value, frame):
            self._text("frame", type(value).__qualname__)
            self.write(value.columns)
            self.write(value.index)
            for position in range(value.shape[1]):
                self._column(value.iloc[:, position])
        elif isinstance(value, series):
            self._text("series", type(value).__qualname__)
            self.write(value.name)
            self.write(value.index)
            self._column(value)
        elif isinstance(value, index):
            self._text("index", type(value).__qualname__)
            self.write(list(value.names))
            self._column(value)
        else:
            return False
        return True

    def _column(self, column: Any) -> None:
        self._text("column", repr(column.dtype))
        if isinstance(column.dtype, sys.modules["numpy"].dtype):
            self.write(column.to_numpy())
        else:
            # Other kinds of columns store themselves in parts, with room to spare; what they are
            # made of is their values, one by one.
            self._sequence("values", list(column.astype(object)))


def _is_plain_dataclass(kind: Any) -> bool:
    """Tell whether the fields of a dataclass are all that it holds."""
    pickled_by_default = (kind.__reduce_ex__, kind.__reduce__) == _DEFAULT_PICKLING
    return pickled_by_default and not issubclass(kind, (list, tuple, dict, str, bytes, int, float))
