import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.display.screen import Line, Screen
from tests.support.terminal import Terminal


def region(*texts):
    return [Line(text, len(text)) for text in texts]


class On:
    """A screen on a terminal."""

    def __init__(self, columns=40, rows=8):
        self.terminal = Terminal(columns, rows)
        # The line discipline makes a line feed go to the beginning of the line, too.
        self.screen = Screen(
            lambda data: self.terminal.feed(data.replace(b"\n", b"\r\n")),
            lambda: (self.terminal.columns, self.terminal.rows),
        )
        self.print, self.show = self.screen.print, self.screen.show

    @property
    def lines(self):
        return self.terminal.lines


def test_text_scrolls_above_the_region():
    on = On()
    on.print(b"one\n")
    on.show(region("bar", "counts"))
    on.print(b"two\nthree\n")
    assert on.lines == ["one", "two", "three", "bar", "counts"]


def test_the_region_is_drawn_over_itself():
    on = On()
    on.show(region("a long bar", "counts"))
    on.show(region("bar", "1"))
    assert on.lines == ["bar", "1"]
    on.show(region("only"))
    assert on.lines == ["only"]
    on.show(region("two", "again"))
    assert on.lines == ["two", "again"]


def test_the_region_goes_away_without_a_trace():
    on = On()
    on.print(b"before\n")
    on.show(region("bar", "counts"))
    assert not on.terminal.cursor_is_visible
    on.show([])
    assert on.lines == ["before"]
    assert on.terminal.cursor_is_visible
    on.print(b"after\n")
    assert on.lines == ["before", "after"]


def test_at_the_bottom_of_the_terminal():
    on = On(rows=5)
    on.show(region("bar", "counts"))
    for number in range(9):
        on.print(b"line %d\n" % number)
        on.show(region(f"bar {number}", "counts"))
    assert on.lines == ["line 6", "line 7", "line 8", "bar 8", "counts"]
    assert on.terminal.history == [f"line {number}" for number in range(6)]


def test_a_line_that_has_not_ended_keeps_the_region_away():
    on = On()
    on.show(region("bar"))
    on.print(b"name? ")
    assert on.lines == ["name?"]
    assert on.terminal.cursor_is_visible
    on.show(region("bar 2"))
    assert on.lines == ["name?"]
    on.print(b"nobody\n")
    assert on.lines == ["name? nobody", "bar 2"]
    assert not on.terminal.cursor_is_visible


def test_nothing_is_written_if_nothing_changes():
    on = On()
    on.show(region("bar"))
    frames = len(on.terminal.frames)
    on.show(region("bar"))
    on.print(b"")
    assert len(on.terminal.frames) == frames


def test_a_region_that_is_too_high_is_cut():
    on = On(rows=3)
    on.print(b"text\n")
    on.show(region("1", "2", "3", "4"))
    assert on.lines == ["text", "1", "2"]


def test_no_frame_is_without_the_region():
    on = On()
    on.show(region("bar", "counts"))
    for number in range(20):
        on.print(b"line %d\n" % number)
    assert all(frame[-2:] == ["bar", "counts"] for frame in on.terminal.frames)


def test_a_terminal_that_became_narrower_has_wrapped_the_region():
    on = On(columns=40, rows=8)
    on.print(b"text\n")
    on.show(region("x" * 30, "y" * 10))
    on.terminal = Terminal(20, 8)
    on.terminal.feed(b"text\r\n" + b"x" * 30 + b"\r\n" + b"y" * 10)
    on.show(region("x" * 15, "y" * 10))
    assert on.lines == ["text", "x" * 15, "y" * 10]


@given(
    st.lists(
        st.one_of(
            st.lists(st.text("abc", max_size=9), max_size=3).map(lambda texts: ("show", texts)),
            st.text("xyz\n", max_size=12).map(lambda text: ("print", text)),
        )
    )
)
def test_what_is_printed_is_never_lost(steps):
    on = On(columns=20, rows=6)
    printed = ""
    for kind, value in steps:
        if kind == "show":
            on.show(region(*value))
        else:
            on.print(value.encode())
            printed += value
    on.show([])
    expected = Terminal(20, 6)
    expected.feed(printed.replace("\n", "\r\n").encode())
    assert on.terminal.text.rstrip("\n") == expected.text.rstrip("\n")


@pytest.mark.parametrize(("columns", "width"), [(80, 79), (1, 1), (0, 1)])
def test_the_last_column_stays_free(columns, width):
    assert Screen(lambda data: None, lambda: (columns, 24)).width == width
