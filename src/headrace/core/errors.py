"""Every error that Headrace raises, in one place.

Each message names the input that was wrong and the way out.

```text
HeadraceError
├── FlowError (ValueError)             a flow that cannot be built or run as written
│   ├── CycleError                     its tasks depend on each other in a circle
│   ├── DuplicateSlugError             two tasks claim one slug
│   ├── EdgeError                      two tasks cannot be connected in this way
│   ├── ParameterError                 a parameter is unknown, missing or doubled
│   ├── NotInFlowError                 a task is called, or named, outside its flow
│   └── LoadError                      a file or module does not give the flow that is asked for
│       ├── FileOfFlowsNotFound (FileNotFoundError)  there is no such file
│       └── NoFlowFound                there is no flow at all in it
├── TaskDefinitionError (ValueError)   a task's settings or its run signature cannot be used
├── ArgumentError (TypeError)          the arguments of a call do not fit the task's run
├── MappingError (TypeError)           a value that a task cannot be mapped over
├── TaskTypeError (TypeError)          an object of the wrong kind where a task, or its setting, is meant
├── ConfigError (ValueError)           a setting has a wrong type, or cannot be read
│   └── SettingNotFound (AttributeError)  there is no such setting
├── SecretError (ValueError)           a secret is not there, or cannot be asked for here
├── ScheduleError (ValueError)         a schedule, or a part of one, cannot be used as written
│   ├── ScheduleTypeError (TypeError)  one of its arguments is of the wrong kind
│   ├── CronError                      a cron expression is wrong, or names no time at all
│   ├── ZoneError                      a time zone is unknown, or has no name to be stored by
│   ├── NoMoreEventsError              an event was asked of a schedule that has none left
│   └── ScheduleSerializationError     a part of a schedule has no serialised form
├── ExecutorError (RuntimeError)       an executor cannot be started or has been lost
│   ├── ExecutionLost                  a submission ended with no word: its worker died
│   └── ValueLost                      a value that was needed died with its worker
├── SerializationError (TypeError)     a task, an input or a result cannot be pickled
├── ResultError (ValueError)           a result cannot be stored or read as asked
│   ├── LocationError                  its location cannot be formed, or leads elsewhere
│   ├── ResultNotFound (FileNotFoundError)  nothing is stored at its location
│   └── DeserializationError           what is stored is not what its serializer writes
├── ResultNotImplementedError          a result that has no place to read from or write to
├── StorageError (ValueError)          a storage cannot keep a flow, or does not give it back
│   └── RepositoryError                a Git repository, or what is asked of it, cannot be had
├── RegistrationError (ValueError)     a flow cannot be registered as it is
├── CommandError (RuntimeError)        a program that a task runs cannot be started
├── RunConfigError (ValueError)        a run config cannot be used as it is written
├── NotificationError (ValueError)     a message could not be sent
├── MissingExtraError (ImportError)    an optional package is not installed
├── MissingProgramError (RuntimeError) a program that a feature calls is not installed
├── CompatError                        flow files written for another library cannot be run
│   ├── PrefectInstalledError (ImportError)  a package named `prefect` is installed
│   ├── NotOfferedError (ImportError)  a module, or a name in one, that Headrace does not offer
│   ├── AttributeNotOfferedError (AttributeError)  the same, asked for as an attribute
│   └── CallNotOfferedError (NotImplementedError)  a call that there is nothing for
├── ClientError (RuntimeError)         a server cannot do what it was asked to, or is not reached
│   ├── ServerUnreachable (ConnectionError)  nothing answers, or not to the end
│   │   └── ServerFailed               the server has failed, or is too busy
│   ├── NotAuthorized (PermissionError)  the key is missing, wrong or not enough
│   ├── NotFound (LookupError)         there is no such project, flow, flow run …
│   ├── Conflict                       what was asked for does not go with what there is
│   ├── TooManyRequests                asked too often
│   ├── Refused (ValueError)           what was asked for is not right in itself
│   ├── VersionMismatch                client and server do not understand each other
│   ├── NoHeadraceServer               something else answers at the address
│   └── NotInTime (TimeoutError)       what was waited for has not come in time
├── NotJsonError (TypeError)           a value that is to be sent to the server is no JSON
├── ServerError (RuntimeError)         a server cannot be started, or cannot be where it is to be
├── DatabaseError (RuntimeError)       the server's database cannot be used as asked
│   ├── DatabaseBusy                   more waits to be written than it keeps up with: ask again later
│   ├── DatabaseUnavailable            it cannot be reached, or did not say whether it has written
│   └── DatabaseVersionError           its tables are not those of this version of Headrace
├── ChannelError (RuntimeError)        a runner and its supervisor do not understand each other
├── DeploymentError (RuntimeError)     an agent cannot start the process of a flow run
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


class EdgeError(FlowError):
    """Two tasks cannot be connected in the way that was asked."""


class ParameterError(FlowError):
    """A flow's parameter is unknown, missing or given twice."""


