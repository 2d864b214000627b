import pytest

from headrace.core.annotations import EdgeAnnotation, flatten, mapped, unmapped


def test_annotations_nest_and_add_up():
    nested = unmapped(flatten(7))
    assert nested.value == 7
    assert nested.annotations == {"mapped": False, "flattened": True}


def test_the_innermost_annotation_wins():
    assert mapped(unmapped(1)).annotations == {"mapped": False}
    assert unmapped(mapped(1)).annotations == {"mapped": True}


@pytest.mark.parametrize("kind", [mapped, unmapped, flatten])
def test_annotations_of_one_value_do_not_touch_another(kind):
    first = kind(1)
    first.annotations["mapped"] = "changed"
    assert kind(2).annotations == kind.meaning
    assert isinstance(first, EdgeAnnotation)


def test_repr_shows_kind_and_value():
    assert repr(flatten([1])) == "flatten([1])"
