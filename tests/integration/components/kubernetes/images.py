"""The images that nodes can pull, and what a registry says of others."""

import re
from dataclasses import dataclass, field

_DIGEST = r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?(?::[0-9]+)?/)?"
_REFERENCE = re.compile(
    rf"^{_HOST}{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][-A-Za-z0-9_.]{{0,127}})?{_DIGEST}$"
)


@dataclass(frozen=True)
class Image:
    """What is in an image."""

    #: What is run where a container gives no `command`.
    entrypoint: tuple[str, ...] = ()
    #: Its arguments where a container gives neither `command` nor `args`.
    arguments: tuple[str, ...] = ()
    #: Environment variables over the ones of every container.
    env: dict[str, str] = field(default_factory=dict)
    #: Containers of a stand-in run without a process until they are told to end, or for so long.
    stands_in: bool = False
    stands_for: float | None = None
    #: Seconds that a pull takes.
    pull_seconds: float = 0.0


class Images:
    """A registry, and what is on the nodes."""

    def __init__(self) -> None:
        self._known: dict[str, Image] = {}
        self._refused: dict[str, str] = {}
        self._present: set[tuple[str, str]] = set()

    def add(self, name: str, image: Image | None = None) -> None:
        """Have an image in the registry."""
        self._refused.pop(with_tag(name), None)
        self._known[with_tag(name)] = image or Image()

    def refuse(self, name: str, message: str) -> None:
        """Have the pull of an image fail with a message."""
        self._refused[with_tag(name)] = message

    def clear(self) -> None:
        """Forget all images, of the registry and of the nodes."""
        self._known.clear()
        self._refused.clear()
        self._present.clear()

    def is_present(self, node: str, name: str) -> bool:
        return (node, with_tag(name)) in self._present

    def get(self, name: str) -> Image | None:
        """Return an image that can be pulled."""
        name = with_tag(name)
        return None if name in self._refused else self._known.get(name)

    def keep(self, node: str, name: str) -> None:
        self._present.add((node, with_tag(name)))

    def pull_error(self, name: str) -> str:
        """Return what containerd says of an image that it cannot pull."""
        full = with_tag(name)
        if full in self._refused:
            return self._refused[full]
        reference = _qualified(full)
        return (
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{reference}": failed to resolve '
            f'reference "{reference}": {reference}: not found'
        )


def name_error(name: str) -> str | None:
    """Return how an image's name is wrong, as the kubelet says it."""
    if _REFERENCE.match(name):
        return None
    why = "invalid reference format"
    if _REFERENCE.match(name.lower()):
        why = f"invalid reference format: repository name ({_without_tag(name)}) must be lowercase"
    return f'Failed to apply default image tag "{name}": couldn\'t parse image name "{name}": {why}'


def with_tag(name: str) -> str:
    """Return a name with the tag that it means."""
    if "@" in name or ":" in name.rpartition("/")[2]:
        return name
    return f"{name}:latest"


def _qualified(name: str) -> str:
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def _without_tag(name: str) -> str:
    last = name.rpartition("/")[2]
    bare = name[: len(name) - len(last)] + last.partition(":")[0]
    return bare if "/" in bare else f"library/{bare}"