class NotInFlowError(FlowError):
    """A task was called outside a flow, or is not part of the flow that was asked."""


class LoadError(FlowError):
    """A file or a module does not give the flow that is asked of it."""


class FileOfFlowsNotFound(LoadError, FileNotFoundError):
    """There is no file of this name that a flow could be loaded from."""


class NoFlowFound(LoadError):
    """There is no flow at all in a file or a module."""


class TaskDefinitionError(HeadraceError, ValueError):
    """A task's settings contradict each other, or its `run` has a signature that cannot be used."""


class ArgumentError(HeadraceError, TypeError):
    """The arguments of a call do not fit the signature of the task's `run`."""


class MappingError(HeadraceError, TypeError):
    """A task was to be mapped over a value that is not a sequence."""


class TaskTypeError(HeadraceError, TypeError):
    """An object of the wrong kind stands where a task, or one of its settings, is meant."""


class ConfigError(HeadraceError, ValueError):
    """A setting has a value of a wrong type, or the file that holds it cannot be read."""


class SettingNotFound(ConfigError, AttributeError):
    """There is no setting of this name."""


class SecretError(HeadraceError, ValueError):
    """A secret is nowhere to be found, or cannot be asked for here."""


class ScheduleError(HeadraceError, ValueError):
    """A schedule, or a clock, filter or adjustment of it, cannot be used as it is written."""


class ScheduleTypeError(ScheduleError, TypeError):
    """An argument of a schedule, or of a part of it, is of the wrong kind."""


class CronError(ScheduleError):
    """A cron expression is wrong, or no time ever matches it.

    Args:
        expression: The expression, as the user wrote it.
        reason: What is wrong with it.
    """

    def __init__(self, expression: str, reason: str) -> None:
        super().__init__(f"The cron expression {expression!r} cannot be used: {reason}.")
        self.expression = expression
        self.reason = reason

    def __reduce__(self) -> tuple[type[CronError], tuple[str, str]]:
        # An exception is remade from `args`, which hold the message here and not the arguments.
        return type(self), (self.expression, self.reason)


class ZoneError(ScheduleError):
    """A time zone is not known on this machine, or has no name that it could be stored by."""


class NoMoreEventsError(ScheduleError):
    """An event was asked of a schedule that has none left, or never had any."""


class ScheduleSerializationError(ScheduleError):
    """A part of a schedule has no serialised form, or a serialised schedule cannot be read."""


class ExecutorError(HeadraceError, RuntimeError):
    """An executor could not be started, or does not answer any more."""


class ExecutionLost(ExecutorError):
    """A submission ended without a word, because the worker that held it died.

    Args:
        worker: The worker's address or process id, as the executor knows it.
        may_be_why: Whether the submission may be why the worker died; False if the executor knows
            of another one that is.
    """

    def __init__(self, worker: str, may_be_why: bool = True) -> None:
        super().__init__(f"The worker {worker} was lost.")
        self.worker = worker
        self.may_be_why = may_be_why

    def __reduce__(self) -> tuple[type[ExecutionLost], tuple[str, bool]]:
        return type(self), (self.worker, self.may_be_why)


class ValueLost(ExecutorError):
    """A submission could not run, because a value that it needs died with its worker.

    Args:
        worker: The worker's address or process id, as the executor knows it.
        keys: The keys of the submissions that had kept what is lost.
    """

    def __init__(self, worker: str, keys: tuple[str, ...] = ()) -> None:
        super().__init__(f"A value was lost with worker {worker}.")
        self.worker = worker
        self.keys = keys

    def __reduce__(self) -> tuple[type[ValueLost], tuple[str, tuple[str, ...]]]:
        return type(self), (self.worker, self.keys)


class SerializationError(HeadraceError, TypeError):
    """A task, an input or a result cannot be pickled, but has to travel to another process."""


class ResultError(HeadraceError, ValueError):
    """A result cannot be stored or read in the way that was asked."""


class LocationError(ResultError):
    """A result's location cannot be formed from its template, or leads out of its place."""


class ResultNotFound(ResultError, FileNotFoundError):
    """Nothing is stored at a result's location."""


class DeserializationError(ResultError):
    """What is stored at a result's location is not what its serializer writes."""


class ResultNotImplementedError(HeadraceError, NotImplementedError):
    """This result has no place to read from or write to; use one of `headrace.results`."""


class StorageError(HeadraceError, ValueError):
    """A storage cannot keep a flow, or does not give back the one that it is asked for."""


class RepositoryError(StorageError):
    """A Git repository, or a branch, tag, commit or file of it, cannot be had."""


