"""Runs a command on a terminal of its own: `in_terminal.py COLUMNS ROWS COMMAND...`.

What the terminal shows goes to standard output; what comes in on standard input is typed. Forking a
process on a new terminal is safe in this small program, and not in one that has threads.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def main(columns: int, rows: int, command: list[str]) -> int:
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execvp(command[0], command)
    sources = [terminal, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if 0 in ready:
            typed = os.read(0, 1024)
            if typed:
                os.write(terminal, typed)
            else:
                sources.remove(0)
        if terminal in ready:
            try:
                shown = os.read(terminal, 65536)
            except OSError:  # nobody has the terminal open any more
                shown = b""
            if not shown:
                break
            os.write(1, shown)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]) & 0xFF)
