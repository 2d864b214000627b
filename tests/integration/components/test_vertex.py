"""The fake of Vertex AI's custom jobs, driven by Google's own client."""

import time

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
from google.oauth2 import service_account

from tests.integration.components.vertex import (
    NUMBER,
    PROJECT,
    REGION,
    UNIVERSE,
    FakeVertex,
    vertex,
)

__all__ = ["vertex"]

PARENT = f"projects/{PROJECT}/locations/{REGION}"


@pytest.fixture
def credentials(vertex: FakeVertex):
    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    return service_account.Credentials.from_service_account_file(vertex.key_file, scopes=scopes)


@pytest.fixture
def client(vertex: FakeVertex, credentials) -> JobServiceClient:
    return JobServiceClient(
        transport="rest",
        credentials=credentials,
        client_options=ClientOptions(api_endpoint=vertex.url, universe_domain=UNIVERSE),
    )


def job(*command, name="a job", image="headrace:test", labels=None, **env):
    return {
        "display_name": name,
        "labels": labels or {},
        "job_spec": {
            "worker_pool_specs": [
                {
                    "machine_spec": {"machine_type": "e2-standard-4"},
                    "replica_count": 1,
                    "container_spec": {
                        "image_uri": image,
                        "command": list(command),
                        "env": [{"name": key, "value": value} for key, value in env.items()],
                    },
                }
            ]
        },
    }


def ended(client, name, timeout=60):
    until = time.monotonic() + timeout
    while not (found := client.get_custom_job(name=name)).end_time:
        assert time.monotonic() < until, found.state
        time.sleep(0.02)
    return found


def test_a_job_runs_its_command_with_its_environment_and_is_deleted(client, vertex):
    made = client.create_custom_job(
        parent=PARENT, custom_job=job("sh", "-c", 'echo "it is $WHAT"', WHAT="here")
    )
    assert made.name.startswith(f"projects/{NUMBER}/locations/{REGION}/customJobs/")
    assert made.state.name == "JOB_STATE_QUEUED"
    found = ended(client, made.name)
    assert found.state.name == "JOB_STATE_SUCCEEDED"
    assert found.create_time <= found.start_time <= found.end_time
    (known,) = [each for each in vertex.jobs if each.message.name == made.name]
    assert known.log.read_text() == "it is here\n"
    client.delete_custom_job(name=made.name)
    with pytest.raises(exceptions.NotFound, match="does not exist"):
        client.get_custom_job(name=made.name)


def test_how_jobs_fail(client):
    failed = client.create_custom_job(parent=PARENT, custom_job=job("sh", "-c", "exit 3"))
    killed = client.create_custom_job(parent=PARENT, custom_job=job("sh", "-c", "kill -9 $$"))
    missing = client.create_custom_job(parent=PARENT, custom_job=job("true", image="no:image"))
    absent = client.create_custom_job(parent=PARENT, custom_job=job("/no/such/program"))
    assert "non-zero status of 3. " in ended(client, failed.name).error.message
    assert "non-zero status of 137. " in ended(client, killed.name).error.message
    assert "StartError" in ended(client, absent.name).error.message
    found = ended(client, missing.name)
    assert (found.error.code, found.error.message) == (5, "Image no:image was not found.")
    assert not found.start_time


def test_a_job_is_cancelled(client):
    made = client.create_custom_job(parent=PARENT, custom_job=job("sleep", "60"))
    with pytest.raises(exceptions.BadRequest):
        client.delete_custom_job(name=made.name)
    client.cancel_custom_job(name=made.name)
    assert ended(client, made.name).state.name == "JOB_STATE_CANCELLED"


def test_lists_are_paged_and_filtered(client):
    made = [
        client.create_custom_job(
            parent=PARENT, custom_job=job("true", name=f"many-{number}", labels={"of": "many"})
        )
        for number in range(7)
    ]
    ended(client, made[-1].name)

    def names(which, size=3):
        request = {"parent": PARENT, "filter": which, "page_size": size}
        return [each.display_name for each in client.list_custom_jobs(request=request)]

    assert names('labels.of="many"') == [f"many-{number}" for number in reversed(range(7))]
    assert names("labels.of:*") == names('display_name:"many-*"') == names("labels.of=many")
    assert names('display_name="many-1" OR display_name="many-2"') == ["many-2", "many-1"]
    assert names('labels.of="many" AND state="JOB_STATE_FAILED"') == []
    assert names('labels.of="many" AND NOT state!="JOB_STATE_FAILED"') == []
    assert names('labels.of="many" AND create_time<"2020-01-01T00:00:00Z"') == []
    assert len(names('labels.of="many" AND create_time>"2020-01-01T00:00:00Z"')) == 7
    for wrong in ('labels.of<"many"', "name=", "error=1", 'create_time>"now"', '(state="A"', "and"):
        with pytest.raises(exceptions.BadRequest, match="filter"):
            names(wrong)
    with pytest.raises(exceptions.BadRequest, match="page_token"):
        request = {"parent": PARENT, "page_token": "no token"}
        list(client.list_custom_jobs(request=request))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"display_name": ""}, "display_name"),
        ({"display_name": "x" * 129}, "display_name"),
        ({"labels": {"Upper": "x"}}, "label"),
        ({"labels": {"x": "Upper"}}, "label"),
        ({"labels": {"x": "x" * 64}}, "label"),
        ({"job_spec": {}}, "worker_pool_specs"),
        ({"job_spec": {**job("true")["job_spec"], "network": "default"}}, "network"),
        ({"job_spec": {**job("true")["job_spec"], "service_account": "me"}}, "Service account"),
    ],
)
def test_jobs_that_are_refused(client, change, message):
    with pytest.raises(exceptions.BadRequest, match=message):
        client.create_custom_job(parent=PARENT, custom_job={**job("true"), **change})


def test_what_no_proto_has_is_refused(credentials, vertex):
    jobs = f"{vertex.url}/v1/{PARENT}/customJobs"
    with AuthorizedSession(credentials) as session:
        answer = session.post(jobs, json={"displayName": "x", "jobSpecs": {}})
        assert answer.status_code == 400
        assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
        assert "jobSpecs" in answer.json()["error"]["message"]
        assert session.get(jobs, params={"filters": "x"}).status_code == 400
        assert session.get(f"{vertex.url}/v1/{PARENT}/customJob").status_code == 404


def test_projects_regions_and_credentials(client, vertex):
    with pytest.raises(exceptions.Forbidden):
        list(client.list_custom_jobs(parent=f"projects/another/locations/{REGION}"))
    with pytest.raises(exceptions.BadRequest, match="location"):
        list(client.list_custom_jobs(parent=f"projects/{PROJECT}/locations/atlantis1"))
    vertex.refuses_all = True
    try:
        with pytest.raises(exceptions.Unauthorized):
            client.get_custom_job(name=f"{PARENT}/customJobs/1")
    finally:
        vertex.refuses_all = False
