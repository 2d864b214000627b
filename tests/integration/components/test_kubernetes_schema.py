"""What the fake cluster says, held to the published schema by its own package; and many at once."""

import copy
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kubernetes_validate
import pytest

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.integration.components.kubernetes.shapes import check
from tests.support.kubernetes import IMAGE, job, send

JOB = "io.k8s.api.batch.v1.Job"


def _is_published(found: dict[str, Any]) -> bool:
    try:
        kubernetes_validate.validate(found, "1.32", strict=True)
    except kubernetes_validate.ValidationError:
        return False
    return True


def _changed(path: str, value: object) -> dict[str, Any]:
    new = copy.deepcopy(job("sums", "exit 0"))
    *before, last = path.split(".")
    holder: Any = new
    for part in before:
        holder = holder[int(part)] if part.isdecimal() else holder.setdefault(part, {})
    holder[last] = value
    return new


@pytest.mark.parametrize(
    "new",
    [
        job("sums", "exit 0"),
        _changed("spec.retries", 3),
        _changed("spec.backoffLimit", "3"),
        _changed("spec.backoffLimit", None),
        _changed("spec.suspend", 1),
        _changed("spec.template", None),
        _changed("metadata.labels", {"a": 1}),
        _changed("metadata.annotations", ["a"]),
        _changed("spec.template.spec.containers", None),
        _changed("spec.template.spec.containers.0.name", None),
        _changed("spec.template.spec.containers.0.imagePolicy", "Never"),
        _changed("spec.template.spec.containers.0.resources", {"limits": {"cpu": 2}}),
        _changed("spec.template.spec.containers.0.resources", {"limits": {"cpu": True}}),
        _changed("spec.template.spec.volumes", [{"name": "v", "emptyDir": {}}]),
        _changed("spec.template.spec.volumes", [{"emptyDir": {}}]),
    ],
)
def test_the_fakes_own_check_agrees_with_the_published_schema(new: dict[str, Any]) -> None:
    assert bool(check(JOB, new)[1]) is not _is_published(new)


def test_all_answers_are_as_published(kubernetes_api: KubernetesApi) -> None:
    api = kubernetes_api
    api.add_image(IMAGE)
    bad = job("missing", image="missing:1")
    for new in (job("sums", "exit 0"), job("broken", "exit 1"), bad):
        send(api.url, "POST", "/apis/batch/v1/namespaces/default/jobs", new)
    api.wait(
        lambda: all((api.get("jobs", name) or {})["status"].get("conditions") for name in ("sums", "broken"))
        and any(one["reason"] == "BackOff" for one in api.objects("events"))
    )  # fmt: skip
    for path in (
        "/apis/batch/v1/namespaces/default/jobs",
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/events",
        "/api/v1/namespaces/default/secrets",
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/api/v1/namespaces/default/serviceaccounts",
    ):
        listed, _ = send(api.url, "GET", path)
        kind, version = listed["kind"].removesuffix("List"), listed["apiVersion"]
        for one in listed["items"][:3]:
            assert _is_published({"kind": kind, "apiVersion": version, **one}), one
    for path in ("/apis/batch/v1", "/apis", "/apis/batch"):
        told, _ = send(api.url, "GET", path)
        assert not check(f"io.k8s.apimachinery.pkg.apis.meta.v1.{told['kind']}", told)[1]


def test_many_jobs_at_once(kubernetes_api: KubernetesApi) -> None:
    api, count = kubernetes_api, 100
    api.add_image("sleeper:1", stands_in=True)
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    begun = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        new = [job(f"sums-{n}", image="sleeper:1") for n in range(count)]
        list(pool.map(lambda one: send(api.url, "POST", jobs, one), new))
    api.wait(
        lambda: count == sum(pod["status"]["phase"] == "Running" for pod in api.objects("pods"))
    )
    # Far more than it takes, for a machine that is busy.
    assert time.monotonic() - begun < 15
    send(api.url, "DELETE", f"{jobs}?propagationPolicy=Foreground")
    api.wait(lambda: not api.objects("jobs") and not api.objects("pods"))
