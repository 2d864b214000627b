"""Names as segments of a path."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.wire.segments import plain, segment


@given(st.text() | st.text("%2F5/ab"))
def test_a_name_comes_back(name):
    assert plain(segment(name)) == name
    assert "/" not in segment(name)


def test_a_name_that_needs_no_other_form_has_none():
    assert segment("load-1") == plain("load-1") == "load-1"
