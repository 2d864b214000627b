"""Every error that Headrace raises, in one place.

Each message names the input that was wrong and the way out.

```text
HeadraceError
├── FlowError (ValueError)             a flow that cannot be built or run as written
│   ├── CycleError                     its tasks depend on each other in a circle
│   ├── DuplicateSlugError             two tasks claim one slug
│   ├── ParameterError                 a parameter is unknown, missing or doubled
│   └── NotInFlowError                 a task is called, or named, outside its flow
├── ExecutorError (RuntimeError)       an executor cannot be started or has been lost
│   └── ExecutionLost                  a submission ended with no word: its worker died
├── SerializationError (TypeError)     a task, an input or a result cannot be pickled
├── ResultNotImplementedError          a result that has no place to read from or write to
├── MissingExtraError (ImportError)    an optional package is not installed
└── TransitionError (RuntimeError)     the engine was asked for a step that cannot follow
```
"""

from __future__ import annotations


class HeadraceError(Exception):
    """The root of all errors of Headrace."""


class FlowError(HeadraceError, ValueError):
    """A flow that cannot be built or run as it is written."""


class CycleError(FlowError):
    """Tasks of a flow depend on each other in a circle."""


class DuplicateSlugError(FlowError):
    """Two tasks of a flow claim the same slug."""


class ParameterError(FlowError):
    """A flow's parameter is unknown, missing or given twice."""


class NotInFlowError(FlowError):
    """A task was called outside a flow, or is not part of the flow that was asked."""


class ExecutorError(HeadraceError, RuntimeError):
    """An executor could not be started, or does not answer any more."""


class ExecutionLost(ExecutorError):
    """A submission ended without a word, because the worker that held it died.

    Args:
        worker: The worker's address or process id, as the executor knows it.
    """

    def __init__(self, worker: str) -> None:
        super().__init__(f"The worker {worker} was lost.")
        self.worker = worker


class SerializationError(HeadraceError, TypeError):
    """A task, an input or a result cannot be pickled, but has to travel to another process."""


class ResultNotImplementedError(HeadraceError, NotImplementedError):
    """This result has no place to read from or write to; use one of `headrace.results`."""


class MissingExtraError(HeadraceError, ImportError):
    """An optional package that this feature needs is not installed.

    Args:
        feature: What was asked for, as the user wrote it.
        extra: The extra of `headrace` that brings the package.
        package: The name of the package that could not be imported.
    """

    def __init__(self, feature: str, extra: str, package: str) -> None:
        super().__init__(
            f"{feature} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'headrace[{extra}]'"
        )
        self.feature = feature
        self.extra = extra
        self.package = package


class TransitionError(HeadraceError, RuntimeError):
    """The engine was asked for a step that cannot follow the ones before: a fault of Headrace."""
