"""Stored results: by the flow, by templates with the context, of mapped tasks, read back."""

import os
import tempfile

import prefect
from prefect import Flow, Parameter, Task, task
from prefect.engine.result import Result
from prefect.engine.results import ConstantResult, LocalResult, PrefectResult, SecretResult
from prefect.engine.serializers import JSONSerializer, PickleSerializer
from prefect.tasks.core.constants import Constant
from prefect.tasks.secrets import PrefectSecret

record = []
folder = tempfile.mkdtemp()
runs = []


class Kept(Result):
    """A result of somebody's own, in memory."""

    store = {}

    def read(self, location):
        new = self.copy()
        new.location = location
        new.value = self.store[location]
        return new

    def write(self, value_, **kwargs):
        new = self.format(**kwargs)
        new.value = value_
        self.store[new.location] = value_
        self.logger.debug("kept %s", new.location)
        return new

    def exists(self, location, **kwargs):
        return location.format(**kwargs) in self.store


@task(target="{parameters[day]}/{task_name}-{map_index}.json")
def by_template(x, day):
    runs.append(["by_template", x])
    return x


@task(result=LocalResult(dir=folder, location="{flow_name}/{task_full_name}-{today}.pickle"))
def dated(x):
    return x


@task(result=Kept(location="kept-{x}"))
def kept(x):
    return [x]


@task(result=Kept(), target="target-{x}")
def kept_by_target(x):
    runs.append(["kept_by_target", x])
    return x


@task(result=ConstantResult(value=5))
def constant():
    return 9


@task(result=LocalResult(dir=folder, location="fails.pickle"))
def fails():
    raise ValueError("nothing to store")


@task(result=LocalResult(dir=folder, location="nothing.pickle"))
def nothing():
    return None


@task(result=LocalResult(dir=folder, serializer=JSONSerializer(), location="set.json"))
def unfit():
    return {1, 2}


@task(result=PrefectResult(serializer=JSONSerializer()))
def inline():
    return {"a": [1, 2]}


class Loud(Task):
    def run(self):
        return "loud"


with Flow("stored results", result=LocalResult(dir=folder, serializer=JSONSerializer())) as flow:
    day = Parameter("day", default="2024-02-03")
    a = by_template.map([7, 8], prefect.unmapped(day))
    b = dated(3)
    c = kept(4)
    d = kept_by_target(5)
    e = constant()
    f = fails()
    g = nothing()
    h = unfit()
    i = inline()
    j = Loud(result=LocalResult(dir=folder, location="loud.txt", serializer=PickleSerializer()))()
    k = Constant(3)


def stored():
    found = []
    for where, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(where, name), folder) for name in names]
    return sorted(name.replace(prefect.context.get("today", "-"), "-") for name in found)


if __name__ == "__main__":
    with prefect.context(checkpointing=True):
        state = flow.run(context={"today": "1999-12-31"})
        runs.append("again")
        again = flow.run(context={"today": "1999-12-31"})
    other_day = flow.run(day="2024-02-04", context={"checkpointing": True})
    record.append(sorted(map(str, runs)))
    random = [name for name in stored() if name.endswith("result")]
    record.append([name for name in stored() if name not in random])
    record.append(["of names that nobody can foretell", len(random)])
    record.append(sorted(Kept.store.items()))
    record.append(state.result[c]._result.location)
    as_json = LocalResult(dir=folder, serializer=JSONSerializer())
    record.append(as_json.read("2024-02-03/by_template-1.json").value)
    location = state.result[j]._result.location
    record.append(LocalResult(dir=folder).read(location).value)
    loaded = prefect.engine.state.Success(result=LocalResult(dir=folder, location="loud.txt"))
    record.append([loaded.result, loaded.load_result(LocalResult(dir=folder)).result])
    secret = SecretResult(PrefectSecret("TOKEN"))
    with prefect.context(secrets={"TOKEN": "t"}):
        record.append(secret.read("TOKEN").value)
    for result in (Result(value=1), ConstantResult(value=1)):
        try:
            result.write(2)
        except (NotImplementedError, ValueError) as error:
            record.append(type(error).__mro__[-3].__name__ in ("Exception", "BaseException"))
