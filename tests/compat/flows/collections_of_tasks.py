"""Lists, tuples, sets and dicts that hold tasks; constants; values made tasks."""

from prefect import Flow, Parameter, Task, task
from prefect.tasks.core.collections import Dict, List, Set, Tuple
from prefect.tasks.core.constants import Constant
from prefect.tasks.core.function import FunctionTask
from prefect.utilities.tasks import as_task

record = []


@task
def one():
    return 1


@task
def two():
    return 2


@task
def shape(value):
    if isinstance(value, set):
        return ["set", sorted(value)]
    return [type(value).__name__, value]


@task
def fails():
    raise ValueError("no")


with Flow("collections") as flow:
    a, b = one(), two()
    n = Parameter("n", default=3)
    in_list = shape([a, b, 3])
    in_tuple = shape((a, [b, n]))
    in_set = shape({a, b})
    in_dict = shape({"a": a, "deep": {"b": [b, n]}, 3: "three"})
    plain = shape({"no": ["tasks"]})
    nothing = shape(None)
    by_hand = shape(List()(a, b))
    tuple_by_hand = shape(Tuple()(a, b))
    set_by_hand = shape(Set()(a, b))
    dict_by_hand = shape(Dict()(keys=["x", "y"], values=[a, b]))
    constant = shape(Constant(5))
    function = FunctionTask(lambda x: x + 1, name="plus one")(b)
    spoilt = shape([a, fails()])
    converted = as_task([a, {"k": b}])
    seen = shape(converted)
    mapped = shape.map([a, b])

if __name__ == "__main__":
    state = flow.run()
    record.append(sorted(flow.constants[plain].items()))
    record.append([isinstance(as_task(5), Constant), as_task(5).value, as_task(a) is a])
    record.append(sorted(type(t).__name__ for t in flow.tasks if t.auto_generated))
    record.append(issubclass(FunctionTask, Task))
