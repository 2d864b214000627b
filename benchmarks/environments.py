"""Environments that the harness makes for itself: Headrace's core alone, and one for each peer.

They are kept under ``.cache/benchmarks`` and made anew when what they are made from changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "benchmarks"

#: Other orchestrators, by the name of their contender in `child`, and how a table names them.
PEERS = {"prefect": "Prefect 1.4.1", "prefect3": "Prefect 3.8.8"}


def _uv(*arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *arguments], cwd=ROOT, check=True)


def _made_from(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _environment(name: str, files: Iterable[Path], install: Callable[[Path], None]) -> Path:
    """Return the interpreter of an environment, made by `install` unless it is there and current."""
    folder = CACHE / name
    stamp, fingerprint = folder / "made-from", _made_from(files)
    python = folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != fingerprint:
        print(f"making the environment {folder.relative_to(ROOT)}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        _uv("venv", "--quiet", "--python", sys.executable, folder)
        install(python)
        stamp.write_text(fingerprint)
    return python


def core_alone() -> Path:
    """Return the interpreter of an environment with Headrace and what it cannot do without.

    Headrace is installed from a wheel with its bytecode compiled, as pip leaves it on a user's machine.
    """
    lock = ROOT / "requirements" / "core.lock"

    def install(python: Path) -> None:
        wheels = python.parent.parent / "wheels"
        _uv(
            "build",
            "--quiet",
            "--wheel",
            "--no-build-isolation",
            "--python",
            sys.executable,
            "--out-dir",
            wheels,
        )
        to = ("pip", "install", "--quiet", "--compile-bytecode", "--python", python)
        _uv(*to, "--require-hashes", "--requirement", lock)
        _uv(*to, "--no-deps", *wheels.glob("*.whl"))

    sources = (ROOT / "src").rglob("*.py")
    return _environment("core", [lock, ROOT / "pyproject.toml", *sources], install)


def peer(name: str, pins: Path | None = None) -> Path:
    """Return the interpreter of a peer's environment.

    Args:
        name: The environment's name.
        pins: The requirements file that it is made from; by default the peer's own.
    """
    pins = pins or ROOT / "benchmarks" / "peers" / f"{name}.txt"

    def install(python: Path) -> None:
        _uv("pip", "install", "--quiet", "--python", python, "--no-deps", "--requirement", pins)

    return _environment(name, [pins], install)


def environment_variables(home: Path) -> dict[str, str]:
    """Return a process's variables: this one's, less what settings of a user could change.

    Args:
        home: An empty directory, where a contender finds no settings and may leave what it likes.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HEADRACE", "PREFECT", "DASK", "PYTHON"))
    }
    return kept | {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        # Peers send no statistics about their use from here, and stay quiet.
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT__LOGGING__LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
