"""A flow run as a custom job of Vertex AI, and how its end is read."""

import datetime

import pytest

from headrace.agents.vertex.job import JobDefaults, as_label, end_of_job, job_of, key_of, waits_for
from headrace.core.errors import DeploymentError
from headrace.run_configs import DockerRun, UniversalRun, VertexRun
from headrace.wire.claims import ClaimedRun

DEFAULTS = JobDefaults(image="headrace:1", service_account="agent@p.example", network=None)
RUN = "0b9f3c7e-58a1-4f0c-9a53-5b2a7e0f8c11"


def claimed(config=None, storage=None, attempt=1):
    return ClaimedRun(
        id=RUN,
        name="brave-otter",
        attempt=attempt,
        token="t",
        start_time=datetime.datetime.now(datetime.UTC),
        lease=60.0,
        flow_name="f",
        project_name="p",
        storage=storage,
        run_config=None if config is None else config.serialize(),
    )


def job(config=None, **more):
    return job_of(claimed(config, **more), {"HEADRACE_RUN_ID": RUN}, "Agent 7", DEFAULTS)


def test_a_run_without_a_run_config():
    made = job(attempt=3)
    assert made["displayName"] == f"headrace-{RUN}-3"
    assert key_of(made) == (RUN, 3)
    assert made["jobSpec"] == {
        "workerPoolSpecs": [
            {
                "machineSpec": {"machineType": "e2-standard-4"},
                "replicaCount": 1,
                "containerSpec": {
                    "imageUri": "headrace:1",
                    "command": ["headrace", "execute"],
                    "env": [{"name": "HEADRACE_RUN_ID", "value": RUN}],
                },
            }
        ],
        "scheduling": {"disableRetries": True},
        "serviceAccount": "agent@p.example",
    }


def test_every_field_of_a_run_config():
    config = VertexRun(
        image="registry.example/etl:7",
        machine_type="n2-highmem-8",
        scheduling={"timeout": {"seconds": 3600}, "restart_job_on_worker_restart": True},
        service_account="flows@p.example",
        network="projects/1/global/networks/etl",
    )
    spec = job(config)["jobSpec"]
    assert spec["serviceAccount"] == "flows@p.example"
    assert spec["network"] == "projects/1/global/networks/etl"
    assert spec["scheduling"] == {
        "disableRetries": True,
        "timeout": "3600s",
        "restartJobOnWorkerRestart": True,
    }
    (pool,) = spec["workerPoolSpecs"]
    assert pool["machineSpec"] == {"machineType": "n2-highmem-8"}
    assert pool["containerSpec"]["imageUri"] == "registry.example/etl:7"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (90, "90s"),
        (1.5, "1.5s"),
        ("90s", "90s"),
        ({"seconds": 1, "nanos": 500_000_000}, "1.5s"),
        ({"seconds": "x"}, {"seconds": "x"}),
    ],
)
def test_times_are_written_as_json_has_them(given, sent):
    config = VertexRun(scheduling={"timeout": given, "max_wait_duration": given})
    scheduling = job(config)["jobSpec"]["scheduling"]
    assert (scheduling["timeout"], scheduling["maxWaitDuration"]) == (sent, sent)


def test_worker_pools_keep_what_they_say_and_the_first_runs_the_flow():
    pools = [
        {
            "machine_spec": {
                "machine_type": "n1-standard-8",
                "accelerator_type": "NVIDIA_TESLA_T4",
            },
            "container_spec": {
                "image_uri": "registry.example/gpu:1",
                "env": [{"name": "OWN", "value": "1"}, {"name": "HEADRACE_RUN_ID", "value": "no"}],
            },
            "disk_spec": {"boot_disk_size_gb": 200},
        },
        {"machineSpec": {"machineType": "n1-standard-4"}, "replicaCount": 3},
    ]
    first, second = job(VertexRun(worker_pool_specs=pools))["jobSpec"]["workerPoolSpecs"]
    assert second == pools[1]
    assert first == {
        "machineSpec": {"machineType": "n1-standard-8", "acceleratorType": "NVIDIA_TESLA_T4"},
        "containerSpec": {
            "imageUri": "registry.example/gpu:1",
            "command": ["headrace", "execute"],
            "env": [
                {"name": "OWN", "value": "1"},
                {"name": "HEADRACE_RUN_ID", "value": RUN},
            ],
        },
        "diskSpec": {"bootDiskSizeGb": 200},
        "replicaCount": 1,
    }


