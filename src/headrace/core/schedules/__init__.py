"""Schedules: clocks that give times, filters that let them pass, adjustments that move them.

```text
schedule       Schedule, IntervalSchedule, CronSchedule, RRuleSchedule
clocks         all kinds of clocks, gathered from
  base         what a clock and its events are
  interval, cron, dates, recurrence
filters, adjustments
named          functions with a name and arguments, so that they can be stored
wall           from the wall clock of a zone to the instant that is meant
```
"""

from headrace.core.schedules.schedule import CronSchedule as CronSchedule
from headrace.core.schedules.schedule import IntervalSchedule as IntervalSchedule
from headrace.core.schedules.schedule import RRuleSchedule as RRuleSchedule
from headrace.core.schedules.schedule import Schedule as Schedule
