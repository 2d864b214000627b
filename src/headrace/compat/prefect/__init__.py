"""Runs flow files that were written for Prefect 1, unchanged.

Importing this package makes `import prefect`, and each dotted path of Prefect 1.4 that Headrace
offers, resolve to Headrace's own objects:

```python
import headrace.compat.prefect  # first in the file
from prefect import Flow, task
```

```text
table         what each dotted path is: the one place that knows
alias         the modules named `prefect...`, made when they are imported, and the finder of them
remedies      what to do about a name that Prefect 1 had and Headrace does not offer
installation  `install`: the alias, and what else differs while flows of Prefect 1 run
settings      PREFECT__* variables and `~/.prefect/config.toml`
dates         dates that know pendulum's methods
logs          Prefect 1's log lines of tasks, and its logger
collections   the few helpers of Prefect 1 that nothing in Headrace needs
```

A package named `prefect` that is installed is not hidden: `import prefect` then stops with an error
that says so, unless the alias was told to win, by `install(replace=True)` or by the environment
variable HEADRACE_PREFECT1=replace.
"""

from headrace.compat.prefect.installation import install as install
from headrace.compat.prefect.installation import install_on_import

__all__ = ["install"]

install_on_import()
