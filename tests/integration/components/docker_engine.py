"""A real Docker engine for tests: `dockerd` on a socket of its own, with nobody else's containers.

How to use it: ask for the session fixture `docker_engine` and use

- `docker_engine.url`: what `DOCKER_HOST` or docker-py's `base_url` takes (`unix://...`);
- `docker_engine.socket`: the socket's path;
- `docker_engine.client`: a `docker.DockerClient`;
- `docker_engine.stop()`, `.start()`, `.kill()`: to have it away for a while. End what you start;
  containers that a test leaves behind are removed at the end of the session at the latest.

It starts when it is first needed, in a second. There is no network but `host` and `none`, and no
registry is within reach but those on loopback (see `registry.py`). Images to run: the fixtures
`headrace_image` and `python_image` of `base_image.py`; they are in the engine after their first use.

Engines run side by side: each takes the first free folder `engine-N` below `.cache/docker` in the
repository's root and keeps its images there, so that the next session finds them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.components.server import could_not_run

if TYPE_CHECKING:
    from docker import DockerClient

#: Where engines keep their images from one session to the next.
CACHE = Path(__file__).parents[3] / ".cache" / "docker"
#: How the names of images begin that are worth keeping: they take long to make.
KEPT = ("headrace:", "headrace-python:", "headrace-dependencies:", "headrace-deploy")
#: How many seconds it may need to start and to end, on a loaded machine with two cores.
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class DockerEngine:
    """An engine that a test may stop, kill and start again, on the same data.

    Args:
        data: The folder that it keeps images and containers in.
        home: A folder with a short path, for sockets and its log.
    """

    def __init__(self, data: Path, home: Path) -> None:
        self.home = home
        self.socket = home / "docker.sock"
        self.url = f"unix://{self.socket}"
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def client(self) -> DockerClient:
        import docker

        return docker.DockerClient(base_url=self.url, timeout=120)

    @property
    def pid(self) -> int:
        assert self._process is not None, "the engine does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has said, over all its starts."""
        return (self.home / "log").read_text(errors="replace")

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers.

        Args:
            options: More options, such as `--live-restore`: containers go on without the engine.
        """
        assert self._process is None, "the engine runs already"
        # One that was killed leaves these behind, and their numbers may be others' by now.
        for left in ("pid", "exec/containerd/containerd.pid"):
            (self.home / left).unlink(missing_ok=True)
        command = [
            *("dockerd", "-H", self.url, "--data-root", str(self._data)),
            *("--exec-root", str(self.home / "exec"), "--pidfile", str(self.home / "pid")),
            *("--iptables=false", "--ip6tables=false", "--bridge=none", *options),
        ]
        # If the test run itself is killed, the engine ends its containers, and itself.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"dockerd does not start. Its last words:\n{self.log[-3000:]}")
            time.sleep(0.02)

    def answers(self) -> bool:
        """Tell whether it answers."""
        # Not by docker-py, which leaves a socket open that could not be connected.
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            try:
                asking.connect(str(self.socket))
                asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in asking.recv(64)
            except OSError:
                return False

    def stop(self) -> None:
        """Ask it to end, which ends its containers, too."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would; processes of its containers go on."""
        self._end(signal.SIGKILL)

    def remove_containers(self) -> None:
        """Remove all containers, those that run too, and volumes that nothing has a name for."""
        api = self.client.api
        for each in api.containers(all=True):
            with contextlib.suppress(Exception):  # one may go away by itself meanwhile
                api.remove_container(each["Id"], force=True, v=True)

    def close(self) -> None:
        """End it with all that it has started, and leave nothing mounted."""
        if self._process is not None and self.answers():
            self.remove_containers()
        if self._process is not None:
            self.stop()
        self.client.close()
        self._sweep()

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None, "the engine does not run"
        process, self._process = self._process, None
        process.send_signal(how)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _sweep(self) -> None:
        """End what a killed engine left running, and unmount what any engine leaves behind."""
        ours = str(self.home / "exec")
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (process / "cmdline").read_bytes().decode(errors="replace")
                if "containerd" in command and f"{ours}/" in command:
                    os.kill(int(process.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed(mounts):
            if mount == str(self._data) or mount.startswith((f"{self._data}/", f"{ours}/")):
                subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


@contextmanager
def running_docker_engine() -> Iterator[DockerEngine]:
    """Run an engine for the length of a `with` block, with the images of earlier sessions."""
    missing = [each for each in ("dockerd", "containerd", "runc") if shutil.which(each) is None]
    if missing:
        could_not_run(f"there is no {' and no '.join(missing)}: Debian's package is docker.io")
    if os.geteuid() != 0:
        could_not_run("the Docker engine needs root")
    with _free_folder() as folder:
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
        home = Path(tempfile.gettempdir()) / f"headrace-docker-{name}"
        engine = DockerEngine(folder / "data", home)
        # Whoever was killed here has left all behind.
        engine._sweep()
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        try:
            try:
                engine.start()
            except RuntimeError as error:
                could_not_run(str(error))
            engine.remove_containers()
            _remove_images_of_tests(engine)
            yield engine
        finally:
            engine.close()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """An engine without containers."""
    with running_docker_engine() as engine:
        yield engine


def _remove_images_of_tests(engine: DockerEngine) -> None:
    """Keep no images but those that every session needs."""
    for image in engine.client.images.list():
        if image.tags and not any(tag.startswith(KEPT) for tag in image.tags):
            engine.client.images.remove(image.id, force=True)
    engine.client.images.prune({"dangling": True})


@contextmanager
def _free_folder() -> Iterator[Path]:
    """Hold the first folder of an engine that nobody uses."""
    number = 0
    while True:
        folder = CACHE / f"engine-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                number += 1
                continue
            yield folder
            return
