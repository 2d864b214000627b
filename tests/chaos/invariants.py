"""What must hold of a run when it is over, whatever happened on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.chaos.evidence import Evidence

FINISHED = frozenset({"Success", "Failed", "Cancelled"})
#: For how many seconds after it could have learnt that it lost the run a process may start calls: so
#: long may an order take from the server to a runner on a loaded machine.
GRACE = 2.0
#: The tasks whose calls are written down.
TASKS = ("numbers-1", "double-1", "double-2", "outside-1", "total-1")


def violations(evidence: Evidence) -> list[str]:
    """Return what does not hold, in sentences."""
    return [
        f"{found} (run {evidence.id} of {evidence.flow})"
        for rule in (
            _ended_once,
            _attempts_are_whole,
            _numbers_are_whole,
            _latest_agrees,
            _calls_are_of_owners,
            _nothing_runs_again,
            _successes_were_called,
            _result_is_right,
            _nothing_acknowledged_is_missing,
            _api_agrees,
        )
        for found in rule(evidence)
    ]


def _fresh(evidence: Evidence) -> list[dict[str, Any]]:
    return [entry for entry in evidence.tables.history if not entry["is_stale"]]


def _ended_once(evidence: Evidence) -> Iterator[str]:
    run, history = evidence.tables.run, _fresh(evidence)
    endings = [entry["state"] for entry in history if entry["state"] in FINISHED]
    if endings != [run["state"]] or history[-1]["state"] != run["state"]:
        yield f"its state is {run['state']}, and its history has the endings {endings}"
    if run["phase"] != "finished" or run["is_open"] or run["lease_until"] is not None:
        yield f"it is not closed: {run['phase']}, {run['is_open']}, {run['lease_until']}"
    if run["ended"] is None:
        yield "nothing says when it ended"
    if not run["message"]:
        yield "nothing says how it ended"


def _attempts_are_whole(evidence: Evidence) -> Iterator[str]:
    """Each attempt has its claim, its activation if there was one, and how it ended."""
    attempts, history = evidence.tables.attempts, _fresh(evidence)
    numbers = sorted(row["attempt"] for row in attempts)
    if numbers != list(range(1, evidence.tables.run["attempt"] + 1)):
        yield f"its attempts are {numbers}, and its last one {evidence.tables.run['attempt']}"
    if [entry["attempt"] for entry in history] != sorted(entry["attempt"] for entry in history):
        yield "its history goes back to an earlier attempt"
    writers = Counter((row["attempt"], row["nonce"]) for row in evidence.tables.writers)
    for row in attempts:
        number, nonce = row["attempt"], row["nonce"]
        states = [entry["state"] for entry in history if entry["attempt"] == number]
        if states.count("Submitted") != 1:
            yield f"attempt {number} was claimed, and its history is {states}"
        if states.count("Running") != (nonce is not None) or (row["activated"] is None) != (
            nonce is None
        ):
            yield f"attempt {number} was activated by {nonce}, and its history is {states}"
        if [key for key in writers if key[0] == number] != ([(number, nonce)] if nonce else []):
            yield f"attempt {number} was activated by {nonce}, and written by {dict(writers)}"
        if row["ended"] is None or not row["how"] or states[-1] in ("Submitted", "Running"):
            yield f"nothing says how attempt {number} ended: {row['how']!r}, {states}"


def _numbers_are_whole(evidence: Evidence) -> Iterator[str]:
    """Each process's events are numbered without gaps, and none is there twice."""
    tables = evidence.tables
    for writer in tables.writers:
        rows = [row for row in (*tables.states, *tables.logs) if row["writer"] == writer["id"]]
        numbers = Counter(row["seq"] for row in rows)
        if twice := [number for number, count in numbers.items() if count > 1]:
            yield f"attempt {writer['attempt']} has the numbers {twice} twice"
        missing = set(range(1, writer["stored"] + 1)) - numbers.keys()
        # A state of the run itself has a number too; it is an entry of the run's history.
        told = [
            entry
            for entry in tables.history
            if entry["attempt"] == writer["attempt"]
            and entry["who"] == "runner"
            and entry["state"] != "Running"
            and "was lost: " not in entry["message"]
        ]
        if len(missing) > len(told) or numbers.keys() - set(range(1, writer["stored"] + 1)):
            yield (
                f"attempt {writer['attempt']} has {writer['stored']} events, of which "
                f"{sorted(missing)} are not there; others are {sorted(numbers)[-3:]}"
            )
        same = Counter(
            (row["at"], row["slug"], row["map_index"], row.get("state"), row["message"])
            for row in rows
        )
        for event, count in same.items():
            if count > 1:
                yield f"attempt {writer['attempt']} has an event {count} times: {event}"


def _latest_agrees(evidence: Evidence) -> Iterator[str]:
    """A task run's state is the last that an owner of the run has reported."""
    tables = evidence.tables
    attempts = {writer["id"]: writer["attempt"] for writer in tables.writers}
    last = {
        (row["slug"], row["map_index"]): row
        for row in sorted(tables.states, key=lambda row: (attempts[row["writer"]], row["seq"]))
        if not row["is_stale"]
    }
    current = {(row["slug"], row["map_index"]): row for row in tables.task_runs}
    if current.keys() != last.keys():
        yield f"its task runs differ from their history by {current.keys() ^ last.keys()}"
    for key in current.keys() & last.keys():
        row, state = current[key], last[key]
        said = [row[name] for name in ("state", "message", "at", "run_count", "attempt")]
        meant = [state[name] for name in ("state", "message", "at", "run_count")]
        meant.append(attempts[state["writer"]])
        if said != meant:
            yield f"task run {key} is {said}, and was last said to be {meant}"