@pytest.mark.parametrize(
    "config",
    [
        UniversalRun(),
        VertexRun(worker_pool_specs=[{"container_spec": {"image_uri": "registry.example/gpu:1"}}]),
    ],
)
def test_the_image_of_the_storage(config):
    storage = {"type": "Docker", "image": "registry.example/flows@sha256:1"}
    made = job(config, storage=storage)
    (pool,) = made["jobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"]["imageUri"] == "registry.example/flows@sha256:1"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DockerRun(), "is a DockerRun"),
        (VertexRun(worker_pool_specs=[{"python_package_spec": {}}]), "python_package_spec"),
        (VertexRun(worker_pool_specs=[{"container_spec": "x"}]), "has to be a dict"),
        (VertexRun(worker_pool_specs=[{"container_spec": {"env": {"A": "1"}}}]), "a list of"),
        (VertexRun(worker_pool_specs=[{"container_spec": {"env": ["A=1"]}}]), "a list of"),
        (VertexRun(worker_pool_specs=[{"container_spec": {"env": [{"value": 1}]}}]), "a list of"),
    ],
)
def test_run_configs_that_are_refused_for_good(config, message):
    with pytest.raises(DeploymentError, match=message) as caught:
        job(config)
    assert caught.value.is_final


def test_labels_hold_any_id():
    assert as_label(RUN) == RUN
    assert as_label("Agent.7") != as_label("agent-7")
    assert all(len(as_label(each)) <= 63 for each in ("x" * 200, "Ä" * 64))


def failed(message, code=3, started=True):
    times = {"startTime": "2026-01-01T00:00:00Z"} if started else {}
    return {"state": "JOB_STATE_FAILED", "error": {"code": code, "message": message}, **times}


def exited(code, why="Error"):
    words = f"The replica workerpool0-0 exited with a non-zero status of {code}."
    return failed(f"{words} Termination reason: {why}.")


@pytest.mark.parametrize(
    ("found", "how", "to_report", "is_final"),
    [
        ({"state": "JOB_STATE_SUCCEEDED"}, "exit code 0", False, False),
        (exited(11), "did not let it begin", False, False),
        (exited(1), "exit code 1", True, False),
        (exited(137, "OOMKilled"), "out of memory (exit code 137)", True, False),
        (exited(137), "killed by SIGKILL (exit code 137)", True, False),
        (exited(128, "StartError"), "StartError", True, True),
        (failed("no image x", 5, started=False), "NOT_FOUND: no image x", True, True),
        (failed("no image x", 5), "NOT_FOUND: no image x", True, False),
        (failed("no room", 8, started=False), "RESOURCE_EXHAUSTED: no room", True, False),
        (failed("it broke", 13), "INTERNAL: it broke", True, False),
        (failed("who knows", 99), "code 99: who knows", True, False),
        ({"state": "JOB_STATE_CANCELLED"}, "the job was cancelled", True, False),
        ({"state": "JOB_STATE_EXPIRED"}, "the job has expired", True, False),
    ],
)
def test_how_jobs_end(found, how, to_report, is_final):
    said, reported, final = end_of_job(found)
    assert how in said
    assert (reported, final) == (to_report, is_final)


def test_why_jobs_wait():
    assert "quota" in waits_for({"state": "JOB_STATE_QUEUED"})
    assert "machines" in waits_for({"state": "JOB_STATE_PENDING"})
    assert "paused" in waits_for({"state": "JOB_STATE_PAUSED"})
    assert waits_for({"state": "JOB_STATE_PAUSED", "startTime": "x"}) is None
    assert waits_for({"state": "JOB_STATE_RUNNING"}) is None
