"""Annotations of a task's inputs: how a value travels along the edge that carries it."""

from __future__ import annotations

from typing import Any, ClassVar


class EdgeAnnotation:
    """Wraps an input of a task and says how its edge treats it; annotations nest and add up.

    Args:
        value: The input: a task, a value, or another annotation.

    Attributes:
        value: The input itself, out of all its wrappers.
        annotations: What the wrappers say; the innermost one wins where two disagree.
    """

    __slots__ = ("annotations", "value")

    #: What this kind of wrapper says about the edge.
    meaning: ClassVar[dict[str, bool]] = {}

    def __init__(self, value: Any) -> None:
        if isinstance(value, EdgeAnnotation):
            self.value: Any = value.value
            # The inner wrapper speaks last where the two disagree: `mapped(unmapped(x))` is whole.
            self.annotations: dict[str, bool] = {**self.meaning, **value.annotations}
        else:
            self.annotations = dict(self.meaning)
            self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class mapped(EdgeAnnotation):  # noqa: N801 - reads as a word at the call site
    """Marks one input of a call as mapped, while the other inputs are passed whole."""

    __slots__ = ()
    meaning: ClassVar[dict[str, bool]] = {"mapped": True}


class unmapped(EdgeAnnotation):  # noqa: N801 - reads as a word at the call site
    """Marks an input of a mapped task that every child gets whole."""

    __slots__ = ()
    meaning: ClassVar[dict[str, bool]] = {"mapped": False}


class flatten(EdgeAnnotation):  # noqa: N801 - reads as a word at the call site
    """Marks an input whose elements are themselves sequences: one level is removed on the way."""

    __slots__ = ()
    meaning: ClassVar[dict[str, bool]] = {"flattened": True}
