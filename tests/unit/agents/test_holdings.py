"""The books that an agent keeps of its flow runs, against a plain model."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace.agents.holdings import Holdings
from headrace.agents.launcher import Deployment

RUNS = st.sampled_from(["a", "b", "c"])
ATTEMPTS = st.integers(1, 3)
KEYS = st.tuples(RUNS, ATTEMPTS)


def _deployment(key):
    return Deployment(flow_run_id=key[0], attempt=key[1], handle=f"{key[0]}-{key[1]}")


class Books(RuleBasedStateMachine):
    """The model: for each key where it is, and whether it was dropped."""

    def __init__(self):
        super().__init__()
        self.holdings = Holdings(limit=4, at_once=2)
        self.where = {}
        self.dropped = set()

    def _unbegun(self):
        return {key for key, stage in self.where.items() if stage != "begun"}

    @precondition(lambda self: self.holdings.room)
    @rule(key=KEYS, is_due=st.booleans())
    def take(self, key, is_due):
        is_new = key not in self.where
        assert self.holdings.take(key, is_due=is_due) is is_new
        if is_new:
            self.where[key] = "deploying" if is_due else "waiting"

    @precondition(lambda self: self.holdings.room)
    @rule(key=KEYS)
    def find(self, key):
        self.holdings.find(_deployment(key))
        self.where.setdefault(key, "deployed")

    @rule(key=KEYS)
    def start(self, key):
        is_due = self.where.get(key) == "waiting"
        assert self.holdings.start(key) is is_due
        if is_due:
            self.where[key] = "deploying"

    @rule(key=KEYS)
    def deployed(self, key):
        is_deploying = self.where.get(key) == "deploying"
        is_to_be_cancelled = self.holdings.deployed(_deployment(key))
        assert is_to_be_cancelled is (is_deploying and key in self.dropped)
        if is_deploying:
            self.where[key] = "deployed"

    @rule(run=RUNS)
    def begun(self, run):
        keys = self.holdings.keys_of([run])
        assert set(keys) == {key for key in self._unbegun() if key[0] == run}
        self.holdings.begun(keys)
        for key in keys:
            if self.where[key] == "deployed":
                self.where[key] = "begun"
                self.dropped.discard(key)

    @rule(run=RUNS)
    def drop(self, run):
        fresh = {key for key in self._unbegun() - self.dropped if key[0] == run}
        found = self.holdings.drop(run)
        assert set(found.given_back) == {key for key in fresh if self.where[key] == "waiting"}
        assert set(found.deploying) == {key for key in fresh if self.where[key] == "deploying"}
        assert set(found.deployed) == {
            _deployment(key) for key in fresh if self.where[key] == "deployed"
        }
        for key in fresh:
            if self.where[key] == "waiting":
                del self.where[key]
            else:
                self.dropped.add(key)

    @rule(key=KEYS)
    def pick_up(self, key):
        self.holdings.pick_up(key)
        self.dropped.discard(key)

    @rule(key=KEYS)
    def over(self, key):
        self.holdings.over(key)
        self.where.pop(key, None)
        self.dropped.discard(key)

    @invariant()
    def agrees(self):
        holdings, where = self.holdings, self.where
        assert len(holdings) == len(where)
        assert all(key in holdings for key in where)
        assert holdings.waiting == list(where.values()).count("waiting")
        assert holdings.is_deploying == bool(self._unbegun())
        assert holdings.to_name() == sorted({key[0] for key in self._unbegun() - self.dropped})
        deployed = {key for key, stage in where.items() if stage == "deployed"}
        assert set(holdings.unbegun()) == {_deployment(key) for key in deployed}
        # Waiting ones are deployed all at once if they are due together: they have been claimed.
        deploying = list(where.values()).count("deploying")
        assert holdings.room == max(0, min(4 - len(where), 2 - deploying))
        asks = holdings.room if deploying < 2 or holdings.room >= 1 else 0
        assert holdings.to_ask_for == asks
        for key in where:
            assert holdings.is_waited_for(key) == (where[key] != "begun")
            assert bool(holdings.drops(key)) == (key in self.dropped)
            older = {each for each in deployed if each[0] == key[0] and each[1] < key[1]}
            assert set(holdings.older(key)) == {_deployment(each) for each in older}


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_without_a_limit_there_is_room_for_what_can_be_deployed_at_once():
    holdings = Holdings(limit=None, at_once=50)
    assert holdings.room == 70
    for number in range(1010):
        holdings.find(_deployment((f"run-{number}", 1)))
    # The server would not listen to more names than these.
    assert holdings.room == 0
    assert len(holdings.to_name()) == 1000


def test_a_few_are_not_asked_for_while_all_hands_are_full():
    holdings = Holdings(limit=None, at_once=50)
    asked = []
    for number in range(70):
        asked.append(holdings.to_ask_for)
        assert holdings.take((f"run-{number}", 1), is_due=True)
    assert asked == [*range(70, 9, -1), *[0] * 9]
