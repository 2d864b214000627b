"""Results that are stored: locations, templates, targets, serializers, checkpointing."""

import os
import tempfile

import prefect
from prefect import Flow, Parameter, task
from prefect.engine.results import LocalResult, PrefectResult
from prefect.engine.serializers import CompressedSerializer, JSONSerializer, PickleSerializer
from prefect.utilities.configuration import set_temporary_config

record = []
folder = tempfile.mkdtemp()


@task(result=LocalResult(dir=folder, location="{task_name}-{x}.pickle"))
def templated(x):
    record.append(["templated", x])
    return {"x": x}


@task(
    target="{flow_name}/{task_name}/{x}.json",
    result=LocalResult(dir=folder, serializer=JSONSerializer()),
)
def targeted(x):
    record.append(["targeted", x])
    return [x, x]


@task(target=lambda **kwargs: f"by-function-{kwargs['x']}.bin")
def by_function(x):
    record.append(["by_function", x])
    return x


@task(
    result=LocalResult(
        dir=folder,
        location=lambda **kwargs: f"{kwargs['task_name']}.gz",
        serializer=CompressedSerializer(PickleSerializer(), format="gzip"),
    )
)
def compressed(x):
    return "x" * x


@task(checkpoint=False, result=LocalResult(dir=folder, location="opted-out.pickle"))
def opted_out(x):
    return x


@task(result=PrefectResult())
def in_the_state(x):
    return [x]


@task(target="mapped-{map_index}-{x}.pickle")
def mapped(x):
    record.append(["mapped", x])
    return x + 1


@task(checkpoint=True)
def by_flow(x):
    return x


with Flow("stored", result=LocalResult(dir=folder)) as flow:
    x = Parameter("x", default=3)
    a = templated(x)
    b = targeted(x)
    c = by_function(x)
    d = compressed(x)
    e = opted_out(x)
    f = in_the_state(x)
    g = mapped.map([5, 6])
    h = by_flow(x)


def stored():
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder) for name in names]
    # A result without a location of its own gets a name that nobody can foretell.
    return sorted("random" if name.count("prefect-result") else name for name in found)


def location(state, task):
    where = state.result[task]._result.location
    return None if where is None else os.path.relpath(where, folder)


if __name__ == "__main__":
    unstored = flow.run()
    record.sort()
    record.append(["not checkpointed", len(stored())])

    with set_temporary_config({"flows.checkpointing": True}):
        first = len(record)
        state = flow.run()
        record[first:] = sorted(record[first:])
        names = stored()
        wanted = ("by-function-3.bin", "compressed.gz", "templated-3.pickle")
        record += [[name, name in names] for name in wanted]
        record.append(["opted-out.pickle", "opted-out.pickle" in names])
        with open(os.path.join(folder, "stored", "targeted", "3.json")) as file:
            record.append(["json", file.read()])
        again = flow.run()

    result = LocalResult(dir=folder, location="by-hand-{what}.json", serializer=JSONSerializer())
    record.append(result.exists("by-hand-test.json"))
    written = result.write({"a": 1}, what="test")
    where = os.path.relpath(os.path.join(folder, written.location), folder)
    record.append([where, written.value, result.exists("by-hand-{what}.json", what="test")])
    record.append(result.read("by-hand-test.json").value)
    record.append(result.format(what="else").location)
    record.append(PrefectResult().write([1, 2]).location)
    record.append(prefect.engine.results.ConstantResult(value=7).read("ignored").value)
