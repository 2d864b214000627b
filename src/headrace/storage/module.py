"""`Module`: flows in modules that are installed where they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from headrace.core.errors import StorageError
from headrace.storage.base import Storage

if TYPE_CHECKING:
    from headrace.flow import Flow


class Module(Storage):
    """Flows in a module that can be imported where they run: in an image, an installed package.

    A run takes the module as it is there: which version that is, is the deployment's matter.

    Args:
        module: The module's dotted name; `__name__` for the one that this stands in.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If the module has no name that can be imported.

    Example:
        ```python
        flow.storage = Module("company.flows")
        ```
    """

    described: ClassVar[tuple[str, ...]] = ("module",)

    def __init__(self, module: str, **kwargs: Any) -> None:
        if not module or not str(module)[:1].isidentifier():
            raise StorageError(
                f"A Module storage needs the dotted name of a module, not {module!r}. Name one that "
                "can be imported where the flow runs, such as 'company.flows'."
            )
        if module == "__main__":
            raise StorageError(
                "A Module storage of '__main__' would load whatever program a run is started by. "
                "Give the name under which the file can be imported, or use "
                "Local(path=__file__, stored_as_script=True)."
            )
        super().__init__(**kwargs)
        self.module = module

    def add_flow(self, flow: Flow) -> str:
        """Take a flow in; return the module's name."""
        self.check_name(flow)
        return self.keep(flow, self.module)

    def get_flow(self, flow_name: str) -> Flow:
        """Import the module and return the flow; errors are those of every storage."""
        from headrace.loading import extract_flow_from_module

        return extract_flow_from_module(self.location_of(flow_name), flow_name)
