"""What every launcher must do, as tests: subclass `LauncherContract`.

```python
class MyPlatform(LauncherPlatform):
    def launcher(self):
        return MyLauncher(..., api_url="http://127.0.0.1:4200")

    def run(self, does):
        return LauncherContract.run_that(does)

    ...


class TestMyLauncher(LauncherContract):
    @pytest.fixture
    def platform(self, tmp_path):
        return MyPlatform(tmp_path)
```
"""

from __future__ import annotations

import datetime
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from headrace.agents.launcher import Ended
from headrace.core.errors import DeploymentError
from headrace.testing.launcher_platform import LauncherPlatform
from headrace.testing.listened_launcher import ListenedLauncher, Start
from headrace.testing.restarts_contract import RestartsContract
from headrace.wire.claims import ClaimedRun

__all__ = ["LauncherContract", "LauncherPlatform"]

#: The longest that early logs may be, in characters.
_MOST_LOGS = 64 << 10
_DOES = "HEADRACE_CONTRACT"
_LAST_WORDS = "last words of the program"


class LauncherContract(RestartsContract):
    """Tests of one kind of launcher. A subclass gives the fixture `platform`.

    `platform` is a `LauncherPlatform`, new for each test. It is a fixture so that it can have others:
    a session's engine or server, a folder.

    Attributes:
        patience: For how many seconds a test waits for anything to happen.
        many: How many runs are deployed at once in the test of many.
        PROGRAM: A program, as the text of a POSIX shell script, that plays `headrace execute`: put it
            into an image, or on the PATH, under the name `headrace`.
        LAST_WORDS: What it prints before it fails.
    """

    patience: float = 30.0
    many: int = 20

    LAST_WORDS: ClassVar[str] = _LAST_WORDS
    PROGRAM: ClassVar[str] = f"""\
#!/bin/sh
[ "$1" = execute ] || exit 64
[ -n "$HEADRACE_RUN_ID" ] && [ -n "$HEADRACE_RUN_ATTEMPT" ] && [ -n "$HEADRACE_API_URL" ] || exit 65
case "${_DOES}" in
succeed) exit 0 ;;
fail) echo "{_LAST_WORDS}" >&2; exit 3 ;;
wait) trap 'exit 15' TERM INT; while :; do sleep 0.2; done ;;
*) exit 66 ;;
esac
"""

    @staticmethod
    def run_that(
        does: str,
        run_config: dict[str, Any] | None = None,
        storage: dict[str, Any] | None = None,
    ) -> ClaimedRun:
        """Make a flow run for `PROGRAM`, as a server hands it out; no server knows it.

        Args:
            does: What the program does, as in `LauncherPlatform.run`.
            run_config: The run config as `serialize` describes it; a `UniversalRun` by default.
            storage: The storage, likewise.
        """
        described = {"type": "UniversalRun", "labels": [], **(run_config or {})}
        described["env"] = {**(described.get("env") or {}), _DOES: does}
        return ClaimedRun(
            id=str(uuid.uuid4()),
            name="a run, with “ä” and 'quotes' / in its name",
            attempt=1,
            token=f"secret-{uuid.uuid4().hex}",
            start_time=datetime.datetime.now(datetime.UTC),
            lease=60.0,
            flow_name="a flow: of=many $signs",
            project_name="contract",
            storage=storage,
            run_config=described,
        )

    @pytest.fixture
    def agent(self) -> str:
        """Return the id of the agent in whose name runs are deployed."""
        return f"contract-{uuid.uuid4()}"

    @pytest.fixture
    def started(self, platform: LauncherPlatform, agent: str) -> Iterator[Start]:
        """Start a launcher and listen to it, as an agent does; all that is left is ended afterwards."""
        all_started: list[ListenedLauncher] = []

        def _start() -> ListenedLauncher:
            all_started.append(ListenedLauncher(platform, agent, self.patience))
            return all_started[-1]

        yield _start
        for each in all_started:
            each.close()
        deployed = [deployment for each in all_started for deployment in each.deployed]
        if deployed:
            last = platform.launcher()
            list(last.recover(agent))
            for deployment in deployed:
                last.cancel(deployment)
            until = time.monotonic() + self.patience
            while any(map(platform.is_running, deployed)) and time.monotonic() < until:
                last.watch(0.2)
            for deployment in deployed:
                last.release(deployment)
            last.close()
        problems = [problem for each in all_started for problem in each.problems]
        assert not problems, f"watch() has raised: {problems}"

    # -- ends -----------------------------------------------------------------------------------

    def test_it_says_what_it_is(self, platform: LauncherPlatform) -> None:
        """It has a kind, and a number of deployments that may be under way at once."""
        launcher = platform.launcher()
        try:
            assert launcher.kind
            assert launcher.at_once >= 1
        finally:
            launcher.close()

    def test_one_that_succeeds(self, platform: LauncherPlatform, started: Start) -> None:
        """Its end is told once, and the server need not be told: the process has done that."""
        launcher = started()
        run = platform.run("succeed")
        deployment = launcher.deploy(run)
        assert (deployment.flow_run_id, deployment.attempt) == (run.id, run.attempt)
        ended = launcher.end_of(deployment)
        assert (ended.to_report, ended.is_final) == (False, False), ended
        launcher.gone(deployment)
        time.sleep(1.0)
        assert launcher.ends_of(deployment) == [ended]

    def test_one_that_fails(self, platform: LauncherPlatform, started: Start) -> None:
        """The exit code is in the words; what it has printed can be had if the end is to be reported."""
        launcher = started()
        deployment = launcher.deploy(platform.run("fail"))
        ended = launcher.end_of(deployment)
        assert "3" in ended.how, ended
        assert not ended.is_final, ended
        if ended.to_report:
            logs = launcher.launcher.early_logs(deployment)
            assert self.LAST_WORDS in logs
            assert len(logs) <= _MOST_LOGS

    def test_one_that_is_killed(self, platform: LauncherPlatform, started: Start) -> None:
        """It is said how it ended; another attempt may do better."""
        launcher = started()
        deployment = launcher.running()
        platform.kill(deployment)
        ended = launcher.end_of(deployment)
        assert ended.how
        assert not ended.is_final, ended
        launcher.gone(deployment)

    def test_one_that_cannot_be_deployed(self, platform: LauncherPlatform, started: Start) -> None:
        """It is refused in words, or ends as final; the next one is deployed."""
        run = platform.impossible()
        if run is None:
            return  # nothing is impossible there
        launcher = started()
        said = self._end_of_the_impossible(launcher, run)
        assert said
        assert not run.token or run.token not in said
        launcher.end_of(launcher.deploy(platform.run("succeed")))

    @staticmethod
    def _end_of_the_impossible(launcher: ListenedLauncher, run: ClaimedRun) -> str:
        try:
            deployment = launcher.deploy(run)
        except DeploymentError as error:
            return str(error)
        ended = launcher.end_of(deployment)
        assert (ended.to_report, ended.is_final) == (True, True), ended
        return ended.how

    # -- cancelling -----------------------------------------------------------------------------

    def test_cancelling_what_runs(self, platform: LauncherPlatform, started: Start) -> None:
        """It ends, and its end is told; cancelling it again is no harm, before that or afterwards."""
        launcher = started()
        deployment = launcher.running()
        launcher.launcher.cancel(deployment)
        launcher.launcher.cancel(deployment)
        ended = launcher.end_of(deployment)
        launcher.gone(deployment)
        launcher.launcher.cancel(deployment)
        launcher.launcher.release(deployment)
        launcher.launcher.cancel(deployment)
        assert launcher.ends_of(deployment) == [ended]

    def test_cancelling_what_has_not_begun(
        self, platform: LauncherPlatform, started: Start
    ) -> None:
        """It ends no less than what runs."""
        launcher = started()
        deployment = launcher.deploy(platform.run("wait"))
        launcher.launcher.cancel(deployment)
        launcher.end_of(deployment)
        launcher.gone(deployment)

    # -- twins ----------------------------------------------------------------------------------

    def test_deploying_an_attempt_twice(self, platform: LauncherPlatform, started: Start) -> None:
        """It is the same deployment, or another one that ends by itself; cancelling ends them all."""
        launcher = started()
        run = platform.run("wait")
        first = launcher.deploy(run)
        second = launcher.deploy(run)
        assert (second.flow_run_id, second.attempt) == (run.id, run.attempt)
        both = {first, second}
        launcher.begun(*both)
        for deployment in both:
            launcher.launcher.cancel(deployment)
        for deployment in both:
            launcher.end_of(deployment)
            launcher.gone(deployment)
            assert len(launcher.ends_of(deployment)) == 1

    # -- watching -------------------------------------------------------------------------------

    def test_watching_without_news(self, platform: LauncherPlatform, agent: str) -> None:
        """It takes the time that it is given, and not much longer."""
        launcher = platform.launcher()
        try:
            assert list(launcher.recover(agent)) == []
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                assert launcher.watch(0.3) == []
            assert time.monotonic() < until + 1.5
        finally:
            launcher.close()

    def test_what_it_does_not_know(self, platform: LauncherPlatform, agent: str) -> None:
        """Asked about a deployment that is not there, or no more, it does nothing."""
        launcher = platform.launcher()
        try:
            assert list(launcher.recover(agent)) == []
            deployed = launcher.deploy(platform.run("succeed"))
            until = time.monotonic() + self.patience
            while not any(isinstance(each, Ended) for each in launcher.watch(0.5)):
                assert time.monotonic() < until, "its end is not told"
            for _ in range(2):
                launcher.release(deployed)
            launcher.cancel(deployed)
            assert isinstance(launcher.early_logs(deployed), str)
            assert isinstance(launcher.has_begun(deployed), bool)
        finally:
            launcher.close()

    def test_many_at_once(self, platform: LauncherPlatform, started: Start) -> None:
        """The end of each is told, once."""
        launcher = started()
        runs = [platform.run("succeed") for _ in range(self.many)]
        with ThreadPoolExecutor(min(self.many, launcher.launcher.at_once)) as pool:
            deployed = list(pool.map(launcher.deploy, runs))
        assert len({deployment.handle for deployment in deployed}) == self.many
        for deployment in deployed:
            launcher.end_of(deployment)
        for deployment in deployed:
            assert len(launcher.ends_of(deployment)) == 1
            launcher.launcher.release(deployment)
