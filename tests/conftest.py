"""What every test shares: isolation from the user's settings, hypothesis profiles, and honesty.

A test that could not run (a program or package is missing) is listed at the end of the run, and
makes the run fail where ``CI`` is ``true``: there, nothing may be missing.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The real servers that tests speak to, each started once in a process, when it is first needed: a
# fixture that was imported into several modules would be as many servers.
from tests.integration.components.azure import azure_server as azure_server
from tests.integration.components.base_image import headrace_image as headrace_image
from tests.integration.components.base_image import python_image as python_image
from tests.integration.components.docker_engine import docker_engine as docker_engine
from tests.integration.components.ecs import ministack as ministack
from tests.integration.components.gcs import gcs_server as gcs_server
from tests.integration.components.kubernetes.fixture import kubernetes_api as kubernetes_api
from tests.integration.components.kubernetes.fixture import kubernetes_cluster as kubernetes_cluster
from tests.integration.components.registry import registry as registry
from tests.integration.components.seaweedfs import s3_server as s3_server

# Fixtures of the tests that need a server's database.
from tests.support.databases import database_url as database_url
from tests.support.databases import postgresql_server as postgresql_server
from tests.support.databases import shared_database_url as shared_database_url

CI = os.environ.get("CI", "").lower() == "true"

#: Folders whose files take minutes. They are run first: what many processes share ends at the same
#: time if the short ones come last.
_LONG = ("differential", "simulation", "acceptance", "chaos", "integration")

# A slow shared machine must not turn a right answer into a failed deadline.
settings.register_profile(
    "fast", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# The same examples on each run: a submission is judged by its change, not by its luck.
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True, print_blob=True)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "fast"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        missing = [program for program in mark.args if shutil.which(program) is None]
        if missing:
            pytest.skip(f"needs {', '.join(missing)} on PATH")


def pytest_configure(config: pytest.Config) -> None:
    # Before any module is collected: settings are those of nobody, in this process and its children.
    for name in list(os.environ):
        if name.startswith(("HEADRACE", "PREFECT")):
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="headrace-tests-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ["HEADRACE_HOME"] = home
    # A shell has jobs in its background ignore SIGINT: tests of interrupts would wait for ever.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # `nohup` has them ignore SIGHUP, which ends agents.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)
    for item in items:
        # The first of them may have to wait until a Debian and its images are made.
        if "docker_engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


def _rank(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return _LONG.index(folder) if folder in _LONG else len(_LONG)


@pytest.fixture(autouse=True)
def _sigterm_as_before() -> Iterator[None]:
    """A run that was told to end ignores SIGTERM from then on, as its process is about to end."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Name the test that leaves a flow open, not the hundred after it that stumble over it."""
    yield
    from headrace.core import building

    left = building.current_graph()
    building._building.set(None)
    assert left is None, "this test leaves its flow's `with` block open"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section("COULD NOT RUN", sep="!", red=True, bold=True)
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {reason}")
    verdict = "a failure, since CI=true" if CI else "a failure where CI=true"
    terminalreporter.write_line(f"{len(skipped)} could not run: {verdict}", red=True, bold=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if CI and reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_report_header() -> str:
    return f"headrace: hypothesis profile in force, CI={CI}, root {Path(__file__).parent.parent}"
