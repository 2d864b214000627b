"""Images that containers of tests run: made here, as none can be pulled.

How to use them: ask for one of these session fixtures, which have the image in `docker_engine`
and return its name:

- `python_image`: Debian with `python3`, pip and venv; small, and without Headrace;
- `headrace_image`: that, with this repository's Headrace, its dependencies and most extras in
  `/opt/headrace` (whose `bin` is on PATH). It has the name of the image that agents take by
  default, `headrace:<version>`. A change of `src` renews only its last layer, in a few seconds.

`build_tiny_image(engine, name)` makes one of a few bytes, to push and to pull; it runs nothing.

To build an image of your own: `FROM` one of them; `wheelhouse()` is a folder with the wheels of
all dependencies, and `own_wheel(folder)` makes that of this repository, for
`pip install --no-index --find-links`. Builds have no network: `build_image` is how.

All is made once, below `.cache/docker` in the repository's root: `mmdebstrap` makes Debian (20 s
to 90 s), `pip download` fetches the wheels of the locked versions (15 s), each engine builds its
images when they are first asked for (30 s).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.core.version import __version__
from tests.integration.components.docker_engine import CACHE, DockerEngine
from tests.integration.components.server import could_not_run

_ROOT = Path(__file__).parents[3]
_SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
#: The Python of that Debian.
_PYTHON = "3.11"
#: What flows in containers may need; pandas is too large to be carried along for nothing.
_EXTRAS = (
    *("dask", "aws", "gcp", "azure", "yaml", "docker", "kubernetes"),
    *("github", "gitlab", "bitbucket", "postgres", "git", "prefect1"),
)
#: Kinds of wheels that run on it.
_PLATFORMS = tuple(f"manylinux_2_{minor}" for minor in (36, 34, 31, 28, 27, 24, 17, 12, 5))

_DEPENDENCIES = """\
FROM {base} AS build
COPY wheels /wheels
COPY requirements.txt /
RUN python3 -m venv /opt/headrace \
 && /opt/headrace/bin/pip install --no-index --find-links /wheels --no-deps -r /requirements.txt
