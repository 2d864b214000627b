"""Which image a run is started from."""

import datetime

from headrace import __version__
from headrace.agents.images import image_of
from headrace.config import config
from headrace.run_configs import DockerRun, UniversalRun
from headrace.wire.claims import ClaimedRun


def _run(run_config=None, storage=None):
    return ClaimedRun(
        id="run-1",
        name="a-run",
        attempt=1,
        token="",
        start_time=datetime.datetime.now(datetime.UTC),
        lease=60.0,
        flow_name="f",
        project_name="p",
        run_config=run_config and run_config.serialize(),
        storage=storage,
    )


def test_the_nearest_that_names_one_is_heeded():
    stored = {"type": "Docker", "image": "registry/flows:1@sha256:12"}
    assert image_of(_run(DockerRun(image="own"), stored), "default") == "own"
    assert image_of(_run(DockerRun(), stored), "default") == stored["image"]
    assert image_of(_run(UniversalRun()), "default") == "default"
    assert image_of(_run(storage={"type": "Git", "image": "no"}), "default") == "default"


def test_the_default_is_of_this_version():
    assert config.agents.default_image == f"headrace:{__version__}"
