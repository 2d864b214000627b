"""How fast Headrace runs flows, beside the raw limits and other orchestrators, in one run.

One command, ``python -m benchmarks`` or ``make bench``, prints a table of cases. Each case runs one
workload (`workloads`) with several contenders: Headrace through plain ``flow.run()``, bare loops and
pools over the same functions (`limits`), and other orchestrators (`peers`). Every sample is a fresh
process (`child`); contenders take turns (A, B, A, B, ...) so that a slow minute of the machine meets
them all, and each is judged by its median (`measure`). `cases` holds the table with its targets,
`report` prints it.
"""
