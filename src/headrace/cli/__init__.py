"""The command line: parse, call, print. Only here are click and rich imported."""

from __future__ import annotations


def main() -> int:
    """Run the command that `sys.argv` names, and return the exit code."""
    from headrace.cli.app import run

    return run()
