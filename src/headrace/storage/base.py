"""`Storage`: where flows' code is kept, and how a run gets it back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from headrace.config import config
from headrace.core.errors import StorageError
from headrace.core.preparation import prepare_as, prepared
from headrace.core.undefined import undefined

if TYPE_CHECKING:
    from logging import Logger

    from headrace.core.result import Result
    from headrace.flow import Flow


class Storage(ABC):
    """Where the code of flows is kept; the base of all kinds.

    A registered flow is found again by its storage alone: what `serialize` says goes to the server
    and from there to the run, which rebuilds the storage (`storage_from`) and asks it for the flow.
    So a storage holds addresses and *names* of secrets, never a secret or code.

    A kind implements `add_flow` and `get_flow`, takes its own constructor arguments besides those
    below, keeps each as an attribute of the same name, and lists them in `described`.
    `headrace.testing.StorageContract` is the test of one.

    Args:
        result: Where results are stored of flows that do not say it themselves. It stays with the
            flow's code and is no part of the description.
        secrets: Names of secrets that a run needs.
        labels: Labels that an agent must have to run flows of this storage.
        add_default_labels: Whether `default_labels` belong to its labels; by default as configured
            (`flows.defaults.storage.add_default_labels`).
        stored_as_script: Whether flows are kept as the Python files that make them.

    Attributes:
        flows: By the name of each flow that it has, where the flow is.
        prepared_by: What a process does before it loads a flow, as the one did that added it: the
            names of modules, as in `headrace.core.preparation`.

    Raises:
        StorageError: If labels or secrets are no strings.
    """

    #: The constructor arguments of a kind that its description has, apart from those of all kinds.
    described: ClassVar[tuple[str, ...]] = ()
    #: What its description has for each flow, by name.
    by_flow: ClassVar[tuple[str, ...]] = ("flows",)
    #: Whether `build` writes to where others read, so that nothing but registration may call it.
    is_elsewhere: ClassVar[bool] = False

    def __init__(
        self,
        result: Result | None = None,
        secrets: Iterable[str] | None = None,
        labels: Iterable[str] | None = None,
        add_default_labels: bool | None = None,
        stored_as_script: bool = False,
    ) -> None:
        self.result = result
        self.secrets = _strings(self, "secrets", secrets)
        self.stored_as_script = stored_as_script
        self.add_default_labels: bool = (
            config.flows.defaults.storage.add_default_labels
            if add_default_labels is None
            else add_default_labels
        )
        self.flows: dict[str, str] = {}
        self.prepared_by: list[str] = []
        self._labels = _strings(self, "labels", labels)
        #: The flows that were added here; those of a storage that was rebuilt are not among them.
        self._flows: dict[str, Flow] = {}

    def __repr__(self) -> str:
        return f"<Storage: {self.name}>"

    def __contains__(self, flow_name: object) -> bool:
        return flow_name in self.flows

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return id(self)  # flows are added to it, so it cannot be known by what it has

    def __getstate__(self) -> dict[str, Any]:
        # A flow that is pickled takes its storage along, but not the storage's other flows.
        return {**self.__dict__, "_flows": {}}

    @property
    def name(self) -> str:
        """The name of its kind."""
        return type(self).__name__

    @property
    def logger(self) -> Logger:
        """The logger named after its kind."""
        from headrace.config.logging import get_logger

        return get_logger(type(self).__name__)

    @property
    def default_labels(self) -> list[str]:
        """Labels that this kind adds by itself."""
        return []

    @property
    def script_here(self) -> str | None:
        """The Python file of this machine that is kept, if there is one and it is known."""
        return None

    @property
    def is_tried(self) -> bool:
        """Whether `build` loads the flows where they will run, so that nobody needs to try it again."""
        return False

    @property
    def labels(self) -> list[str]:
        """All labels that an agent must have, sorted."""
        own = self.default_labels if self.add_default_labels else []
        return sorted({*self._labels, *own})

    # -- keeping and loading ------------------------------------------------------------------

    @abstractmethod
    def add_flow(self, flow: Flow) -> str:
        """Take a flow in; one that was added before is taken in again, as it is now.

        Args:
            flow: The flow.

        Returns:
            Where the flow is, in the words of this kind of storage.

        Raises:
            StorageError: If another flow of this name was added, or the flow cannot be kept.
        """

    def get_flow(self, flow_name: str) -> Flow:
        """Load a flow. This runs its code.

        Args:
            flow_name: The flow's name.

        Returns:
            The flow, with the executor that its code gives it.

        Raises:
            StorageError: If the storage has no such flow, or cannot be read.
            LoadError: If the code makes no such flow.
            Exception: Whatever the code raises.
        """
        raise undefined(self, "get_flow", "a method that loads the flow of a name and returns it")

    def build(self) -> Self:
        """Make what is needed for the flows to be loaded elsewhere; call it when all are added.

        Returns:
            This storage.
        """
        return self

    def pinned(self) -> Storage:
        """Return this storage, bound to the code as it is now: to a commit, if it knows such.

        Raises:
            StorageError: If it cannot be found out.
        """
        return self

    def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Give back what loading has taken on this machine, such as a checkout.

        Call it when the flow has run: until then its tasks may import what stands beside it. Does
        nothing if there is nothing to give back, or the storage is used again later.
        """

    # -- description --------------------------------------------------------------------------

    def serialize(self) -> dict[str, Any]:
        """Describe the storage in JSON-able data, the same for the same storage.

        Raises:
            StorageError: If a described argument is no JSON.
        """
        import json

        kind = type(self)
        ours = kind.__module__.startswith("headrace.storage.")
        values = {
            "type": kind.__name__ if ours else f"{kind.__module__}:{kind.__qualname__}",
            "flows": dict(sorted(self.flows.items())),
            "secrets": self.secrets,
            "labels": sorted(self._labels),
            "add_default_labels": self.add_default_labels,
            "stored_as_script": self.stored_as_script,
            "prepared_by": self.prepared_by,
            **{field: getattr(self, field) for field in self.described},
        }
        try:
            described: dict[str, Any] = json.loads(json.dumps(values))
        except (TypeError, ValueError) as error:
            raise StorageError(
                f"This {self.name} storage cannot be described: an argument of it is no JSON: {error}"
            ) from error
        return described

    def serialize_for(self, flow_name: str) -> dict[str, Any]:
        """Describe the storage as it is for one of its flows, whatever others share it.

        So a flow's description does not change when another flow is added.

        Args:
            flow_name: The flow's name.

        Raises:
            StorageError: If the storage has no such flow, or cannot be described.
        """
        self.location_of(flow_name)
        described = self.serialize()
        for field in self.by_flow:
            described[field] = {
                name: value for name, value in described[field].items() if name == flow_name
            }
        return described

    def known_by(self, flow_name: str) -> dict[str, Any]:
        """Return what tells whether a flow's code has changed: as a rule, all of its description.

        Args:
            flow_name: The flow's name.

        Raises:
            StorageError: If the storage has no such flow, or cannot be described.
        """
        return self.serialize_for(flow_name)

    def restore(self, description: dict[str, Any]) -> None:
        """Take over, when a storage is rebuilt, what is no constructor argument.

        Args:
            description: What `serialize` gave.
        """
        self.flows = dict(description.get("flows") or {})
        self.prepared_by = list(description.get("prepared_by") or ())

    # -- what `add_flow` and `get_flow` of a kind are made with ------------------------------------------------------------------------

    def keep(self, flow: Flow, location: str) -> str:
        """Note that a flow is at `location`; return that. For `add_flow`, when the flow is there."""
        self.flows[flow.name] = location
        self._flows[flow.name] = flow
        self.prepared_by = sorted({*self.prepared_by, *prepared()})
        return location

    def check_name(self, flow: Flow) -> None:
        """Make sure that no other flow of this name was added.

        Raises:
            StorageError: If one was.
        """
        if self._flows.get(flow.name, flow) is not flow:
            raise StorageError(
                f"There are two flows named {flow.name!r} in one {self.name} storage, which knows "
                "them by their names. Give one of them another name, or a storage of its own."
            )

    def location_of(self, flow_name: str) -> str:
        """Return where a flow is, after doing what has to be done before it is loaded.

        Raises:
            StorageError: If it is not here.
        """
        if flow_name not in self.flows:
            names = ", ".join(map(repr, self.flows)) or "none"
            raise StorageError(
                f"There is no flow {flow_name!r} in this {self.name} storage. Flows there: {names}."
            )
        prepare_as(self.prepared_by)
        return self.flows[flow_name]


def _strings(storage: Storage, argument: str, values: Iterable[str] | None) -> list[str]:
    listed: list[Any] = list(values or ())
    if isinstance(values, str) or not all(isinstance(value, str) for value in listed):
        raise StorageError(
            f"The {argument} of a {type(storage).__name__} storage are a list of strings, not "
            f"{values!r}."
        )
    return listed
