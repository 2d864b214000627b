"""Which agent gets which flow run: labels as sets, kinds, priorities, time, each run once."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from headrace.server.rules.matching import Due, Offer, assign, fits

LABELS = st.frozensets(st.sampled_from(["gpu", "eu", "big", "ünïcode", ""]))
KINDS = st.sampled_from(["local", "docker", "any"])
NOW = 1000.0


def offer(name: str = "a", labels: str = "", **fields: object) -> Offer:
    values = {"agent": name, "name": name, "kind": "local", "most": 1, "ahead": 0.0, **fields}
    return Offer(labels=frozenset(labels.split()), **values)


def due(key: int, labels: str = "", **fields: object) -> Due:
    values = {"kind": "any", "priority": 0, "start_time": NOW, **fields}
    return Due(key=key, labels=frozenset(labels.split()), **values)


OFFERS = st.builds(
    Offer,
    agent=st.just("a"),
    name=st.just("a"),
    kind=st.sampled_from(["local", "docker"]),
    labels=LABELS,
    most=st.integers(0, 4),
    ahead=st.sampled_from([0.0, 5.0, 10.0]),
)
RUNS = st.lists(
    st.builds(
        Due,
        key=st.integers(0, 10_000),
        labels=LABELS,
        kind=KINDS,
        priority=st.integers(-2, 2),
        start_time=st.sampled_from([NOW - 1, NOW, NOW + 4, NOW + 8, NOW + 20]),
    ),
    max_size=12,
    unique_by=lambda run: run.key,
)


@given(LABELS, LABELS, KINDS)
def test_an_agent_fits_if_it_has_all_labels_of_the_run_and_its_kind(run, agent, kind):
    assert fits(
        run, kind, Offer(agent="a", name="a", kind="local", labels=agent, most=1, ahead=0.0)
    ) == (all(label in agent for label in run) and kind in ("local", "any"))


@given(RUNS, st.lists(OFFERS, max_size=5))
def test_each_run_goes_once_to_an_agent_that_it_fits_and_that_has_room(runs, offers):
    given_ = assign(runs, offers, NOW)
    by_key = {run.key: run for run in runs}
    assert max(Counter(key for keys in given_ for key in keys).values(), default=1) == 1
    for agent, keys in zip(offers, given_, strict=True):
        assert len(keys) <= agent.most
        for key in keys:
            assert fits(by_key[key].labels, by_key[key].kind, agent)
            assert by_key[key].start_time <= NOW + agent.ahead


@given(RUNS, st.lists(OFFERS, max_size=5))
def test_no_run_is_left_while_an_agent_that_it_fits_has_room(runs, offers):
    given_ = assign(runs, offers, NOW)
    taken = {key for keys in given_ for key in keys}
    for run in runs:
        if run.key not in taken:
            assert not any(
                len(keys) < agent.most
                and fits(run.labels, run.kind, agent)
                and run.start_time <= NOW + agent.ahead
                for agent, keys in zip(offers, given_, strict=True)
            )


@given(RUNS, OFFERS)
def test_one_agent_gets_the_most_urgent_runs(runs, agent):
    (keys,) = assign(runs, [agent], NOW)
    could = [
        run
        for run in runs
        if fits(run.labels, run.kind, agent) and run.start_time <= NOW + agent.ahead
    ]
    could.sort(key=lambda run: (-run.priority, run.start_time, run.key))
    assert keys == [run.key for run in could[: agent.most]]


def test_runs_spread_over_agents_that_wait_together():
    agents = [offer("a", most=5), offer("b", most=5), offer("c", most=1)]
    assert assign([due(key) for key in range(5)], agents, NOW) == [[0, 3], [1, 4], [2]]


def test_who_has_waited_longest_comes_first():
    assert assign([due(1)], [offer("a", "x"), offer("b")], NOW) == [[1], []]
    assert assign([due(1, "y")], [offer("a", "x"), offer("b", "x y")], NOW) == [[], [1]]
