"""Headrace: flows of tasks in plain Python.

```python
from headrace import Flow, task


@task
def double(x: int) -> int:
    return 2 * x


with Flow("doubles") as flow:
    doubled = double.map([1, 2, 3])

state = flow.run()
assert state.result[doubled].result == [2, 4, 6]
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.config import config as config
from headrace.core.annotations import flatten as flatten
from headrace.core.annotations import mapped as mapped
from headrace.core.annotations import unmapped as unmapped
from headrace.core.context import context as context
from headrace.core.edge import Edge as Edge
from headrace.core.function_task import task as task
from headrace.core.lazy import lazy_names
from headrace.core.parameter import Parameter as Parameter
from headrace.core.tags import tags as tags
from headrace.core.task import Task as Task
from headrace.core.version import __version__ as __version__
from headrace.flow import Flow as Flow

if TYPE_CHECKING:
    from headrace.core.attribute_defaults import defaults_from_attrs as defaults_from_attrs
    from headrace.core.collections import as_task as as_task
    from headrace.core.mapping import apply_map as apply_map
    from headrace.core.parameter import DateTimeParameter as DateTimeParameter
    from headrace.secrets import Secret as Secret
    from headrace.tasks.control_flow import FilterTask as FilterTask
    from headrace.tasks.control_flow import case as case
    from headrace.tasks.control_flow import ifelse as ifelse
    from headrace.tasks.control_flow import merge as merge
    from headrace.tasks.control_flow import switch as switch
    from headrace.tasks.pause import pause_task as pause_task
    from headrace.tasks.resources import resource_manager as resource_manager
else:
    # What only some flows use is imported when it is first asked for.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "headrace.core.attribute_defaults": ["defaults_from_attrs"],
            "headrace.core.collections": ["as_task"],
            "headrace.core.mapping": ["apply_map"],
            "headrace.core.parameter": ["DateTimeParameter"],
            "headrace.secrets": ["Secret"],
            "headrace.tasks.control_flow": ["case", "FilterTask", "ifelse", "merge", "switch"],
            "headrace.tasks.pause": ["pause_task"],
            "headrace.tasks.resources": ["resource_manager"],
        },
    )

__all__ = [
    "DateTimeParameter",
    "Edge",
    "FilterTask",
    "Flow",
    "Parameter",
    "Secret",
    "Task",
    "apply_map",
    "as_task",
    "case",
    "config",
    "context",
    "defaults_from_attrs",
    "flatten",
    "ifelse",
    "mapped",
    "merge",
    "pause_task",
    "resource_manager",
    "switch",
    "tags",
    "task",
    "unmapped",
]
