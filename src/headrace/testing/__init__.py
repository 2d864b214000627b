"""Contract suites and a way to run flows in tests, for flows and for what people build on Headrace.

`run` runs a flow with tasks replaced and with a time of the test's own. `ExecutorContract` and
`ResultContract` are the tests that every executor and every result must pass, `StorageContract`
those of every storage and `LauncherContract` those of whatever deploys flow runs; they need pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.lazy import lazy_names

if TYPE_CHECKING:
    from headrace.testing.executor_contract import ExecutorContract
    from headrace.testing.flow_run import run
    from headrace.testing.launcher_contract import LauncherContract
    from headrace.testing.launcher_platform import LauncherPlatform
    from headrace.testing.result_contract import ResultContract
    from headrace.testing.storage_contract import StorageContract
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "headrace.testing.executor_contract": ["ExecutorContract"],
            "headrace.testing.flow_run": ["run"],
            "headrace.testing.launcher_contract": ["LauncherContract"],
            "headrace.testing.launcher_platform": ["LauncherPlatform"],
            "headrace.testing.result_contract": ["ResultContract"],
            "headrace.testing.storage_contract": ["StorageContract"],
        },
    )

__all__ = [
    "ExecutorContract",
    "LauncherContract",
    "LauncherPlatform",
    "ResultContract",
    "StorageContract",
    "run",
]
