"""Jobs for the tests of a Kubernetes cluster."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

IMAGE = "busybox:1.36"


def job(name: str = "sums", *command: str, image: str = IMAGE, **spec: Any) -> dict[str, Any]:
    """Return a job with one container, whose command is a shell's."""
    container: dict[str, Any] = {"name": "main", "image": image}
    if command:
        container["command"] = ["sh", "-c", *command]
    pod = {"restartPolicy": "Never", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}, **spec},
    }


def pod(name: str = "one", *command: str, image: str = IMAGE, **spec: Any) -> dict[str, Any]:
    """Return a pod with one container, whose command is a shell's."""
    inner = job(name, *command, image=image)["spec"]["template"]["spec"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {**inner, **spec},
    }


@contextmanager
def refused(code: int, reason: str) -> Iterator[dict[str, Any]]:
    """See that a request is refused; what it is told is in the dictionary afterwards."""
    told: dict[str, Any] = {}
    try:
        yield told
    except ApiException as error:
        status, body = error.status, error.body or ""
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.status, error.read().decode()
    else:
        pytest.fail("it is not refused")
    told |= json.loads(body)
    assert (status, told["code"], told["reason"]) == (code, code, reason), told
    assert (told["kind"], told["apiVersion"], told["status"]) == ("Status", "v1", "Failure")


def send(
    url: str,
    method: str,
    path: str,
    body: object = None,
    *,
    kind: str = "application/json",
    token: str | None = "admin-token",
) -> tuple[Any, dict[str, str]]:
    """Send what no client would send; return the answer and its headers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": kind}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{url}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read()), dict(answer.headers)
