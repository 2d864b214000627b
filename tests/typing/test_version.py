from typing import assert_type

import headrace


def test_version_is_a_string() -> None:
    assert_type(headrace.__version__, str)
    assert headrace.__version__.count(".") == 2
