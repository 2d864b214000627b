"""The format of checkpoints: segments that are only ever appended to.

A segment is a file, or a row of parts that are read as one. It begins with `MAGIC`, whose last byte
is the format's version; then come records, each as

| bytes | what |
|---|---|
| 4 | the length of the body, little-endian |
| 4 | the CRC-32 of the body, little-endian |
| n | the body: a `Record` as a MessagePack array |

A process that dies leaves the last record half written: reading ends at the first record that is
not whole, and what comes before it counts. New fields of a record go to its end and have defaults,
so that an older version reads a newer segment.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC: Final = b"headrace checkpoints\x01"

#: What a record holds of a task run.
NOTHING: Final = 0  #: that it ended, and not with what: a resume runs it again
VALUE: Final = 1  #: the value of a plain success, pickled
STATE: Final = 2  #: the state, pickled, with its value
STORED: Final = 3  #: the state without a value, pickled; the value is at `location` in its result
BESIDE: Final = 4  #: the value of a plain success is in a file of its own, `location`
#: What a record holds of the flow run, whose slug is empty.
BEGUN: Final = 5  #: an attempt began, with parameters of the hash `inputs`

_HEAD = Struct("<II")


class Record(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """What is known of one task run.

    Attributes:
        slug: The task's slug.
        child: The map index; -1 for the task itself.
        type: The type of its state.
        form: What it holds.
        run_count: How often the task's function was called.
        value: The value, or the state, pickled.
        location: Where the value is, if it is somewhere else.
        inputs: A hash of the inputs, where it takes one to say that they are the same.
        at: When the state was entered, in seconds since 1970, UTC.
        place: Where it ran, as `host:pid`.
    """

    slug: str
    child: int
    type: str
    form: int
    run_count: int = 1
    value: bytes | None = None
    location: str | None = None
    inputs: str | None = None
    at: float = 0.0
    place: str | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode(records: Iterable[Record]) -> bytearray:
    """Return records as they stand in a segment."""
    out = bytearray()
    for record in records:
        body = _encoder.encode(record)
        out += _HEAD.pack(len(body), zlib.crc32(body))
        out += body
    return out


def decode(data: bytes | memoryview) -> Iterator[Record]:
    """Yield the records of a segment, up to the first that is not whole."""
    view = memoryview(data)
    if bytes(view[: len(MAGIC)]) != MAGIC:
        return
    at = len(MAGIC)
    while at + _HEAD.size <= len(view):
        length, crc = _HEAD.unpack_from(view, at)
        at += _HEAD.size
        body = view[at : at + length]
        if len(body) < length or zlib.crc32(body) != crc:
            return
        try:
            record = _decoder.decode(body)
        except msgspec.DecodeError:
            return  # of a later version that does not hold to the format
        yield record
        at += length
