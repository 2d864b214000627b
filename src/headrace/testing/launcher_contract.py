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
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from headrace.agents.launcher import Deployment, Ended, Launcher, Waits
from headrace.core.errors import DeploymentError
from headrace.wire.claims import ClaimedRun

#: The longest that early logs may be, in characters.
_MOST_LOGS = 64 << 10
_DOES = "HEADRACE_CONTRACT"
_LAST_WORDS = "last words of the program"


class LauncherPlatform(ABC):
    """Where the launcher under test deploys to, as the tests see it. One is made for each test."""

    @abstractmethod
    def launcher(self) -> Launcher:
        """Make the launcher, as an agent does when it starts.

        A test that calls it again has closed the first, as if the agent had been started again: what
        the first has deployed must be within reach of the second.
        """

    @abstractmethod
    def run(self, does: str) -> ClaimedRun:
        """Make a flow run, of an id of its own, whose process does as it is told.

        Either all that `headrace execute` needs is there, a server with flows that do it; or, in its
        place, the platform starts `LauncherContract.PROGRAM`, and `LauncherContract.run_that(does)`
        makes the run.

        Args:
            does: `succeed`: it ends with exit code 0. `fail`: it ends with exit code 3; the program
                prints `LauncherContract.LAST_WORDS` before. `wait`: it runs until it is ended.
        """

    @abstractmethod
    def is_running(self, deployment: Deployment) -> bool:
        """Tell whether the process of a deployment runs now, as the platform itself knows."""

    @abstractmethod
    def kill(self, deployment: Deployment) -> None:
        """Have a running process end by force from outside, as an operator or the kernel does."""

    @abstractmethod
    def marks(self, deployment: Deployment) -> Iterable[str]:
        """Return the values of all labels, tags or the like that the platform keeps of a deployment.

        They are what a launcher finds it by that remembers nothing.
        """

    def impossible(self) -> ClaimedRun | None:
        """Make a flow run that can never be deployed, or return None if there is no such thing."""
        return None


