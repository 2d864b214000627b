"""What an image is built from: a Dockerfile, and the files that it copies, as one archive."""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections.abc import Iterable, Mapping
from hashlib import file_digest, sha256
from typing import IO, Final

from headrace.core.errors import StorageError

#: Where in the archive is what Headrace adds to it.
_OURS: Final = ".headrace-image"
_FROM: Final = re.compile(
    r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE | re.MULTILINE
)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WITH_PASSWORD: Final = re.compile(r"://[^/\s@]*:[^/\s@]+@|://[^/\s@:]{16,}@")


class ImageContext:
    """The Dockerfile, and the files that go with it.

    What changes seldom comes first, so that the layers of it are taken from the engine's cache:
    variables, dependencies, files, the user's own commands, flows.

    Args:
        begin: The Dockerfile's first lines: `FROM ...`, or the user's own Dockerfile.
        folder: The folder in the image for what Headrace adds.
        root: The folder here whose files the user's own Dockerfile may copy; None for none.
    """

    def __init__(self, begin: str, folder: str, root: str | None = None) -> None:
        self._lines = [begin.rstrip().removesuffix("\\")]
        self._folder = folder.rstrip("/")
        self._root = root
        #: By its name in the archive: what is there, and what it is known by.
        self._contents: dict[str, tuple[bytes, str]] = {}
        #: Names in the archive, and the paths here that they are copied from.
        self._copied: dict[str, str] = {}
        self._ignored: list[str] = []

    @property
    def dockerfile(self) -> str:
        """The Dockerfile."""
        return "\n".join(self._lines) + "\n"

    @property
    def bases(self) -> list[str]:
        """The images that it builds on."""
        found = _FROM.findall(self.dockerfile)
        stages = {stage for _, stage in found}
        return sorted({image for image, _ in found} - stages - {"scratch"})

    def ignore(self, patterns: Iterable[str]) -> None:
        """Leave files of `root` out that fit patterns of a `.dockerignore`."""
        self._ignored += patterns

    def set_variables(self, values: Mapping[str, object]) -> None:
        """Set environment variables. Everybody who has the image can read them.

        Raises:
            StorageError: If one has a name or a value that a Dockerfile cannot take.
        """
        for name, value in values.items():
            text = str(value)
            if not _NAME.fullmatch(str(name)) or "\n" in text or "\r" in text:
                raise StorageError(
                    f"env_vars of Docker storage: {name!r} cannot be set in an image. A name has "
                    "letters, digits and underscores, and a value is one line."
                )
            escaped = re.sub(r'(["\\$])', r"\\\1", text)
            self._lines.append(f'ENV {name}="{escaped}"')

    def install(self, dependencies: Iterable[str]) -> None:
        """Install Python packages.

        Raises:
            StorageError: If one has a token in its address, which would stand in the image.
        """
        lines = [line.strip() for line in dependencies]
        if not lines:
            return
        for line in lines:
            if _WITH_PASSWORD.search(line):
                raise StorageError(
                    "python_dependencies of Docker storage hold an address with a password or a token "
                    "in it, which everybody could read who has the image. Copy a wheel in with `files`, "
                    "or install the package in a base image of your own."
                )
        place = self._add("requirements.txt", ("\n".join(lines) + "\n").encode())
        self._lines += [
            f"COPY {_json(place, f'{self._folder}/requirements.txt')}",
            f"RUN {_json('python3', '-m', 'pip', 'install', '--no-cache-dir', '-r', f'{self._folder}/requirements.txt')}",
        ]

    def copy_files(self, files: Mapping[str, str]) -> None:
        """Copy files and folders of this machine to absolute paths in the image.

        Raises:
            StorageError: If one is not there, or is to go nowhere in particular.
        """
        for number, (here, there) in enumerate(sorted(files.items())):
            if not os.path.exists(here):
                raise StorageError(
                    f"files of Docker storage: there is no {here}. Paths count from the current folder, "
                    f"{os.getcwd()}."
                )
            if not str(there).startswith("/"):
                raise StorageError(
                    f"files of Docker storage: {here} is to go to an absolute path in the image, not to "
                    f"{there!r}."
                )
            place = f"{_OURS}/files/{number}"
            self._copied[place] = os.path.abspath(here)
            self._lines.append(f"COPY {_json(place, there)}")

    def add_commands(self, commands: Iterable[str]) -> None:
        """Take over lines of a Dockerfile as they are."""
        self._lines += commands

    def copy_code(self, path: str, data: bytes, known_by: str) -> None:
        """Copy a flow's code.

        Args:
            path: Where it goes in the image.
            data: The code.
            known_by: What tells it from other code: two pickles of one flow differ in their bytes.
        """
        place = self._add(f"code/{len(self._contents)}", data, known_by)
        self._lines.append(f"COPY {_json(place, path)}")

    def check(self, program: str, asked: bytes) -> None:
        """Run a program in the image when all else is there; its failure is that of the build."""
        for name, data in (("image_check.py", program.encode()), ("image_check.json", asked)):
            place = self._add(name, data)
            self._lines.append(f"COPY {_json(place, f'{self._folder}/{name}')}")
        self._lines.append(f"RUN {_json('python3', '-B', f'{self._folder}/image_check.py')}")

    def digest(self, more: Iterable[str]) -> str:
        """Return what tells this from another context: SHA-256, in hexadecimal digits.

        Args:
            more: What else the image depends on.
        """
        whole = sha256()
        for part in (self.dockerfile, *more):
            whole.update(f"{len(part)} {part}".encode())
        for name, (_, known_by) in sorted(self._contents.items()):
            whole.update(f"{name} {known_by}\n".encode())
        for name, path in sorted({**self._copied, **self._of_root()}.items()):
            for below, file in _files_at(path):
                whole.update(f"{name} {below} {os.stat(file).st_mode & 0o111}".encode())
                with open(file, "rb") as stream:
                    whole.update(file_digest(stream, "sha256").digest())
        return whole.hexdigest()

    def write(self, stream: IO[bytes]) -> None:
        """Write the archive that an engine builds from."""
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, path in {**self._copied, **self._of_root()}.items():
                archive.add(path, arcname=name, filter=_plain)
            contents = {name: data for name, (data, _) in self._contents.items()}
            for name, data in {**contents, self.dockerfile_name: self.dockerfile.encode()}.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o644
                archive.addfile(entry, io.BytesIO(data))

    @property
    def dockerfile_name(self) -> str:
        """The Dockerfile's name in the archive."""
        return f"{_OURS}/Dockerfile"

    def _add(self, name: str, data: bytes, known_by: str | None = None) -> str:
        place = f"{_OURS}/{name}"
        self._contents[place] = (data, known_by or sha256(data).hexdigest())
        return place

    def _of_root(self) -> dict[str, str]:
        """Return the files that the user's own Dockerfile may copy, by their names in the archive."""
        if self._root is None:
            return {}
        from headrace.storage.image_engine import files_below

        return {
            name: os.path.join(self._root, name) for name in files_below(self._root, self._ignored)
        }


def _json(*words: str) -> str:
    import json

    return json.dumps(words)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    # Who owns a file here, and when it was written, is nothing that the image should depend on.
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def _files_at(path: str) -> list[tuple[str, str]]:
    """Return the files at a path: by what follows it, in their order."""
    if not os.path.isdir(path):
        return [("", path)] if os.path.isfile(path) else []
    return sorted(
        (os.path.relpath(os.path.join(folder, name), path), os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
        if os.path.isfile(os.path.join(folder, name))
    )
