"""An ECS endpoint that does as a test says: refuses, throttles, runs out of room, stops tasks.

It runs nothing. What it is asked and what it answers is held to what AWS publishes: a request with a
field that ECS does not know is refused, and an answer that ECS would not give fails the test.
"""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.components.ecs import aws_environment
from tests.support.aws_shapes import objections_to_answer, objections_to_request

ACCOUNT = "000000000000"
REGION = "eu-central-1"
CLUSTER = "flows"
_PREFIX = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
#: How many items a page has, and how many one request may name.
_PAGE = 100


class Refusal(Exception):
    """An error that ECS answers with: its code, its words, its fields."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"__type": code, "message": message, **fields}


class FakeEcs:
    """ECS with one cluster.

    Attributes:
        url: Where it is.
        calls: How often each operation was called.
        tasks: Its tasks, by ARN, as `DescribeTasks` tells of them.
        definitions: The revisions of each family.
        starts_at_once: Whether tasks run as soon as they are asked for.
        strict: Whether startedBy has to be the only filter of `ListTasks`, as its reference says.
        problems: What was not as AWS publishes it; a test asserts that there is nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.definitions: dict[str, list[dict[str, Any]]] = {}
        self.strict = False
        self.starts_at_once = False
        self.problems: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        #: How many seconds each call of an operation takes.
        self.slow: dict[str, float] = {}
        #: Whether requests and answers are looked at; benchmarks do without.
        self.checks = True
        self._lock = threading.RLock()
        self._refusals: dict[str, deque[Refusal]] = {}
        self._no_room: deque[dict[str, str]] = deque()
        self._tokens: dict[str, tuple[Any, list[str]]] = {}

    @property
    def env(self) -> dict[str, str]:
        """What boto3 has to have in its environment to speak to it."""
        return aws_environment(self.url, REGION)

    # -- what a test says -------------------------------------------------------------------------

    def refuse(
        self, operation: str, code: str, message: str, times: int = 1, status: int = 400
    ) -> None:
        """Refuse the next calls of an operation."""
        refusals = self._refusals.setdefault(operation, deque())
        refusals.extend(Refusal(code, message, status) for _ in range(times))

    def has_no_room(self, reason: str, detail: str = "") -> None:
        """Have the next `RunTask` answer with a failure."""
        failure = {"arn": f"{_PREFIX}:container-instance/{CLUSTER}/1", "reason": reason}
        self._no_room.append(failure | ({"detail": detail} if detail else {}))

    def change(self, arn: str, flow: dict[str, Any] | None = None, **fields: Any) -> None:
        """Change what ECS tells of a task, and of its container."""
        with self._lock:
            task = self.tasks[arn]
            task.update(fields)
            for container in task["containers"]:
                if container["name"] == "flow":
                    container.update(flow or {})

    def stop(self, arn: str, code: str, reason: str, flow: dict[str, Any] | None = None) -> None:
        """Have a task be stopped."""
        self.change(
            arn,
            {"lastStatus": "STOPPED", **(flow or {})},
            lastStatus="STOPPED",
            desiredStatus="STOPPED",
            stopCode=code,
            stoppedReason=reason,
            stoppedAt=time.time(),
        )

    def forget(self, arn: str) -> None:
        """Have a task be unknown, as one is that stopped an hour ago."""
        with self._lock:
            del self.tasks[arn]

    # -- what it is asked -------------------------------------------------------------------------

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a request, as ECS does."""
        with self._lock:
            self.calls[operation] += 1
            self.in_flight += 1
            self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            time.sleep(self.slow.get(operation, 0.0))
            with self._lock:
                if refusals := self._refusals.get(operation):
                    raise refusals.popleft()
                if self.checks and (objections := objections_to_request("ecs", operation, request)):
                    self.problems.append(f"{operation}: {objections}")
                    raise Refusal("InvalidParameterException", objections)
                answer: dict[str, Any] = getattr(self, f"_{operation}")(request)
                answer = copy.deepcopy(answer)
            # A hundred tasks at once are as one is, and take a second to be looked at.
            looked_at = self.checks and (
                not operation.startswith("Describe") or len(self.tasks) < _PAGE
            )
            if looked_at and (objections := objections_to_answer("ecs", operation, answer)):
                self.problems.append(f"answer of {operation}: {objections}")
            return answer
        finally:
            with self._lock:
                self.in_flight -= 1

    def _DescribeClusters(self, request: dict[str, Any]) -> dict[str, Any]:
        clusters, failures = [], []
        for name in request.get("clusters", ["default"]):
            arn = f"{_PREFIX}:cluster/{name.rpartition('/')[2]}"
            if arn.endswith(f"/{CLUSTER}"):
                clusters.append({"clusterArn": arn, "clusterName": CLUSTER, "status": "ACTIVE"})
            else:
                failures.append({"arn": arn, "reason": "MISSING"})
        return {"clusters": clusters, "failures": failures}

    def _RegisterTaskDefinition(self, request: dict[str, Any]) -> dict[str, Any]:
        revisions = self.definitions.setdefault(request["family"], [])
        made = {name: value for name, value in request.items() if name != "tags"}
        arn = f"{_PREFIX}:task-definition/{request['family']}:{len(revisions) + 1}"
        made |= {
            "taskDefinitionArn": arn,
            "revision": len(revisions) + 1,
            "status": "ACTIVE",
            "registeredAt": time.time(),
        }
        revisions.append({"taskDefinition": made, "tags": request.get("tags", [])})
        return revisions[-1]

    def _DescribeTaskDefinition(self, request: dict[str, Any]) -> dict[str, Any]:
        found = self._definition(request["taskDefinition"])
        if found is None:
            raise Refusal("ClientException", "Unable to describe task definition.")
        return found if "TAGS" in request.get("include", []) else {**found, "tags": []}

    def _DeregisterTaskDefinition(self, request: dict[str, Any]) -> dict[str, Any]:
        found = self._DescribeTaskDefinition(request)["taskDefinition"]
        found["status"] = "INACTIVE"
        return {"taskDefinition": found}

    def _ListTaskDefinitions(self, request: dict[str, Any]) -> dict[str, Any]:
        arns = [
            revision["taskDefinition"]["taskDefinitionArn"]
            for family, revisions in sorted(self.definitions.items())
            for revision in revisions
            if family == request.get("familyPrefix")
            and revision["taskDefinition"]["status"] == request.get("status", "ACTIVE")
        ]
        arns = arns[::-1] if request.get("sort") == "DESC" else arns
        return {"taskDefinitionArns": arns[: request.get("maxResults", _PAGE)]}

    def _RunTask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_cluster(request)
        token = request.get("clientToken")
        if token in self._tokens:
            before, arns = self._tokens[token]
            if before != request:
                raise Refusal(
                    "ConflictException",
                    "The clientToken was used with other parameters.",
                    resourceIds=arns,
                )
            return {"tasks": [self.tasks[arn] for arn in arns], "failures": []}
        found = self._definition(request["taskDefinition"])
        if found is None:
            raise Refusal("ClientException", "TaskDefinition not found.")
        if found["taskDefinition"]["status"] != "ACTIVE":
            raise Refusal("ClientException", "TaskDefinition is inactive")
        if self._no_room:
            return {"tasks": [], "failures": [self._no_room.popleft()]}
        arn = f"{_PREFIX}:task/{CLUSTER}/{uuid.uuid4().hex}"
        self.tasks[arn] = {
            "taskArn": arn,
            "clusterArn": f"{_PREFIX}:cluster/{CLUSTER}",
            "taskDefinitionArn": found["taskDefinition"]["taskDefinitionArn"],
            "containers": [
                {
                    "containerArn": f"{_PREFIX}:container/{CLUSTER}/{uuid.uuid4()}",
                    "taskArn": arn,
                    "name": each["name"],
                    "image": each["image"],
                    "lastStatus": "PENDING",
                    "networkInterfaces": [],
                    "healthStatus": "UNKNOWN",
                    "cpu": "0",
                }
                for each in found["taskDefinition"]["containerDefinitions"]
            ],
            "overrides": request.get("overrides", {}),
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "launchType": request.get("launchType", "EC2"),
            "cpu": "1024",
            "memory": "2048",
            "createdAt": time.time(),
            "attachments": [],
            "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
            "availabilityZone": f"{REGION}a",
            "healthStatus": "UNKNOWN",
            "group": f"family:{found['taskDefinition']['family']}",
            "startedBy": request.get("startedBy", ""),
            "tags": request.get("tags", []),
            "version": 1,
            "enableExecuteCommand": False,
        }
        if self.starts_at_once:
            self.change(arn, {"lastStatus": "RUNNING"}, lastStatus="RUNNING")
        if token:
            self._tokens[token] = (request, [arn])
        return {"tasks": [self.tasks[arn]], "failures": []}

    def _DescribeTasks(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_cluster(request)
        if len(request["tasks"]) > _PAGE:
            raise Refusal("InvalidParameterException", "Tasks cannot have more than 100 items.")
        tasks, failures = [], []
        for arn in request["tasks"]:
            if arn in self.tasks:
                known = self.tasks[arn]
                shown = "TAGS" in request.get("include", [])
                tasks.append(known if shown else {**known, "tags": []})
            else:
                failures.append({"arn": arn, "reason": "MISSING"})
        return {"tasks": tasks, "failures": failures}

    def _ListTasks(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_cluster(request)
        if self.strict and "startedBy" in request and "desiredStatus" in request:
            raise Refusal("InvalidParameterException", "startedBy has to be the only filter.")
        arns = [
            arn
            for arn, task in self.tasks.items()
            if task["desiredStatus"] == request.get("desiredStatus", "RUNNING")
            and task["startedBy"] == request.get("startedBy", task["startedBy"])
        ]
        start = int(request.get("nextToken", 0))
        end = start + request.get("maxResults", _PAGE)
        return {"taskArns": arns[start:end]} | ({"nextToken": str(end)} if arns[end:] else {})

    def _StopTask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_cluster(request)
        if request["task"] not in self.tasks:
            raise Refusal("InvalidParameterException", "The referenced task was not found.")
        if self.tasks[request["task"]]["lastStatus"] != "STOPPED":
            reason = request.get("reason", "Task stopped by user")
            self.stop(request["task"], "UserInitiated", reason, {"exitCode": 143})
        return {"task": self.tasks[request["task"]]}

    # -- within -----------------------------------------------------------------------------------

    def _check_cluster(self, request: dict[str, Any]) -> None:
        if request.get("cluster", "default").rpartition("/")[2] != CLUSTER:
            raise Refusal("ClusterNotFoundException", "Cluster not found.")

    def _definition(self, name: str) -> dict[str, Any] | None:
        family, _, revision = name.rpartition("/")[2].partition(":")
        revisions = self.definitions.get(family, [])
        if revision:
            return revisions[int(revision) - 1] if int(revision) <= len(revisions) else None
        active = [each for each in revisions if each["taskDefinition"]["status"] == "ACTIVE"]
        return active[-1] if active else None


@contextmanager
def running_fake_ecs() -> Iterator[FakeEcs]:
    """Have a fake ECS listen for the length of a `with` block."""
    fake = FakeEcs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            _, _, operation = self.headers["X-Amz-Target"].partition(".")
            try:
                if "Credential=test/" not in self.headers.get("Authorization", ""):
                    raise Refusal(
                        "UnrecognizedClientException",
                        "The security token included in the request is invalid.",
                    )
                status, answer = 200, fake.answer(operation, json.loads(body))
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