def _may_learn(evidence: Evidence, ended: float) -> float:
    """Return by when the process of an attempt must have learnt that it has lost the run."""
    until, before = ended, -1.0
    while until != before:
        before = until
        for trouble in evidence.troubles:
            if trouble.begin <= until and trouble.part != "agent":
                until = max(until, trouble.end)
    return until + GRACE


def _calls_are_of_owners(evidence: Evidence) -> Iterator[str]:
    """Only the process that was let begin calls, only once, and not after it lost the run."""
    attempts = {row["attempt"]: row for row in evidence.tables.attempts}
    stopped = any(trouble.part in ("runner", "run") for trouble in evidence.troubles)
    for call in evidence.calls:
        what = f"{call.slug}[{call.map_index}] in attempt {call.attempt}"
        row = attempts.get(call.attempt)
        if row is None or row["activated"] is None or call.at < row["activated"]:
            yield f"{what} was called by a process that was not let begin"
            continue
        if call.session != row["pid"]:
            yield f"{what} was called by a twin: {call.session} beside {row['pid']}"
        if call.at > (until := _may_learn(evidence, row["ended"])):
            yield f"{what} was called {call.at - until:.2f} s after its process knew better"
        if evidence.flow == "careful" and not stopped and call.at > row["ended"]:
            yield f"{what} was called after its lease, and the flow cannot bear that"
    counts = Counter((call.slug, call.map_index, call.attempt) for call in evidence.calls)
    for (slug, index, attempt), count in counts.items():
        if count > 1:
            yield f"{slug}[{index}] was called {count} times in attempt {attempt}"


def _nothing_runs_again(evidence: Evidence) -> Iterator[str]:
    """What the server has as a success is not called by a later attempt.

    Only an owner's success counts: the server has taken it before the next attempt was claimed.
    """
    attempts = {writer["id"]: writer["attempt"] for writer in evidence.tables.writers}
    known: dict[tuple[str, int], int] = {}
    for row in evidence.tables.states:
        if row["state"] == "Success" and not row["is_stale"]:
            key, attempt = (row["slug"], row["map_index"]), attempts[row["writer"]]
            known[key] = min(attempt, known.get(key, attempt))
    for call in evidence.calls:
        first = known.get((call.slug, call.map_index))
        if first is not None and call.attempt > first:
            yield (
                f"{call.slug}[{call.map_index}] was called in attempt {call.attempt}, though the "
                f"server had its success in attempt {first}"
            )


def _successes_were_called(evidence: Evidence) -> Iterator[str]:
    """A success has a call before it; a call's log line comes before its success."""
    tables = evidence.tables
    attempts = {writer["id"]: writer["attempt"] for writer in tables.writers}
    calls = {(call.slug, call.map_index, call.attempt): call for call in evidence.calls}
    lines = {
        (row["slug"], row["map_index"], row["writer"]): row["seq"]
        for row in tables.logs
        if row["message"].startswith("called ")
    }
    for row in tables.states:
        if row["state"] != "Success" or row["slug"] not in TASKS:
            continue
        slug, index, attempt = row["slug"], row["map_index"], attempts[row["writer"]]
        before = [calls.get((slug, index, earlier)) for earlier in range(1, attempt + 1)]
        if not any(call is not None and call.at <= row["at"] for call in before):
            yield f"{slug}[{index}] is a success in attempt {attempt}, and was never called"
        if before[-1] is not None:
            line = lines.get((slug, index, row["writer"]))
            if line is None or line > row["seq"]:
                yield f"{slug}[{index}] is a success in attempt {attempt} without its log line"


def _result_is_right(evidence: Evidence) -> Iterator[str]:
    if evidence.tables.run["state"] != "Success":
        return
    results = [call.value for call in evidence.calls if call.slug == "total-1"]
    if not results or {*results} != {evidence.result}:
        yield f"it added up {results} instead of {evidence.result}"
    there = {(row["slug"], row["map_index"]) for row in evidence.tables.task_runs}
    for slug, index in {(call.slug, call.map_index) for call in evidence.calls} - there:
        yield f"{slug}[{index}] was called, and the server knows nothing of it"
    for row in evidence.tables.task_runs:
        if row["state"] not in ("Success", "Mapped"):
            yield f"{row['slug']}[{row['map_index']}] is {row['state']} in a run that succeeded"


def _nothing_acknowledged_is_missing(evidence: Evidence) -> Iterator[str]:
    lost = evidence.durable - evidence.tables.durable()
    if lost:
        yield f"a server that was killed has lost {sorted(map(str, lost))[:5]}"


def _api_agrees(evidence: Evidence) -> Iterator[str]:
    tables, told = evidence.tables, evidence.told
    for name in ("state", "message", "attempt", "recoveries", "pid"):
        if told.run[name] != tables.run[name]:
            yield f"the API says {told.run[name]!r} as {name}, and the tables {tables.run[name]!r}"
    names = ("state", "message", "attempt", "who", "is_stale")
    for what, said, rows, chosen in (
        ("history", told.history, tables.history, names),
        (
            "task runs",
            [row for row in told.task_runs if row["state"] != "Pending"],
            tables.task_runs,
            ("slug", "map_index", "state", "attempt"),
        ),
        ("logs", told.logs, tables.logs, ("message", "slug", "map_index")),
    ):
        there = Counter(tuple(row[name] for name in chosen) for row in rows)
        heard = Counter(tuple(row[name] for name in chosen) for row in said)
        if there != heard:
            yield f"by the API its {what} lack {there - heard} and have {heard - there} more"