class LauncherContract:
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
    def started(self, platform: LauncherPlatform, agent: str) -> Iterator[Callable[[], _Started]]:
        """Start a launcher and listen to it, as an agent does; all that is left is ended afterwards."""
        all_started: list[_Started] = []

        def _start() -> _Started:
            all_started.append(_Started(platform.launcher(), agent, self.patience))
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

    def _running(self, platform: LauncherPlatform, started: _Started) -> Deployment:
        """Deploy a run that waits, and see it run."""
        deployment = started.deploy(platform.run("wait"))
        _until(lambda: platform.is_running(deployment), self.patience, "it does not begin")
        return deployment

    def _gone(self, platform: LauncherPlatform, deployment: Deployment) -> None:
        _until(lambda: not platform.is_running(deployment), self.patience, "it runs on")

    # -- ends -----------------------------------------------------------------------------------

    def test_it_says_what_it_is(self, platform: LauncherPlatform) -> None:
        """It has a kind, and a number of deployments that may be under way at once."""
        launcher = platform.launcher()
        try:
            assert launcher.kind
            assert launcher.at_once >= 1
        finally:
            launcher.close()

    def test_one_that_succeeds(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """Its end is told once, and the server need not be told: the process has done that."""
        launcher = started()
        run = platform.run("succeed")
        deployment = launcher.deploy(run)
        assert (deployment.flow_run_id, deployment.attempt) == (run.id, run.attempt)
        ended = launcher.end_of(deployment)
        assert (ended.to_report, ended.is_final) == (False, False), ended
        self._gone(platform, deployment)
        time.sleep(1.0)
        assert launcher.ends_of(deployment) == [ended]

    def test_one_that_fails(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
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

    def test_one_that_is_killed(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """It is said how it ended; another attempt may do better."""
        launcher = started()
        deployment = self._running(platform, launcher)
        platform.kill(deployment)
        ended = launcher.end_of(deployment)
        assert ended.how
        assert not ended.is_final, ended
        self._gone(platform, deployment)

    def test_one_that_cannot_be_deployed(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
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
    def _end_of_the_impossible(launcher: _Started, run: ClaimedRun) -> str:
        try:
            deployment = launcher.deploy(run)
        except DeploymentError as error:
            return str(error)
        ended = launcher.end_of(deployment)
        assert (ended.to_report, ended.is_final) == (True, True), ended
        return ended.how

    # -- cancelling -----------------------------------------------------------------------------

    def test_cancelling_what_runs(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """It ends, and its end is told; cancelling it again is no harm, before that or afterwards."""
        launcher = started()
        deployment = self._running(platform, launcher)
        launcher.launcher.cancel(deployment)
        launcher.launcher.cancel(deployment)
        ended = launcher.end_of(deployment)
        self._gone(platform, deployment)
        launcher.launcher.cancel(deployment)
        launcher.launcher.release(deployment)
        launcher.launcher.cancel(deployment)
        assert launcher.ends_of(deployment) == [ended]

    def test_cancelling_what_has_not_begun(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """It ends no less than what runs."""
        launcher = started()
        deployment = launcher.deploy(platform.run("wait"))
        launcher.launcher.cancel(deployment)
        launcher.end_of(deployment)
        self._gone(platform, deployment)

    # -- twins ----------------------------------------------------------------------------------

    def test_deploying_an_attempt_twice(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """It is the same deployment, or another one that ends by itself; cancelling ends them all."""
        launcher = started()
        run = platform.run("wait")
        first = launcher.deploy(run)
        second = launcher.deploy(run)
        assert (second.flow_run_id, second.attempt) == (run.id, run.attempt)
        both = {first, second}
        _until(lambda: any(map(platform.is_running, both)), self.patience, "it does not begin")
        for deployment in both:
            launcher.launcher.cancel(deployment)
        for deployment in both:
            launcher.end_of(deployment)
            self._gone(platform, deployment)
            assert len(launcher.ends_of(deployment)) == 1

    # -- starting again -------------------------------------------------------------------------

    def test_what_runs_is_found_again(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """An agent's end ends no run, and one that is started again sees it end."""
        first = started()
        deployment = self._running(platform, first)
        first.close()
        assert platform.is_running(deployment)
        second = started()
        (found,) = second.found
        assert (found.flow_run_id, found.attempt) == (deployment.flow_run_id, deployment.attempt)
        second.launcher.cancel(found)
        second.end_of(found)
        self._gone(platform, deployment)

    def test_what_ends_meanwhile_is_told(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """The end that no agent was there to see is told once by the next."""
        first = started()
        deployment = self._running(platform, first)
        first.close()
        platform.kill(deployment)
        self._gone(platform, deployment)
        second = started()
        second.end_of(deployment)
        time.sleep(1.0)
        assert len(second.ends_of(deployment)) == 1

    def test_ends_are_told_until_they_are_released(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """An agent that ends before the server knows tells it after its start; then no more."""
        first = started()
        deployment = first.deploy(platform.run("fail"))
        ended = first.end_of(deployment)
        first.close()
        second = started()
        if ended.to_report:
            again = second.end_of(deployment)
            assert (again.to_report, again.is_final) == (True, False)
            assert "3" in again.how
        second.launcher.release(deployment)
        second.launcher.release(deployment)
        second.close()
        third = started()
        time.sleep(1.5)
        assert third.found == []
        assert third.ends_of(deployment) == []

    def test_other_agents_runs_are_theirs(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
        """An agent finds, and hears of, nothing that another one has deployed."""
        own = started()
        deployment = self._running(platform, own)
        other = _Started(platform.launcher(), f"contract-{uuid.uuid4()}", self.patience)
        try:
            assert other.found == []
            own.launcher.cancel(deployment)
            own.end_of(deployment)
            time.sleep(0.5)
            assert other.ends_of(deployment) == []
        finally:
            other.close()

    def test_a_deployment_says_whose_it_is(
        self, platform: LauncherPlatform, started: Callable[[], _Started], agent: str
    ) -> None:
        """The platform keeps flow run, attempt and agent with it, and never the token."""
        launcher = started()
        run = platform.run("wait")
        deployment = launcher.deploy(run)
        _until(lambda: platform.is_running(deployment), self.patience, "it does not begin")
        marks = set(platform.marks(deployment))
        assert {run.id, str(run.attempt), agent} <= marks
        if run.token:
            assert not any(run.token in mark for mark in (*marks, deployment.handle))
        launcher.launcher.cancel(deployment)

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

    def test_many_at_once(
        self, platform: LauncherPlatform, started: Callable[[], _Started]
    ) -> None:
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


class _Started:
    """A launcher that is listened to."""

    def __init__(self, launcher: Launcher, agent: str, patience: float) -> None:
        self.launcher = launcher
        self.found = list(launcher.recover(agent))
        self.deployed: list[Deployment] = []
        self.problems: list[BaseException] = []
        self._patience = patience
        self._ended: list[Ended] = []
        self._heard = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._listen, name="watch")
        self._thread.start()

    def deploy(self, run: ClaimedRun) -> Deployment:
        deployment = self.launcher.deploy(run)
        self.deployed.append(deployment)
        return deployment

    def ends_of(self, deployment: Deployment) -> list[Ended]:
        with self._heard:
            return [each for each in self._ended if each.deployment == deployment]

    def end_of(self, deployment: Deployment) -> Ended:
        with self._heard:
            self._heard.wait_for(lambda: self.ends_of(deployment), self._patience)
            ends = self.ends_of(deployment)
        assert ends, f"the end of {deployment} is not told within {self._patience} s"
        return ends[0]

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._thread.join()
            self.launcher.close()

    def _listen(self) -> None:
        while not self._closing:
            try:
                news = self.launcher.watch(0.2)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test is to show it
                self.problems.append(error)
                return
            with self._heard:
                for each in news:
                    assert isinstance(each, Ended | Waits)
                    if isinstance(each, Ended):
                        self._ended.append(each)
                self._heard.notify_all()


def _until(condition: Callable[[], bool], seconds: float, problem: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{problem}, for {seconds} s"
        time.sleep(0.05)
