"""Names that packages import late."""

import importlib
import subprocess
import sys

import pytest

PACKAGES = ["headrace", "headrace.executors", "headrace.results", "headrace.tasks"]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_name_is_there_and_listed(package):
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_any_other_name_is_an_attribute_error_that_names_it(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing


def test_a_module_is_imported_when_a_name_of_it_is_asked_for():
    program = (
        "import sys, headrace.tasks\n"
        "name = 'headrace.tasks.shell'\n"
        "print(name in sys.modules)\n"
        "headrace.tasks.ShellTask\n"
        "print(name in sys.modules, 'ShellTask' in vars(headrace.tasks))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == ["False", "True", "True"]
