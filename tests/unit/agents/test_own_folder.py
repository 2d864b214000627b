"""Nobody else takes the place of an agent's fork server, or looks into its folder."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.agents.fork_messages import SOCKET, connect
from headrace.agents.identity import AgentDirectory

as_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can be two users"
)
NOBODY = 65534

#: Another user, who listens where the fork server would, and shows what it is sent.
LISTENS = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
listener.listen()
print("listening", flush=True)
print(listener.accept()[0].recv(100), flush=True)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    # Not pytest's own folder, into which no other user may look.
    with tempfile.TemporaryDirectory(prefix="headrace-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_an_agents_folder_is_its_own(tmp_path: Path):
    before = os.umask(0)
    try:
        agent = AgentDirectory(str(tmp_path / "home"), "box")
    finally:
        os.umask(before)
    agent.close()
    for folder in (tmp_path / "home", tmp_path / "home" / "agents", agent.path):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Somebody has let others in.
    agent.path.chmod(0o777)
    AgentDirectory(str(tmp_path / "home"), "box").close()
    assert stat.S_IMODE(agent.path.stat().st_mode) == 0o700


@as_root
def test_a_folder_of_another_user_is_not_used(tmp_path: Path):
    (tmp_path / "agents" / "box").mkdir(parents=True)
    os.chown(tmp_path / "agents" / "box", NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="another user"):
        AgentDirectory(str(tmp_path), "box")


@as_root
@pytest.mark.parametrize(("user", "is_let_in"), [(0, True), (NOBODY, False)])
def test_another_users_socket_is_told_nothing(user: int, is_let_in: bool, open_folder: Path):
    command = [sys.executable, "-c", LISTENS, str(open_folder / SOCKET), str(user)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        if is_let_in:
            with connect(open_folder) as sock:
                sock.sendall(b"hello")
        else:
            with pytest.raises(PermissionError, match="another user"):
                connect(open_folder)
        assert process.stdout.readline() == ("b'hello'\n" if is_let_in else "b''\n")


@as_root
@pytest.mark.parametrize(("user", "said"), [(0, "hello"), (NOBODY, "")])
def test_a_fork_server_talks_to_its_own_user_only(user: int, said: str, open_folder: Path):
    command = [sys.executable, "-P", "-m", "headrace.agents.fork_server", str(open_folder)]
    with subprocess.Popen(command) as server:
        try:
            while True:
                try:
                    connect(open_folder).close()
                    break
                except OSError:
                    assert server.poll() is None
            (open_folder / SOCKET).chmod(0o777)
            asks = (
                "import os, socket, sys; os.setuid(int(sys.argv[2])); s = socket.socket(socket.AF_UNIX); "
                "s.connect(sys.argv[1]); print(s.recv(100).decode())"
            )
            done = subprocess.run(
                [sys.executable, "-c", asks, str(open_folder / SOCKET), str(user)],
                capture_output=True,
                text=True,
                check=True,
                timeout=20,
            )
            assert said in done.stdout
            assert bool(done.stdout.strip()) == bool(said)
        finally:
            server.kill()


def test_a_link_in_the_sockets_place_is_replaced_and_not_followed(tmp_path: Path):
    from headrace.agents.fork_server import ForkServer

    target = tmp_path / "precious"
    target.write_text("precious")
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / SOCKET).symlink_to(target)
    server = ForkServer(folder, idle=0.0)
    server._listen()
    try:
        assert target.read_text() == "precious"
        assert stat.S_ISSOCK((folder / SOCKET).lstat().st_mode)
        assert stat.S_IMODE((folder / SOCKET).lstat().st_mode) == 0o600
    finally:
        server._stop_listening()
    assert socket.AF_UNIX and not (folder / SOCKET).exists()


@pytest.mark.parametrize(
    "name", [".", "..", "../up", "/etc", "a/b", "a\x00b", "\N{CJK UNIFIED IDEOGRAPH-65E5}" * 200]
)
def test_any_name_has_a_folder_among_those_of_agents(tmp_path, name):
    directory = AgentDirectory(str(tmp_path), name)
    directory.close()
    assert directory.path.resolve().parent == tmp_path.resolve() / "agents"
