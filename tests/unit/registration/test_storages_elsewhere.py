"""Flows are tried here before they are put where others see them."""

import threading

from headrace import Flow, task
from headrace.registration.preflight import check_loading, preflight
from headrace.registration.sources import Source, add_together, flows_of
from headrace.run_configs import DockerRun, LocalRun
from headrace.storage import S3, Docker, Local
from tests.support.code_store import flow_that_gives, script

TWO = """
from headrace import Flow
from headrace.run_configs import DockerRun, LocalRun
from headrace.storage import S3
storage = S3("nobody-writes-here", stored_as_script=True)
one = Flow("one", storage=storage)
two = Flow("two", storage=storage)
"""


def test_a_flow_is_tried_without_writing_to_its_bucket(tmp_path):
    flow = flow_that_gives(1)
    flow.storage = S3("nobody-writes-here")
    assert check_loading(flow) == []
    assert "nightly" not in flow.storage
    flow.storage = S3(
        "nobody-writes-here",
        stored_as_script=True,
        local_script_path=script(tmp_path / "f.py", 1, name="other"),
    )
    (finding,) = check_loading(flow)
    assert "no flow 'nightly'" in finding.message
    (tmp_path / "near.py").touch()
    (tmp_path / "f.py").write_text("import near\n")
    (finding,) = check_loading(flow)
    assert "No module named 'near'" in finding.message
    assert "use Git or Docker storage" in finding.remedy
    (tmp_path / "f.py").unlink()
    (finding,) = check_loading(flow)
    assert "f.py cannot be read" in finding.message


def test_what_was_tried_in_its_image_is_not_tried_again():
    flow = flow_that_gives(1)
    flow.storage = Docker()
    flow.storage.add_flow(flow)
    assert check_loading(flow) == []
    flow.storage = Docker(ignore_healthchecks=True)
    flow.storage.add_flow(flow)
    (finding,) = check_loading(flow)
    assert "not built yet" in finding.message


def test_a_file_that_is_registered_is_the_script(tmp_path):
    (tmp_path / "flows.py").write_text(TWO)
    with flows_of(Source(location=str(tmp_path / "flows.py"))) as flows:
        add_together(flows)
        storage = flows[0].storage
        assert list(storage.flows) == ["one", "two"]
        assert storage.script_here == str(tmp_path / "flows.py")
    assert storage.script_here is None


def test_what_cannot_be_added_is_left_for_its_own_registration():
    lock = threading.Lock()

    @task
    def hold():
        return lock

    with Flow("broken", storage=S3("b")) as broken:
        hold()
    whole = Flow("whole", storage=broken.storage)
    local = Flow("local", storage=Local())
    add_together([broken, whole, local])
    assert list(broken.storage.flows) == ["whole"]
    assert not local.storage.flows


def test_an_image_is_for_agents_that_start_containers():
    flow = flow_that_gives(1)
    flow.storage = Docker()
    for run_config, messages in (
        (LocalRun(), ["LocalRun runs it outside"]),
        (DockerRun(), []),
        (DockerRun(image="etl:7"), ["it runs in etl:7"]),
    ):
        flow.run_config = run_config
        found = [each.message for each in preflight(flow, load=False) if each.subject == "storage"]
        assert len(found) == len(messages)
        assert all(words in message for words, message in zip(messages, found, strict=True))
