"""Runs a flow file as a script and writes down what became of its flows, as JSON.

    python observe.py FLOW_FILE OUTPUT [--prefect1]

It runs under the real Prefect 1.4.1 just as well as, with `--prefect1`, under Headrace: the state
types, the simple results, and whatever the file has put into its list `record`.
"""

import json
import runpy
import sys


def plain(value):
    """Return what of a value can be compared between two libraries."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, BaseException):
        # Errors of the libraries have names of their own, but are kinds of the same built-in ones.
        kinds = [kind for kind in type(value).__mro__ if kind.__module__ == "builtins"]
        kind = kinds[0] if isinstance(value, Exception) else type(value)
        return {"error": kind.__name__}
    if hasattr(value, "isoformat"):
        return {"time": value.isoformat()}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return {"object": type(value).__name__}


def describe(state):
    """Return a task's state, a mapped one with its children."""
    if state.is_mapped():
        return {"type": "Mapped", "children": [describe(child) for child in state.map_states]}
    return {"type": type(state).__name__, "result": plain(state.result)}


def describe_tasks(states, slugs):
    """Return the state of each task by its slug; of those that flows make by themselves, by name."""
    found = {}
    for task, state in states.items():
        if not hasattr(task, "slug"):
            continue
        if task.auto_generated:
            # The numbers in the slugs of collections depend on the order in which they were nested.
            found.setdefault(f"{task.name} (generated)", []).append(describe(state))
        else:
            found[slugs.get(task, f"{task.name} (copied)")] = describe(state)
    for described in found.values():
        if isinstance(described, list):
            described.sort(key=json.dumps)
    return found


def observe(path):
    """Run the file at `path` and return what became of its flows."""
    names = runpy.run_path(path, run_name="__main__")
    slugs = {}
    for value in names.values():
        if hasattr(value, "slugs") and hasattr(value, "terminal_tasks"):
            slugs.update(value.slugs)
    runs = {}
    for name, value in names.items():
        if hasattr(value, "is_finished") and not isinstance(value, type):
            tasks = value.result if isinstance(value.result, dict) else {}
            runs[name] = {"type": type(value).__name__, "tasks": describe_tasks(tasks, slugs)}
    return {"runs": runs, "record": names.get("record", [])}


if __name__ == "__main__":
    flow_file, output, *mode = sys.argv[1:]
    if mode == ["--prefect1"]:
        import headrace.compat.prefect  # noqa: F401 - the import is what installs it
    seen = observe(flow_file)
    with open(output, "w") as file:
        json.dump(seen, file, indent=1, sort_keys=True)
        file.write("\n")
