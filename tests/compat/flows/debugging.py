"""What helps to find out what is wrong, and flows that go to files and back."""

import os
import tempfile
import threading

import prefect
from prefect import Flow, Parameter, task
from prefect.utilities.collections import (
    CompoundKey,
    DotDict,
    as_nested_dict,
    dict_to_flatdict,
    flatdict_to_dict,
    flatten_seq,
    merge_dicts,
)
from prefect.utilities.configuration import set_temporary_config
from prefect.utilities.debug import is_serializable, raise_on_exception
from prefect.utilities.storage import extract_flow_from_file

record = []


@task
def divide(x):
    return 1 / x


with Flow("fragile") as flow:
    x = Parameter("x", default=0)
    result = divide(x)

if __name__ == "__main__":
    state = flow.run()
    fine = flow.run(x=4)
    try:
        with raise_on_exception():
            flow.run()
    except ZeroDivisionError:
        record.append("raised, not trapped")
    record.append([is_serializable(lambda: 1), is_serializable(threading.Lock())])

    path = os.path.join(tempfile.mkdtemp(), "flow.pickle")
    flow.save(path)
    loaded = Flow.load(path)
    record.append([loaded.name, sorted(t.name for t in loaded.tasks)])
    loaded_state = loaded.run(x=2)

    script = (
        "from prefect import Flow, task\n"
        "@task\n"
        "def one():\n"
        "    return 1\n"
        "with Flow('first') as first:\n"
        "    one()\n"
        "with Flow('second') as second:\n"
        "    one()\n"
    )
    record.append(extract_flow_from_file(file_contents=script).name)
    record.append(extract_flow_from_file(file_contents=script, flow_name="second").name)
    try:
        extract_flow_from_file(file_contents=script, flow_name="third")
    except ValueError:
        record.append("no third flow")

    nested = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    flat = dict_to_flatdict(nested)
    record.append(sorted((list(key), value) for key, value in flat.items()))
    record.append(isinstance(next(iter(flat)), CompoundKey) and flatdict_to_dict(flat) == nested)
    dotted = as_nested_dict(nested, DotDict)
    dotted.new = [1]
    record.append([dotted.a.c.d, dotted["e"], dotted.get("no"), dotted.to_dict() == nested])
    record.append([isinstance(dotted.a, DotDict), sorted(dotted), len(dotted), "new" in dotted])
    record.append(merge_dicts({"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "c": 4}))
    record.append(list(flatten_seq([1, [2, (3, [4])], "text"])))

    with set_temporary_config({"flows.checkpointing": True, "own.setting": 5}):
        record.append([prefect.config.flows.checkpointing, prefect.config.own.setting])
    record.append([prefect.config.flows.checkpointing, prefect.config.get("own") is None])
    record.append(prefect.config.tasks.defaults.max_retries)
