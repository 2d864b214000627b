from headrace.core.views import SetView


def test_a_view_is_live_ordered_and_compares_as_a_set():
    source = dict.fromkeys("bca")
    view = SetView(source)
    assert list(view) == ["b", "c", "a"]
    assert view == {"a", "b", "c"}
    assert {"a", "b", "c"} == view
    assert "a" in view
    source["d"] = None
    assert len(view) == 4
    assert view > {"a"}
    assert repr(SetView({1: None})) == "{1}"


def test_what_views_are_combined_to_is_a_set_of_its_own():
    view = SetView(dict.fromkeys("abc"))
    for combined, expected in [
        (view | {"d"}, "abcd"),
        (view & {"a", "z"}, "a"),
        (view - {"a"}, "bc"),
        ({"a", "d"} - view, "d"),
        (view ^ {"a", "d"}, "bcd"),
        (view.copy(), "abc"),
        (view.union("d", "e"), "abcde"),
        (view.intersection("ab", "bc"), "b"),
        (view.difference("ab"), "c"),
    ]:
        assert type(combined) is set
        assert combined == set(expected)
    assert view.issubset("abcd")
    assert not view.issubset("ab")
    assert view.issuperset("ab")
    assert not view.issuperset("az")