class RegistrationError(HeadraceError, ValueError):
    """A flow cannot be registered as it is."""


class CommandError(HeadraceError, RuntimeError):
    """A program that a task is to run cannot be started."""


class RunConfigError(HeadraceError, ValueError):
    """A run config has an argument of a wrong type, or arguments that contradict each other."""


class NotificationError(HeadraceError, ValueError):
    """A message to people could not be sent, or not be put together."""


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


class MissingProgramError(HeadraceError, RuntimeError):
    """A program that this feature calls is not installed, or not on the PATH.

    Args:
        feature: What was asked for, as the user wrote it.
        program: The name of the program.
        remedy: How to do without it, or where to get it.
    """

    def __init__(self, feature: str, program: str, remedy: str) -> None:
        super().__init__(
            f"{feature} needs the program {program!r}, which is not on the PATH. {remedy}"
        )
        self.feature = feature
        self.program = program


class CompatError(HeadraceError):
    """A flow file that was written for another library cannot be run as it is."""


class PrefectInstalledError(CompatError, ImportError):
    """A package named `prefect` is installed where Headrace is to stand in for it.

    Args:
        where: The file that it is, or would be, imported from.
        imported: Whether it has been imported already.
    """

    def __init__(self, where: str, imported: bool) -> None:
        if imported:
            done = "has been imported already"
            first = "Import headrace.compat.prefect before it"
        else:
            done = "is installed"
            first = "Uninstall it"
        super().__init__(
            f"A package named 'prefect' {done}, from {where}, and Headrace does not hide it unasked. "
            f"{first}; or let Headrace win, by the environment variable HEADRACE_PREFECT1=replace or "
            f"by headrace.compat.prefect.install(replace=True)."
        )
        self.where = where
        self.imported = imported

    def __reduce__(self) -> tuple[type[PrefectInstalledError], tuple[str, bool]]:
        # An exception is remade from `args`, which hold the message here and not the arguments.
        return type(self), (self.where, self.imported)


class NotOfferedError(CompatError, ImportError):
    """A module that existed in another library, or a name in one, is not offered."""


class AttributeNotOfferedError(CompatError, AttributeError):
    """A name that existed in a module of another library is not offered."""


class CallNotOfferedError(CompatError, NotImplementedError):
    """A call that another library could do, with arguments for which Headrace has nothing."""


class ClientError(HeadraceError, RuntimeError):
    """A server cannot do what it was asked to, or is not reached.

    Args:
        message: What is wrong, and the way out.
        code: What is wrong, for programs, as the server says it; None if it has not said it.
        status: The HTTP status of the answer; None if there was none.
    """

    def __init__(self, message: str, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    def __reduce__(self) -> tuple[type[ClientError], tuple[str, str | None, int | None]]:
        return type(self), (str(self), self.code, self.status)


class ServerUnreachable(ClientError, ConnectionError):
    """No server answers, or not to the end. The same request may do later."""


class ServerFailed(ServerUnreachable):
    """The server has failed, or is too busy. The same request may do later."""


class NotAuthorized(ClientError, PermissionError):
    """The key is missing, wrong, expired or revoked, or it is not for what was asked."""


class NotFound(ClientError, LookupError):
    """There is nothing of the name or id that was asked for."""


class Conflict(ClientError):
    """What was asked for does not go with what there is."""


class TooManyRequests(ClientError):
    """The server was asked too often. The same request may do later."""


class Refused(ClientError, ValueError):
    """What was asked for is not right in itself."""


class VersionMismatch(ClientError):
    """Client and server speak different versions of the messages."""


class NoHeadraceServer(ClientError):
    """Something answers at the address, but no Headrace server."""


class NotInTime(ClientError, TimeoutError):
    """What was waited for has not come in the time that was given."""


class NotJsonError(HeadraceError, TypeError):
    """A value that is to be sent to the server has no JSON."""


class ServerError(HeadraceError, RuntimeError):
    """A server cannot be started as asked: its port is taken, its address open, its set-up wrong."""


class DatabaseError(HeadraceError, RuntimeError):
    """The server's database cannot be used as asked."""


class DatabaseBusy(DatabaseError):
    """More waits to be written, or read, than the database keeps up with: ask again later."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or did not say whether it has written what it was asked to."""


class DatabaseVersionError(DatabaseError):
    """The database's tables are not those of this version of Headrace."""


class TransitionError(HeadraceError, RuntimeError):
    """The engine was asked for a step that cannot follow the ones before: a fault of Headrace."""


class ChannelError(HeadraceError, RuntimeError):
    """A runner and its supervisor do not understand each other."""


class DeploymentError(HeadraceError, RuntimeError):
    """An agent cannot start the process, container or job of a flow run.

    Args:
        message: Why, in the platform's own words.
        is_final: Whether another attempt could not be started either: the run fails at once.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
