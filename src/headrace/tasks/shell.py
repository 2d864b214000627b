"""`ShellTask`: runs shell commands."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.errors import ArgumentError, TaskTypeError
from headrace.core.signals import FAIL
from headrace.core.task import Task


class ShellTask(Task[Any]):
    """Runs a shell command; its result is the last line of the output, or all lines.

    The output is what the command writes to standard output and standard error together. The task
    fails if the exit code is not 0. It ends when the command has ended and its output is closed: what
    is put into the background has to send its output elsewhere. If the task is cut short, by its
    timeout or because the run is cancelled or killed, all processes of the command are ended.

    Args:
        command: The command; it may be given when the task is called, instead.
        env: Environment variables to set, on top of those of the process that runs the task.
        helper_script: Shell code that is run before the command, in the same shell: to change the
            directory, or to define functions.
        shell: The shell: a program that runs the file it is given.
        return_all: Whether the result is the list of all lines, instead of the last line.
        log_stderr: Whether the output of a command that failed is logged: all of it with
            `return_all`, else the last line.
        stream_output: Whether each line is logged as it comes: True (at INFO), or a log level.
        **kwargs: As for `Task`.

    Raises:
        TaskTypeError: If `stream_output` is no log level.

    Example:
        ```python
        in_repository = ShellTask(helper_script="cd repository")
        with Flow("count") as flow:
            in_repository(command="git rev-list --count HEAD")
        ```
    """

    def __init__(
        self,
        command: str | None = None,
        env: Mapping[str, str] | None = None,
        helper_script: str | None = None,
        shell: str = "bash",
        return_all: bool = False,
        log_stderr: bool = False,
        stream_output: bool | int | str = False,
        **kwargs: Any,
    ) -> None:
        self.command = command
        self.env = env
        self.helper_script = helper_script
        self.shell = shell
        self.return_all = return_all
        self.log_stderr = log_stderr
        self.stream_output = _level(stream_output)
        super().__init__(**kwargs)

    @defaults_from_attrs("command", "env", "helper_script")
    def run(
        self,
        command: str | None = None,
        env: Mapping[str, str] | None = None,
        helper_script: str | None = None,
    ) -> str | list[str] | None:
        """Run the command.

        Args:
            command: As for the task.
            env: As for the task.
            helper_script: As for the task.

        Returns:
            The last line of the output, None if there is none; or all lines.

        Raises:
            FAIL: If the exit code is not 0. The result is the output, as it would be otherwise.
            ArgumentError: If there is no command, or something is no text.
            CommandError: If the shell cannot be started.
        """
        from tempfile import NamedTemporaryFile

        from headrace.tasks.processes import Command

        script = self._script(command, helper_script)
        environment = {**os.environ, **self._checked(env)}
        lines: list[str] = []
        line: str | None = None
        with NamedTemporaryFile("w", encoding="utf-8", prefix="headrace-") as file:
            file.write(script)
            file.flush()
            with Command([self.shell, file.name], environment, file.name) as running:
                for line in running.lines():
                    if self.return_all:
                        lines.append(line)
                    if self.stream_output:
                        self.logger.log(self.stream_output, "%s", line)
                code = running.wait()
        output = lines if self.return_all else line
        if code:
            raise self._failure(code, output)
        return output

    def _script(self, command: Any, helper_script: Any) -> str:
        if command is None:
            raise ArgumentError(
                f"Task {self.name!r} has no command; give it one: ShellTask(command='ls'), or when "
                "it is called."
            )
        for what, text in (("command", command), ("helper_script", helper_script or "")):
            if not isinstance(text, str):
                raise ArgumentError(
                    f"The {what} of task {self.name!r} is {text!r:.60}, a {type(text).__name__}; "
                    "give one string."
                )
        return f"{helper_script}\n{command}" if helper_script else str(command)

    def _checked(self, env: Any) -> dict[str, str]:
        if not isinstance(env, Mapping | None):
            raise ArgumentError(
                f"The env of task {self.name!r} is a {type(env).__name__}; give a dict from the "
                "variables' names to their values."
            )
        for name, value in (env or {}).items():
            if not isinstance(name, str) or not isinstance(value, str):
                # The value is not shown: environment variables are where secrets travel.
                raise ArgumentError(
                    f"The environment variable {name!r} of task {self.name!r} is no text, but a "
                    f"{type(value).__name__}. Give strings only."
                )
        return dict(env or {})

    def _failure(self, code: int, output: str | list[str] | None) -> FAIL:
        message = f"Command failed with exit code {code}{_killed_by(code)}"
        self.logger.error("%s", message)
        if self.log_stderr and not self.stream_output:
            self.logger.error("%s", "\n".join(output) if isinstance(output, list) else output)
        return FAIL(message, result=output)


def _killed_by(code: int) -> str:
    if code >= 0:
        return ""
    import signal

    return f" (killed by {signal.Signals(-code).name})"


def _level(stream_output: bool | int | str) -> int:
    """Return a log level; 0 for no logging.

    Raises:
        TaskTypeError: If it is none.
    """
    if isinstance(stream_output, bool):
        return logging.INFO if stream_output else 0
    level: Any = stream_output
    if isinstance(stream_output, str):
        level = logging.getLevelName(stream_output.upper())
    if not isinstance(level, int):
        raise TaskTypeError(
            f"The stream_output of a ShellTask is {stream_output!r}, which is no log level; give "
            "True, or a level such as 'DEBUG'."
        )
    return level
