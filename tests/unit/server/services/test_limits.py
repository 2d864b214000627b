"""Too many failures of one address are held down; others are left alone."""

from headrace.server.services.limits import FailureLimit


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_address_may_fail_so_often_and_then_now_and_again():
    clock = Clock()
    limit = FailureLimit(most=3, every=6.0, clock=clock)
    for _ in range(3):
        assert limit.wait("10.0.0.1") == 0
        limit.fail("10.0.0.1")
    assert limit.wait("10.0.0.1") == 6
    assert limit.wait("10.0.0.2") == 0
    clock.now = 104.5
    assert limit.wait("10.0.0.1") == 2
    clock.now = 106.5
    assert limit.wait("10.0.0.1") == 0
    limit.fail("10.0.0.1")
    assert limit.wait("10.0.0.1") == 6
    clock.now = 200.0
    assert limit.wait("10.0.0.1") == 0


def test_failures_beyond_the_limit_do_not_make_it_worse():
    limit = FailureLimit(most=2, every=6.0, clock=Clock())
    for _ in range(50):
        limit.fail("10.0.0.1")
    assert limit.wait("10.0.0.1") == 6
