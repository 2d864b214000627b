"""The fake API server's objects: made, refused, listed and changed in the words of Kubernetes 1.32.

The messages are those of its sources: `pkg/apis/batch/validation`, `pkg/apis/core/validation`,
`apimachinery/pkg/api/errors` and `apimachinery/pkg/util/validation`.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import IMAGE, job, pod, refused, send

JOBS = "/apis/batch/v1/namespaces/default/jobs"
LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.fixture
def api(kubernetes_api: KubernetesApi) -> KubernetesApi:
    kubernetes_api.add_image(IMAGE, stands_in=True)
    return kubernetes_api


@pytest.fixture
def batch(api: KubernetesApi) -> Iterator[client.BatchV1Api]:
    with api.client() as opened:
        yield client.BatchV1Api(opened)


@pytest.fixture
def core(api: KubernetesApi) -> Iterator[client.CoreV1Api]:
    with api.client() as opened:
        yield client.CoreV1Api(opened)


def test_a_job_is_filled_with_its_defaults(batch: client.BatchV1Api) -> None:
    made = batch.create_namespaced_job("default", job())

    uid = made.metadata.uid
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "sums",
        "controller-uid": uid,
        "job-name": "sums",
    }
    assert made.metadata.labels == made.spec.template.metadata.labels == labels
    assert made.spec.selector.match_labels == {"batch.kubernetes.io/controller-uid": uid}
    assert made.metadata.generation == 1 and made.metadata.resource_version
    assert made.spec.completion_mode == "NonIndexed" and made.spec.suspend is False
    assert (made.spec.parallelism, made.spec.completions) == (1, 1)
    assert made.spec.pod_replacement_policy == "TerminatingOrFailed"
    container = made.spec.template.spec.containers[0]
    assert container.image_pull_policy == "IfNotPresent"
    assert container.termination_message_path == "/dev/termination-log"
    assert made.spec.template.spec.termination_grace_period_seconds == 30


def test_generated_names_are_unlike(batch: client.BatchV1Api) -> None:
    new = job()
    new["metadata"] = {"generateName": "sums-"}

    names = {batch.create_namespaced_job("default", new).metadata.name for _ in range(3)}

    assert len(names) == 3
    assert all(len(name) == len("sums-") + 5 and name.startswith("sums-") for name in names)


def test_a_dry_run_keeps_nothing(api: KubernetesApi, batch: client.BatchV1Api) -> None:
    made = batch.create_namespaced_job("default", job(), dry_run="All")

    assert made.metadata.uid and made.metadata.resource_version is None
    assert api.objects("jobs") == []


def test_what_is_there_already(batch: client.BatchV1Api) -> None:
    batch.create_namespaced_job("default", job())

    with refused(409, "AlreadyExists") as told:
        batch.create_namespaced_job("default", job())

    assert told["message"] == 'jobs.batch "sums" already exists'
    assert told["details"] == {"name": "sums", "group": "batch", "kind": "jobs"}


def test_what_is_not_there(batch: client.BatchV1Api) -> None:
    with refused(404, "NotFound") as told:
        batch.read_namespaced_job("none", "default")
    assert told["message"] == 'jobs.batch "none" not found'

    with refused(404, "NotFound") as told:
        batch.create_namespaced_job("nowhere", job())
    assert told["message"] == 'namespaces "nowhere" not found'


def _wrong(**changes: Any) -> dict[str, Any]:
    new = job()
    for path, value in changes.items():
        *before, last = path.split("__")
        holder: Any = new
        for part in before:
            holder = holder[int(part)] if part.isdecimal() else holder.setdefault(part, {})
        holder[int(last) if last.isdecimal() else last] = value
    return new


_POD = "spec__template__spec__"
_CONTAINER = _POD + "containers__0__"


@pytest.mark.parametrize(
    ("new", "causes"),
    [
        (
            _wrong(metadata__name="Sums"),
            [("metadata.name", "FieldValueInvalid", f'Invalid value: "Sums": {SUBDOMAIN}')],
        ),
        (
            _wrong(metadata={}),
            [("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")],
        ),
        (
            _wrong(metadata__labels={"a": "b c"}),
            [("metadata.labels", "FieldValueInvalid", f'Invalid value: "b c": {LABEL}')],
        ),
        (
            _wrong(**{_POD + "restartPolicy": "Always"}),
            [
                (
                    "spec.template.spec.restartPolicy",
                    "FieldValueRequired",
                    'Required value: valid values: "OnFailure", "Never"',
                )
            ],
        ),
        (
            _wrong(**{_POD + "containers": []}),
            [("spec.template.spec.containers", "FieldValueRequired", "Required value")],
        ),
        (
            _wrong(**{_CONTAINER + "image": ""}),
            [("spec.template.spec.containers[0].image", "FieldValueRequired", "Required value")],
        ),
        (
            _wrong(**{_CONTAINER + "imagePullPolicy": "Sometimes"}),
            [
                (
                    "spec.template.spec.containers[0].imagePullPolicy",
                    "FieldValueNotSupported",
                    'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
                )
            ],
        ),
        (
            _wrong(**{_CONTAINER + "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}}),
            [
                (
                    "spec.template.spec.containers[0].resources.requests",
                    "FieldValueInvalid",
                    'Invalid value: "2": must be less than or equal to cpu limit of 1',
                )
            ],
        ),
        (
            _wrong(**{_CONTAINER + "volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
            [
                (
                    "spec.template.spec.containers[0].volumeMounts[0].name",
                    "FieldValueNotFound",
                    'Not found: "data"',
                )
            ],
        ),
        (
            _wrong(spec__backoffLimit=-1, spec__parallelism=-2),
            [
                ("spec.parallelism", "FieldValueInvalid", "Invalid value: -2: must be greater than or equal to 0"),
                ("spec.backoffLimit", "FieldValueInvalid", "Invalid value: -1: must be greater than or equal to 0"),
            ],
        ),
        (
            _wrong(spec__selector={"matchLabels": {"app": "x"}}),
            [
                (
                    "spec.selector",
                    "FieldValueInvalid",
                    None,
                ),
                (
                    "spec.template.metadata.labels",
                    "FieldValueInvalid",
                    None,
                ),
            ],
        ),
    ],
)  # fmt: skip
def test_a_wrong_job_is_refused_with_what_is_wrong(
    batch: client.BatchV1Api, new: dict[str, Any], causes: list[tuple[str, str, str | None]]
) -> None:
    with refused(422, "Invalid") as told:
        batch.create_namespaced_job("default", new)

    found = told["details"]["causes"]
    assert [(one["field"], one["reason"]) for one in found] == [one[:2] for one in causes]
    for one, (_, _, message) in zip(found, causes, strict=True):
        assert message is None or one["message"] == message
    name = new["metadata"].get("name", "")
    assert told["message"].startswith(f'Job.batch "{name}" is invalid: ')
    assert told["details"]["kind"] == "Job" and told["details"]["group"] == "batch"


def test_a_long_name_does_not_fit_into_the_label_of_its_pods(batch: client.BatchV1Api) -> None:
    name = "x" * 64
    with refused(422, "Invalid") as told:
        batch.create_namespaced_job("default", job(name))

    assert {one["field"] for one in told["details"]["causes"]} == {"spec.template.labels"}
    assert "must be no more than 63 characters" in told["message"]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (
            _wrong(**{_CONTAINER + "resources": {"limits": {"memory": "lots"}}}),
            (
                "quantities must match the regular expression "
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ),
        ),
        (
            _wrong(spec__backoffLimit="none"),
            "json: cannot unmarshal string into Go struct field JobSpec.spec.backoffLimit of type int32",
        ),
        (
            _wrong(**{_POD + "containers": "one"}),
            (
                "json: cannot unmarshal string into Go struct field "
                "PodSpec.spec.template.spec.containers of type []v1.Container"
            ),
        ),
    ],
)
def test_what_is_not_of_its_type_cannot_be_read(
    api: KubernetesApi, new: dict[str, Any], message: str
) -> None:
    with refused(400, "BadRequest") as told:
        send(api.url, "POST", JOBS, new)

    assert told["message"] == f'Job in version "v1" cannot be handled as a Job: {message}'


def test_unknown_fields_are_refused_or_warned_of_or_ignored(api: KubernetesApi) -> None:
    new = _wrong(spec__retries=3, **{_CONTAINER + "imagePolicy": "Never"})

    with refused(400, "BadRequest") as told:
        send(api.url, "POST", f"{JOBS}?fieldValidation=Strict", new)
    assert told["message"] == (
        'Job in version "v1" cannot be handled as a Job: strict decoding error: '
        'unknown field "spec.template.spec.containers[0].imagePolicy", unknown field "spec.retries"'
    )

    warning = '299 - "unknown field \\"spec.retries\\""'
    for how, said in (("", warning), ("Ignore", None), ("Warn", warning)):
        new = job(f"sums{how.lower()}", retries=3)
        made, headers = send(api.url, "POST", f"{JOBS}?fieldValidation={how}", new)
        assert headers.get("warning") == said
        assert "retries" not in made["spec"]


def test_a_document_of_another_kind_is_refused(
    api: KubernetesApi, batch: client.BatchV1Api
) -> None:
    with refused(400, "BadRequest") as told:
        send(api.url, "POST", JOBS, pod())
    assert told["message"] == (
        "the API version in the data (v1) does not match the expected API version (batch/v1)"
    )
    with refused(400, "BadRequest") as told:
        send(api.url, "POST", JOBS, job() | {"kind": "CronJob"})
    assert told["message"].startswith('CronJob in version "v1" cannot be handled as a Job: ')
    with refused(400, "BadRequest") as told:
        batch.create_namespaced_job("other", _wrong(metadata__namespace="default"))
    assert told["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def test_selectors(api: KubernetesApi, core: client.CoreV1Api) -> None:
    for name, labels in (("a", {"app": "x", "n": "1"}), ("b", {"app": "y"}), ("c", {})):
        api.create(pod(name) | {"metadata": {"name": name, "labels": labels}})

    def named(**how: str) -> str:
        found = core.list_namespaced_pod("default", **how).items
        return "".join(one.metadata.name for one in found)

    assert named(label_selector="app=x") == named(label_selector="app==x") == "a"
    assert named(label_selector="app!=x") == named(label_selector="app notin (x)") == "bc"
    assert named(label_selector="app in (x, y)") == named(label_selector="app") == "ab"
    assert named(label_selector="!app") == "c"
    assert named(label_selector="app in (x,y),!n") == "b"
    assert named(field_selector="metadata.name=b") == "b"
    assert named(field_selector="metadata.name!=b,status.phase!=Failed") == "ac"
    with refused(400, "BadRequest") as told:
        named(label_selector="app in x")
    assert told["message"].startswith("unable to parse requirement: ")
    with refused(400, "BadRequest") as told:
        named(field_selector="spec.color=red")
    assert told["message"].endswith("field label not supported: spec.color")


def test_long_lists_come_in_pages_of_one_moment(api: KubernetesApi, core: client.CoreV1Api) -> None:
    for n in range(7):
        api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s{n}"}})

    first = core.list_namespaced_secret("default", limit=3)
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s9"}})
    second = core.list_namespaced_secret("default", limit=3, _continue=first.metadata._continue)
    third = core.list_namespaced_secret("default", limit=3, _continue=second.metadata._continue)

    pages = [[one.metadata.name for one in page.items] for page in (first, second, third)]
    assert pages == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6"]]
    assert (first.metadata.remaining_item_count, third.metadata._continue) == (4, None)
    assert first.metadata.resource_version == third.metadata.resource_version
    api.expire_watches()
    with refused(410, "Expired") as told:
        core.list_namespaced_secret("default", _continue=first.metadata._continue)
    assert told["message"].startswith("The provided continue parameter is too old ")


def test_updates_and_patches(api: KubernetesApi, batch: client.BatchV1Api) -> None:
    made = batch.create_namespaced_job("default", job())
    labelled = batch.patch_namespaced_job(
        "sums", "default", {"metadata": {"labels": {"done": "yes"}}}
    )
    assert labelled.metadata.labels["done"] == "yes" and "job-name" in labelled.metadata.labels
    assert int(labelled.metadata.resource_version) > int(made.metadata.resource_version)
    assert labelled.metadata.generation == 1

    with refused(409, "Conflict") as told:
        stale = {
            "metadata": {"resourceVersion": made.metadata.resource_version, "labels": {"x": "y"}}
        }
        batch.patch_namespaced_job("sums", "default", stale)
    assert told["message"] == (
        'Operation cannot be fulfilled on jobs.batch "sums": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )

    with refused(422, "Invalid") as told:
        batch.patch_namespaced_job("sums", "default", {"spec": {"completions": 5}})
    assert [one["field"] for one in told["details"]["causes"]] == ["spec.completions"]
    assert told["message"].endswith("field is immutable")

    suspended = batch.patch_namespaced_job("sums", "default", {"spec": {"suspend": True}})
    assert suspended.metadata.generation == 2


def test_a_json_patch(api: KubernetesApi) -> None:
    api.create(job())
    path, kind = f"{JOBS}/sums", "application/json-patch+json"
    operations = [{"op": "add", "path": "/metadata/labels/done", "value": "yes"}]
    assert send(api.url, "PATCH", path, operations, kind=kind)[0]["metadata"]["labels"]["done"]
    with refused(422, "Invalid"):
        gone = [{"op": "remove", "path": "/metadata/labels/none"}]
        send(api.url, "PATCH", path, gone, kind=kind)
    with refused(415, "UnsupportedMediaType"):
        send(api.url, "PATCH", path, {}, kind="application/json")


@pytest.mark.parametrize("body", [[1], "x", None])
def test_what_is_no_object_cannot_be_read(api: KubernetesApi, body: object) -> None:
    with refused(400, "BadRequest") as told:
        send(api.url, "POST", JOBS, body)
    assert told["message"].startswith("couldn't get version/kind; json parse error: ")


@pytest.mark.parametrize("spec", [None, {}, {"template": None}, {"template": {"spec": None}}])
def test_a_job_of_nothing_lacks_what_is_required(api: KubernetesApi, spec: object) -> None:
    with refused(422, "Invalid") as told:
        send(api.url, "POST", JOBS, {"metadata": {"name": "sums"}, "spec": spec})
    assert [one["field"] for one in told["details"]["causes"]] == [
        "spec.template.spec.containers",
        "spec.template.spec.restartPolicy",
    ]


def test_a_patch_of_a_list_is_merged_by_its_key(api: KubernetesApi) -> None:
    api.create(pod("one"))
    image = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}

    path, kind = "/api/v1/namespaces/default/pods/one", "application/strategic-merge-patch+json"
    send(api.url, "PATCH", path, image, kind=kind)

    found = api.get("pods", "one")
    assert found is not None
    container = found["spec"]["containers"][0]
    assert container["image"] == "busybox:2" and container["terminationMessagePolicy"] == "File"


def test_versions_and_groups(api: KubernetesApi) -> None:
    with api.client() as opened:
        assert client.VersionApi(opened).get_code().git_version == "v1.32.0"
        names = {one.name for one in client.ApisApi(opened).get_api_versions().groups}
        assert {"batch", "events.k8s.io", "rbac.authorization.k8s.io"} <= names
        jobs = client.BatchV1Api(opened).get_api_resources().resources
        assert {one.name for one in jobs} == {"jobs", "jobs/status"}


def test_lists_name_the_kind_of_their_items_once(api: KubernetesApi) -> None:
    api.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}})
    found, _ = send(api.url, "GET", "/api/v1/namespaces/default/secrets")
    assert (found["kind"], found["apiVersion"]) == ("SecretList", "v1")
    assert [sorted(one) for one in found["items"]] == [["metadata", "type"]]


def test_a_pod_is_given_its_service_account(api: KubernetesApi, core: client.CoreV1Api) -> None:
    with refused(403, "Forbidden") as told:
        core.create_namespaced_pod("default", pod("one", serviceAccountName="robot"))
    assert told["message"] == (
        'pods "one" is forbidden: error looking up service account default/robot: '
        'serviceaccount "robot" not found'
    )
    made = core.create_namespaced_pod("default", pod("one"))
    assert made.spec.service_account_name == "default" and made.status.qos_class == "BestEffort"
    mounts = made.spec.containers[0].volume_mounts
    assert mounts[0].mount_path == "/var/run/secrets/kubernetes.io/serviceaccount"