FROM {base}
COPY --from=build /opt/headrace /opt/headrace
ENV PATH=/opt/headrace/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV PYTHONUNBUFFERED=1 LANG=C.UTF-8
"""

_HEADRACE = """\
FROM {base}
COPY *.whl /tmp/
RUN pip install --no-index --no-deps /tmp/*.whl && rm /tmp/*.whl
"""


@pytest.fixture(scope="session")
def python_image(docker_engine: DockerEngine) -> str:
    """The name of an image with Debian's Python, which is in the engine."""
    return _python(docker_engine)


@pytest.fixture(scope="session")
def headrace_image(docker_engine: DockerEngine) -> str:
    """The name of an image with this repository's Headrace, which is in the engine."""
    return build_headrace_image(docker_engine)


def build_headrace_image(engine: DockerEngine) -> str:
    """Return the name of an image with this repository's Headrace; build it if need be."""
    name = f"headrace:{__version__}"
    key = _digest(_ROOT / "src")
    below = _dependencies(engine)
    if _label(engine, name) != f"{below}:{key}":
        with tempfile.TemporaryDirectory() as folder:
            own_wheel(Path(folder))
            (Path(folder) / "Dockerfile").write_text(_HEADRACE.format(base=below))
            build_image(engine, Path(folder), name, {_KEY: f"{below}:{key}"})
    return name


def build_image(
    engine: DockerEngine, folder: Path, name: str, labels: Mapping[str, str] | None = None
) -> None:
    """Build the image that a folder's `Dockerfile` describes, without any network.

    Raises:
        docker.errors.BuildError: If that fails.
    """
    engine.client.images.build(
        path=str(folder), tag=name, rm=True, forcerm=True, network_mode="none", labels=labels
    )


def build_tiny_image(engine: DockerEngine, name: str) -> None:
    """Build an image that holds one file, of its own name: quickly pushed, and nothing to run."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "name").write_text(name)
        (Path(folder) / "Dockerfile").write_text('FROM scratch\nCOPY name /\nCMD ["/name"]\n')
        build_image(engine, Path(folder), name)


def wheelhouse() -> Path:
    """Return a folder with wheels of all that Headrace and its extras need, and their lock.

    The lock is its file `requirements.txt`: exact versions of all of them.
    """
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    wanted = (
        (_ROOT / "requirements" / "all.lock").read_text(),
        project["dependencies"],
        [project["optional-dependencies"][extra] for extra in _EXTRAS],
        (_PYTHON, _PLATFORMS),
    )
    folder = CACHE / f"wheels-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"
    with _made_once(folder) as making:
        if making is not None:
            lock = making / "requirements.txt"
            extras = [part for extra in _EXTRAS for part in ("--extra", extra)]
            _run(
                [
                    *(_beside("uv"), "pip", "compile", "--quiet", "--python-version", _PYTHON),
                    *("--python-platform", "x86_64-manylinux_2_36", "--generate-hashes"),
                    *("--no-header", "--no-annotate", "--no-emit-index-url"),
                    *("--no-emit-find-links", "--constraint", "requirements/all.lock"),
                    *("pyproject.toml", *extras, "--output-file", str(lock)),
                ],
                "the wheels for containers cannot be chosen",
            )
            platforms = [part for each in _PLATFORMS for part in ("--platform", f"{each}_x86_64")]
            _run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                    *("--require-hashes", "--only-binary=:all:", "--python-version", _PYTHON),
                    *("--implementation", "cp", "--abi", f"cp{_PYTHON.replace('.', '')}"),
                    *("--abi", "abi3", "--abi", "none", *platforms),
                    *("--dest", str(making), "--requirement", str(lock)),
                ],
                "the wheels for containers cannot be downloaded",
            )
    return folder


def own_wheel(folder: Path) -> Path:
    """Make this repository's wheel in a folder, and return its path."""
    _run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        "Headrace's own wheel cannot be built",
    )
    (wheel,) = folder.glob("headrace-*.whl")
    return wheel


#: The label that tells what an image was made of.
_KEY = "io.headrace.tests.key"


def _python(engine: DockerEngine) -> str:
    name = f"headrace-python:{_SUITE}"
    if not engine.client.images.list(name):
        # What is imported keeps nothing but its files.
        engine.client.api.import_image_from_file(
            str(_debian()), repository="headrace-python", tag=_SUITE, changes=['CMD ["python3"]']
        )
    return name


def _dependencies(engine: DockerEngine) -> str:
    wheels = wheelhouse()
    key = wheels.name.removeprefix("wheels-")
    name = f"headrace-dependencies:{key}"
    if not engine.client.images.list(name):
        base = _python(engine)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(wheels, Path(folder) / "wheels", copy_function=_link)
            lock = Path(folder) / "wheels" / "requirements.txt"
            lock.rename(Path(folder) / "requirements.txt")
            (Path(folder) / "Dockerfile").write_text(_DEPENDENCIES.format(base=base))
            build_image(engine, Path(folder), name)
        # What the wheels were installed from, and what an older lock asked for.
        engine.client.images.prune({"dangling": True})
        for image in engine.client.images.list("headrace-dependencies"):
            if name not in image.tags:
                engine.client.images.remove(image.tags[0], force=True)
    return name


def _label(engine: DockerEngine, name: str) -> str | None:
    (found,) = engine.client.images.list(name) or [None]
    return None if found is None else found.labels.get(_KEY)


def _debian() -> Path:
    """Return the archive of a Debian's files."""
    wanted = hashlib.sha256(f"{_SUITE} {_PACKAGES}".encode()).hexdigest()[:12]
    folder = CACHE / f"debian-{wanted}"
    with _made_once(folder) as making:
        if making is not None:
            if shutil.which("mmdebstrap") is None:
                could_not_run("there is no mmdebstrap, which makes the image of containers")
            _run(
                [
                    *("mmdebstrap", "--variant=minbase", "--mode=root", "--quiet"),
                    # Manuals and translations are most of what nobody reads there.
                    *("--dpkgopt=path-exclude=/usr/share/doc/*",),
                    *("--dpkgopt=path-exclude=/usr/share/man/*",),
                    *("--dpkgopt=path-exclude=/usr/share/locale/*",),
                    *(f"--include={_PACKAGES}", _SUITE, str(making / "base.tar")),
                ],
                "mmdebstrap cannot make the image of containers",
            )
    return folder / "base.tar"


@contextmanager
def _made_once(folder: Path) -> Iterator[Path | None]:
    """Yield the folder to make, under a lock; or None if it is made already."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if folder.exists():
            yield None
            return
        making = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=CACHE))
        try:
            yield making
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        kind = folder.name.partition("-")[0]
        for older in CACHE.glob(f"{kind}-*"):
            if older.is_dir() and older != folder:
                shutil.rmtree(older, ignore_errors=True)


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            found.update(f"{path.relative_to(_ROOT)}\0{len(content)}\0".encode())
            found.update(content)
    return found.hexdigest()[:12]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _beside(program: str) -> str:
    found = Path(sys.executable).with_name(program)
    if not found.exists():
        could_not_run(f"there is no {program} beside {sys.executable}")
    return str(found)


def _run(command: list[str], failed: str) -> None:
    """Run a command in the repository's root; the test could not run if it fails."""
    done = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    if done.returncode != 0:
        could_not_run(f"{failed}: {(done.stderr or done.stdout).strip()[-1000:]}")
