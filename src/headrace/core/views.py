"""Read-only sets that keep their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

T = TypeVar("T")


class SetView(AbstractSet[T]):
    """A live, read-only set of a dict's keys, in the order in which they were added.

    It compares and combines with sets as a set does; what is combined is a plain set.

    Args:
        mapping: The dict.
    """

    __slots__ = ("_mapping",)

    def __init__(self, mapping: Mapping[T, Any]) -> None:
        self._mapping = mapping

    def __contains__(self, item: object) -> bool:
        return item in self._mapping

    def __iter__(self) -> Iterator[T]:
        return iter(self._mapping)

    def __len__(self) -> int:
        return len(self._mapping)

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self._mapping))}}}"

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        return set(it)

    def copy(self) -> set[T]:
        """Return the items as they are now."""
        return set(self._mapping)

    def union(self, *others: Iterable[T]) -> set[T]:
        """Return all items of this set and the others."""
        return self.copy().union(*others)

    def intersection(self, *others: Iterable[Any]) -> set[T]:
        """Return the items that all others have, too."""
        return self.copy().intersection(*others)

    def difference(self, *others: Iterable[Any]) -> set[T]:
        """Return the items that none of the others has."""
        return self.copy().difference(*others)

    def issubset(self, other: Iterable[Any]) -> bool:
        """Tell whether the other has all items of this set."""
        return self.copy().issubset(other)

    def issuperset(self, other: Iterable[Any]) -> bool:
        """Tell whether this set has all items of the other."""
        return all(item in self._mapping for item in other)
