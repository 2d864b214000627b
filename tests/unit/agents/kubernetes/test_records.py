"""What the cluster says of a pod, its job and its events, and what the run is told for it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headrace.agents.kubernetes.objects import Event, Job, Pod
from headrace.agents.kubernetes.records import LOST, SETTLE, SLOW, Bounds, Record, judge
from headrace.agents.kubernetes.verdicts import Held, Over
from headrace.agents.launcher import Deployment

BOUNDS = Bounds(grace=15.0, pending=3600.0)
START = 1000.0


class World:
    """One deployment, and a clock that tests turn on."""

    def __init__(self) -> None:
        deployment = Deployment(flow_run_id="run", attempt=1, handle="headrace-run-1")
        self.record = Record(deployment=deployment, container="flow", since=START)
        self.now = START

    def pod(
        self,
        is_gone: bool = False,
        deleted: bool = False,
        sidecars: tuple[str, ...] = (),
        **status: Any,
    ) -> Over | Held | None:
        metadata: dict[str, Any] = {"name": "headrace-run-1-abcde", "uid": "1"}
        if deleted:
            metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z"}
            metadata |= {"deletionGracePeriodSeconds": 30}
        beside = [{"name": name, "restartPolicy": "Always"} for name in sidecars]
        spec = {"nodeName": "node-1", "initContainers": beside}
        found = {"metadata": metadata, "spec": spec, "status": status}
        self.record.see_pod(msgspec.convert(found, Pod), is_gone, self.now)
        return self.judge()

    def job(self, is_gone: bool = False, **condition: Any) -> Over | Held | None:
        conditions = [{"status": "True", **condition}] if condition else []
        found = {"metadata": {"name": "headrace-run-1"}, "status": {"conditions": conditions}}
        self.record.see_job(msgspec.convert(found, Job), is_gone, self.now)
        return self.judge()

    def event(self, reason: str, message: str, type: str = "Warning") -> Over | Held | None:
        found = {"metadata": {}, "reason": reason, "message": message, "type": type}
        self.record.see_event(msgspec.convert(found, Event))
        return self.judge()

    def after(self, seconds: float) -> Over | Held | None:
        """Look again some time later, as the launcher does only if it was asked to."""
        assert self.record.due is not None, "it would never be looked at again"
        assert self.record.due <= self.now + seconds
        self.now += seconds
        return self.judge()

    def judge(self) -> Over | Held | None:
        return judge(self.record, BOUNDS, self.now)


def waits(reason: str, message: str = "", name: str = "flow") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": name, "state": state}]}


RUNS = {"phase": "Running", "containerStatuses": [{"name": "flow", "state": {"running": {}}}]}


def ended(code: int, reason: str = "Error", message: str | None = None) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    return {"phase": "Failed", "containerStatuses": [{"name": "flow", "state": state}]}


def pending(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def disrupted(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
    return {"conditions": [condition]}


# -- before it begins ---------------------------------------------------------------------------


def test_a_pod_on_its_way_is_no_news_unless_it_is_slow() -> None:
    world = World()
    assert world.pod(**waits("ContainerCreating")) is None
    held = world.after(SLOW)
    assert held == Held(why="its pod is being started on node node-1", is_error=False)
    assert world.pod(**RUNS) is None


def test_no_room() -> None:
    world = World()
    message = "0/3 nodes are available: 3 Insufficient cpu."
    held = world.pod(**pending("Unschedulable", message))
    assert isinstance(held, Held)
    assert message in held.why
    over = world.after(3600.0)
    assert isinstance(over, Over)
    assert over.is_final
    assert message in over.how
    assert "3600 s" in over.how


@pytest.mark.parametrize(
    "message",
    [
        "failed to get sandbox container task: no running task found: task 1a2b not found",
        "error unpacking image: failed to extract layer: content digest sha256:1a2b: not found",
        'failed to reserve container name "flow": name "flow" is reserved for "1a2b"',
    ],
)
def test_what_is_wrong_with_a_node(message: str) -> None:
    world = World()
    assert isinstance(world.pod(**waits("CreateContainerError", message)), Held)
    world.now += 10 * BOUNDS.grace
    held = world.judge()
    assert isinstance(held, Held)
    assert message in held.why


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "RunContainerError",
            'exec: "/bin/headrace": stat /bin/headrace: no such file or directory',
        ),
        ("InvalidImageName", "Failed to apply default image tag: invalid reference format"),
        ("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never'),
        ("ErrImagePull", 'failed to resolve reference "r/x:1": r/x:1: not found'),
        ("ErrImagePull", "pull access denied, repository does not exist or may require login"),
        ("ErrImagePull", "failed to authorize: unexpected status: 401 Unauthorized"),
        ("ErrImagePull", "failed to resolve reference: geofence/timeout-unavailable:1: not found"),
        ("CreateContainerConfigError", 'secret "keys" not found'),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
    ],
)
def test_what_will_not_mend(reason: str, message: str) -> None:
    world = World()
    held = world.pod(**waits(reason, message))
    assert isinstance(held, Held)
    assert reason in held.why
    assert message in held.why
    over = world.after(BOUNDS.grace)
    assert isinstance(over, Over)
    assert (over.is_final, over.to_report) == (True, True)
    assert message in over.how


@pytest.mark.parametrize(
    "message",
    [
        "dial tcp 10.0.0.1:443: i/o timeout",
        "dial tcp: lookup registry on 10.0.0.10:53: no such host",
        "unexpected status from HEAD request to https://r/v2/x: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        'failed to do request: Head "https://r/v2/not-found/manifests/1": EOF',
        "failed to copy: read tcp 10.0.0.1:4: connection reset by peer: not found",
        'Get "https://r/v2/": net/http: request canceled (Client.Timeout exceeded): not found',
        'pulling "denied:1": r/auth/permission-denied:1: dial tcp: connect: no route to host',
    ],
)
def test_what_may_mend(message: str) -> None:
    world = World()
    assert isinstance(world.pod(**waits("ErrImagePull", message)), Held)
    world.now += 10 * BOUNDS.grace
    assert isinstance(world.judge(), Held)
    assert world.pod(**RUNS) is None


def test_a_pause_between_two_pulls_keeps_the_words_of_the_last() -> None:
    world = World()
    world.pod(**waits("ErrImagePull", "r/x:1: not found"))
    world.now += 5
    held = world.pod(**waits("ImagePullBackOff", 'Back-off pulling image "r/x:1"'))
    assert isinstance(held, Held)
    assert "r/x:1: not found" in held.why
    over = world.after(BOUNDS.grace - 5)
    assert isinstance(over, Over)


def test_an_image_that_comes_after_all() -> None:
    world = World()
    world.pod(**waits("ErrImagePull", "r/x:1: not found"))
    world.now += 5
    assert world.pod(**waits("ContainerCreating")) is not None
    world.now += BOUNDS.grace
    assert not isinstance(world.judge(), Over)


def test_a_volume_that_cannot_be_mounted_is_told_by_an_event() -> None:
    world = World()
    world.pod(**waits("ContainerCreating"))
    held = world.event("FailedMount", "MountVolume.SetUp failed: mount: the server is busy")
    assert isinstance(held, Held)
    assert "the server is busy" in held.why
    assert not held.is_hopeless
    held = world.event("FailedMount", 'MountVolume.SetUp failed: secret "keys" not found')
    assert isinstance(held, Held)
    assert 'secret "keys" not found' in held.why
    over = world.after(BOUNDS.grace)
    assert isinstance(over, Over)
    assert over.is_final


def test_a_warning_is_over_when_the_pod_goes_on() -> None:
    world = World()
    world.job()
    quota = 'Error creating: pods "x" is forbidden: exceeded quota: small'
    assert isinstance(world.event("FailedCreate", quota), Held)
    world.event("SuccessfulCreate", "Created pod: headrace-run-1-abcde", "Normal")
    assert world.pod(**waits("ContainerCreating")) is None
    assert isinstance(world.event("FailedMount", 'secret "keys" not found'), Held)
    assert world.event("Pulling", 'Pulling image "x"', "Normal") is None
    world.now += 10 * BOUNDS.grace
    assert world.judge() == Held(why="its pod is being started on node node-1", is_error=False)


def test_a_sidecar_of_the_pod_is_not_what_it_waits_for() -> None:
    world = World()
    runs = [{"name": "proxy", "state": {"running": {}}}]
    waiting = waits("PodInitializing")
    world.pod(**waiting, initContainerStatuses=runs)
    world.now += SLOW
    held = world.judge()
    assert isinstance(held, Held)
    assert "'proxy' runs" in held.why
    held = world.pod(**waiting, initContainerStatuses=runs, sidecars=("proxy",))
    assert isinstance(held, Held)
    assert "is being started on node node-1" in held.why
    # It is ended after all others, by a signal, which says nothing of why the pod failed.
    killed = [{"name": "proxy", "state": {"terminated": {"exitCode": 143}}}]
    failed = {**waiting, "phase": "Failed", "initContainerStatuses": killed}
    assert world.pod(**failed, sidecars=("proxy",)) == Over(how="its pod has ended as Failed")


def test_pods_that_cannot_be_made() -> None:
    world = World()
    world.job()
    quota = 'Error creating: pods "x" is forbidden: exceeded quota: small, requested: pods=1'
    held = world.event("FailedCreate", quota)
    assert isinstance(held, Held)
    assert not held.is_hopeless
    account = 'Error creating: pods "x" is forbidden: error looking up service account a/b: '
    account += 'serviceaccount "b" not found'
    held = world.event("FailedCreate", account)
    assert isinstance(held, Held)
    over = world.after(BOUNDS.grace)
    assert isinstance(over, Over)
    assert over.is_final
    assert 'serviceaccount "b" not found' in over.how


def test_a_suspended_job() -> None:
    world = World()
    held = world.job(type="Suspended", reason="JobSuspended", message="Job suspended")
    assert isinstance(held, Held)
    assert "Job suspended" in held.why


# -- how it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words", "to_report", "is_final"),
    [
        ({**ended(0, "Completed"), "phase": "Succeeded"}, ["exit code 0"], False, False),
        (ended(3), ["exit code 3"], True, False),
        (ended(137), ["SIGKILL", "137"], True, False),
        (ended(137, "OOMKilled"), ["out of memory", "OOMKilled", "137"], True, False),
        (
            ended(128, "StartError", 'exec: "headrace": executable file not found in $PATH'),
            ["could not be started", "executable file not found"],
            True,
            True,
        ),
        (
            ended(128, "StartError", "runc create failed: cgroup mountpoint does not exist"),
            ["could not be started", "cgroup mountpoint"],
            True,
            False,
        ),
        (
            ended(137, "ContainerStatusUnknown", "could not be located"),
            ["not there any more", "could not be located"],
            True,
            False,
        ),
        (
            {
                "phase": "Failed",
                "reason": "Evicted",
                "message": "The node was low on resource: memory.",
            },
            ["Evicted: The node was low on resource: memory."],
            True,
            False,
        ),
        (
            {"phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected"},
            ["OutOfcpu"],
            True,
            False,
        ),
        (
            {**ended(137), **disrupted("TerminationByKubelet", "node shutdown")},
            ["ended by its node", "node shutdown", "137"],
            True,
            False,
        ),
        (
            {
                "phase": "Failed",
                "initContainerStatuses": [
                    {"name": "prepare", "state": {"terminated": {"exitCode": 7}}}
                ],
                "containerStatuses": waits("PodInitializing")["containerStatuses"],
            },
            ["init container 'prepare'", "exit code 7"],
            True,
            False,
        ),
    ],
)
def test_ends(status: dict[str, Any], words: list[str], to_report: bool, is_final: bool) -> None:
    world = World()
    over = world.pod(**status)
    assert isinstance(over, Over)
    assert [word for word in words if word not in over.how] == []
    assert (over.to_report, over.is_final) == (to_report, is_final)


def test_a_sidecar_that_goes_on_does_not_hide_the_end() -> None:
    world = World()
    sidecar = {"name": "proxy", "state": {"running": {}}}
    status = ended(0, "Completed")
    status = {"phase": "Running", "containerStatuses": [sidecar, *status["containerStatuses"]]}
    assert isinstance(world.pod(**status), Over)


def test_the_node_tells_the_end_of_a_container_before_that_of_its_pod() -> None:
    last = ended(137)
    world = World()
    assert world.pod(**{**last, "phase": "Running"}) is None
    over = world.pod(**last, reason="Evicted", message="The node was low on resource: memory.")
    assert isinstance(over, Over)
    assert "low on resource: memory" in over.how
    assert "137" in over.how
    world = World()
    sidecar = {"name": "proxy", "state": {"running": {}}}
    statuses = [sidecar, *last["containerStatuses"]]
    assert world.pod(phase="Running", containerStatuses=statuses) is None
    over = world.after(SETTLE)  # its sidecar goes on for as long as it likes
    assert isinstance(over, Over)
    assert over.how.startswith("killed by SIGKILL")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("PreemptionByScheduler", "preempted"),
        ("EvictionByEvictionAPI", "evicted"),
        ("DeletionByTaintManager", "node was lost or drained"),
        ("DeletionByPodGC", "node is gone"),
    ],
)
def test_a_pod_that_somebody_ends_for_a_reason(reason: str, words: str) -> None:
    world = World()
    world.pod(**RUNS)
    assert world.pod(deleted=True, **{**RUNS, **disrupted(reason, "why")}) is None
    over = world.pod(deleted=True, **{**ended(137), **disrupted(reason, "why")})
    assert isinstance(over, Over)
    assert words in over.how
    assert "why" in over.how
    assert not over.is_final


def test_a_pod_that_is_deleted_from_outside() -> None:
    world = World()
    world.job()
    world.pod(**RUNS)
    world.pod(deleted=True, **RUNS)
    assert world.pod(deleted=True, **ended(143)) is None  # perhaps there is a cause to be heard
    over = world.after(SETTLE)
    assert isinstance(over, Over)
    assert over.how.startswith("its pod was deleted from outside: ")
    assert "SIGTERM" in over.how


def test_a_pod_that_is_being_deleted_is_not_being_started() -> None:
    world = World()
    world.pod(**RUNS)
    world.now += 10 * SLOW
    # Its node does not find its container any more.
    lost = {**waits("ContainerCreating"), "phase": "Running"}
    assert world.pod(deleted=True, **lost) is None
    over = world.pod(deleted=True, **{**lost, "phase": "Failed"})
    assert over is None  # perhaps there is a cause to be heard
    over = world.after(SETTLE)
    assert isinstance(over, Over)
    assert over.how.startswith("its pod was deleted from outside")


def test_a_pod_that_is_gone_without_a_word() -> None:
    world = World()
    world.pod(**RUNS)
    assert world.pod(is_gone=True, **RUNS) is None
    over = world.after(SETTLE)
    assert over == Over(how="its pod was deleted from outside")


def test_a_deadline() -> None:
    world = World()
    world.pod(**RUNS)
    world.pod(deleted=True, **RUNS)
    assert world.pod(deleted=True, **ended(15)) is None
    world.now += 0.2
    over = world.job(type="FailureTarget", reason="DeadlineExceeded", message="Job was active long")
    assert isinstance(over, Over)
    assert over.how.startswith("DeadlineExceeded: Job was active long: ")


def test_a_job_that_is_deleted_from_outside() -> None:
    world = World()
    world.job()
    world.pod(**RUNS)
    assert world.job(is_gone=True) is None  # its pod may go on for a while
    over = world.pod(deleted=True, **ended(15))
    assert isinstance(over, Over)
    assert "its job was deleted from outside" in over.how
    assert "asked to end" in over.how


def test_a_job_that_is_deleted_before_it_has_a_pod() -> None:
    world = World()
    world.job()
    world.job(is_gone=True)
    assert world.after(SETTLE) == Over(how="its job was deleted from outside")


def test_a_failed_job_whose_pod_is_seen_late() -> None:
    world = World()
    assert world.job(type="Failed", reason="BackoffLimitExceeded", message="limit") is None
    over = world.pod(**ended(3))
    assert isinstance(over, Over)
    assert "exit code 3" in over.how


def test_what_the_agent_has_ended_itself() -> None:
    world = World()
    world.pod(**RUNS)
    world.record.cancelled = True
    over = world.pod(deleted=True, **ended(15))
    assert isinstance(over, Over)
    assert over.how.startswith("it was cancelled: ")


def test_a_node_that_does_not_answer() -> None:
    world = World()
    world.pod(**RUNS)
    assert world.event("NodeNotReady", "Node is not ready") is None
    world.pod(deleted=True, **RUNS)
    over = world.after(30 + LOST)
    assert isinstance(over, Over)
    assert "node-1 does not answer" in over.how
    assert "Node is not ready" in over.how


def test_a_node_that_is_back_has_ended_nothing() -> None:
    world = World()
    world.pod(**RUNS, conditions=[{"type": "Ready", "status": "True"}])
    world.event("NodeNotReady", "Node is not ready")
    world.pod(**RUNS, conditions=[{"type": "Ready", "status": "False"}])
    world.pod(**RUNS, conditions=[{"type": "Ready", "status": "True"}])
    world.pod(deleted=True, **ended(143))
    over = world.after(SETTLE)
    assert isinstance(over, Over)
    assert over.how.startswith("its pod was deleted from outside")


def test_another_pod_of_the_same_job_changes_nothing() -> None:
    world = World()
    world.pod(**RUNS)
    other = {"metadata": {"name": "b", "uid": "2"}, "status": ended(3)}
    world.record.see_pod(msgspec.convert(other, Pod), False, world.now)
    assert world.judge() is None
