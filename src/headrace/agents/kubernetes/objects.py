"""What is read of the cluster's objects: the few fields that tell how a flow run's job fares."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

#: The labels of jobs and pods, by which they are found again.
AGENT = "headrace.io/agent"
FLOW_RUN = "headrace.io/flow-run-id"
ATTEMPT = "headrace.io/attempt"
#: The name of the container that the flow runs in.
CONTAINER = "headrace.io/container"
#: Set on jobs whose end the server knows, and that are left where they are.
RELEASED = "headrace.io/released"
#: Set on jobs whose template says for how many seconds they are kept when they are over, to these.
KEPT = "headrace.io/kept"


class _Read(msgspec.Struct, rename="camel", frozen=True):
    """The base of all: names as the API writes them, unknown fields passed over."""


class Metadata(_Read, frozen=True):
    """Whose object it is.

    Attributes:
        name: Its name.
        uid: What tells it from another of this name.
        resource_version: Which version of it this is.
        labels: Its labels.
        deletion_timestamp: When it is to be gone; None if nobody has deleted it.
        deletion_grace_period_seconds: How many seconds it was given for that.
    """

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None


class Condition(_Read, frozen=True):
    """What a controller has found out of an object.

    Attributes:
        type: Which matter it is about.
        status: `True`, `False` or `Unknown`.
        reason: One word for why.
        message: Why, for people.
    """

    type: str
    status: str
    reason: str | None = None
    message: str | None = None


class Idle(_Read, frozen=True):
    """A container that does not run yet: in one word, and for people, why."""

    reason: str | None = None
    message: str | None = None


class Live(_Read, frozen=True):
    """A container that runs."""

    started_at: str | None = None


class Terminated(_Read, frozen=True):
    """A container that has run.

    Attributes:
        exit_code: Its exit code; 128 and the signal's number if one killed it.
        reason: Why, in one word: `Completed`, `Error`, `OOMKilled`, `StartError`.
        message: Its last words, or what kept it from starting.
    """

    exit_code: int = 0
    reason: str | None = None
    message: str | None = None


class ContainerState(_Read, frozen=True):
    """How far a container is: one of these."""

    waiting: Idle | None = None
    running: Live | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Read, frozen=True):
    """A container, and how far it is."""

    name: str
    state: ContainerState = ContainerState()


class PodStatus(_Read, frozen=True):
    """How a pod fares.

    Attributes:
        phase: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        reason: Why, in one word, if it is the pod and not a container: `Evicted`.
        message: The same for people.
        conditions: What is known of it.
        container_statuses: Its containers.
        init_container_statuses: Those that run before.
    """

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class InitContainer(_Read, frozen=True):
    """A container that runs before, or with `Always` beside, the others."""

    name: str = ""
    restart_policy: str | None = None


class PodSpec(_Read, frozen=True):
    """Which node a pod is on, and what runs before its containers."""

    node_name: str | None = None
    init_containers: list[InitContainer] | None = None


class Pod(_Read, frozen=True):
    """A pod."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class JobSpec(_Read, frozen=True):
    """For how many seconds a job is kept when it is over; None for as long as nobody deletes it."""

    ttl_seconds_after_finished: int | None = None


class JobStatus(_Read, frozen=True):
    """What is known of a job."""

    conditions: list[Condition] | None = None


class Job(_Read, frozen=True):
    """A job."""

    metadata: Metadata
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


class Involved(_Read, frozen=True):
    """What an event is about."""

    kind: str | None = None
    name: str | None = None
    uid: str | None = None


class Event(_Read, frozen=True):
    """Something that a part of the cluster has to say of an object.

    Attributes:
        metadata: Whose object it is: the event itself.
        involved_object: What it is about.
        reason: What happened, in one word.
        message: The same for people.
        type: `Normal` or `Warning`.
    """

    metadata: Metadata
    involved_object: Involved = Involved()
    reason: str | None = None
    message: str | None = None
    type: str | None = None


class ListMetadata(_Read, frozen=True):
    """From where on to watch, and where the list goes on if this is a part of it."""

    resource_version: str = ""
    # The API calls it `continue`.
    more: str | None = msgspec.field(default=None, name="continue")


class Listed(_Read, Generic[T], frozen=True):
    """A list, or a part of one."""

    metadata: ListMetadata
    items: list[T] | None = None


class Change(_Read, frozen=True):
    """One line of a watch.

    Attributes:
        type: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
        object: The object as it is now, or was at last; with `ERROR`, what went wrong.
    """

    type: str
    object: msgspec.Raw


class Status(_Read, frozen=True):
    """What the API says when it does not do what it was asked.

    Attributes:
        message: Why, for people.
        reason: Why, in one word: `AlreadyExists`, `Forbidden`, `Expired`.
        code: The HTTP status.
    """

    message: str | None = None
    reason: str | None = None
    code: int | None = None


class Bookmark(_Read, frozen=True):
    """How far a watch is, when there is nothing else to say."""

    metadata: Metadata


def condition(found: list[Condition] | None, type: str) -> Condition | None:
    """Return the condition of this type if it holds."""
    for each in found or ():
        if each.type == type and each.status == "True":
            return each
    return None
