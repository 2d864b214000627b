"""Which process is meant."""

import os
import signal
import subprocess
import sys
import time
from subprocess import PIPE

import msgspec
import pytest

from headrace.engine.process_identity import how_it_ended, identity_of


def test_a_process_is_known_by_more_than_its_id():
    own = identity_of(os.getpid())
    assert own.is_here()
    assert own.is_alive()
    for field, value in (("start", "0"), ("boot", "another")):
        other = msgspec.structs.replace(own, **{field: value})
        assert not other.is_alive()
        assert not other.signal(signal.SIGKILL)
        assert not other.signal_group(signal.SIGKILL, session=os.getsid(0))
    assert not msgspec.structs.replace(own, host="elsewhere").is_here()
    assert identity_of(2**22 + 1) is None


def test_a_process_that_has_ended_is_not_alive_even_before_anybody_has_waited_for_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(process.pid)
    assert identity.is_alive()
    assert identity.signal(signal.SIGTERM)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_alive()
    assert not identity.signal(signal.SIGTERM)
    assert process.wait() == -signal.SIGTERM
    process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="groups are looked for in /proc")
def test_what_a_process_has_started_is_known_by_its_group_and_session():
    session = os.getsid(0)
    command = ["sh", "-c", "sleep 60 & echo $!; read line"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, process_group=0) as process:
        identity = identity_of(process.pid)
        started = identity_of(int(process.stdout.readline()))
    assert started.is_alive()
    assert not identity.signal_group(signal.SIGKILL, session=session + 1)
    assert not msgspec.structs.replace(identity, boot="another").signal_group(
        signal.SIGKILL, session=session
    )
    assert started.is_alive()
    assert identity.signal_group(signal.SIGKILL, session=session)
    until = time.monotonic() + 10
    while started.is_alive():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not identity.signal_group(signal.SIGKILL, session=session)


def test_ends_in_words():
    assert how_it_ended(137) == "exit code 137"
    assert how_it_ended(-9) == "killed by SIGKILL"
    assert how_it_ended(-99) == "killed by signal 99"
