"""The imperative style: classes of tasks, connected by hand."""

from prefect import Flow, Parameter, Task, task
from prefect.core import Edge
from prefect.utilities.tasks import defaults_from_attrs

record = []


class Extract(Task):
    def __init__(self, rows=3, **kwargs):
        self.rows = rows
        super().__init__(**kwargs)

    def run(self):
        return list(range(self.rows))


class Scale(Task):
    def __init__(self, by=None, **kwargs):
        self.by = by
        super().__init__(**kwargs)

    @defaults_from_attrs("by")
    def run(self, rows, by=None):
        return [row * by for row in rows]


class Load(Task):
    def run(self, **named):
        self.logger.info("Loading %s", sorted(named))
        return {name: sum(rows) for name, rows in named.items()}


class Step(Task):
    def run(self):
        record.append(self.name)


@task
def square(x):
    return x * x


extract = Extract(rows=4, name="extract")
double = Scale(by=2, name="double")
triple = Scale(name="triple")
load = Load(name="load", slug="the-load")

flow = Flow("imperative", tasks=[extract])
flow.set_dependencies(double, keyword_tasks={"rows": extract})
triple.set_dependencies(flow, keyword_tasks={"rows": extract, "by": 3})
flow.add_edge(double, load, key="two")
load.set_upstream(triple, flow=flow, key="three")

first, second, third, parallel = (Step(name=name) for name in ("first", "second", "third", "side"))
flow.chain(first, second, third)
first.set_upstream(load, flow=flow)
second.set_downstream(parallel, flow=flow)

squares = square.copy(name="squares")
squares.set_dependencies(flow, keyword_tasks={"x": extract}, mapped=True)

with Flow("bound") as bound:
    n = Parameter("n", default=2)
    source = Extract(rows=2)()
    scaled = Scale()(source, by=n)
    mapped = square.map(scaled)
    last = Step(name="bound last")
    last.bind(upstream_tasks=[mapped])

other = Flow("other")
extra = Step(name="extra")
other.add_task(extra)

built = Flow("from edges", tasks=[first], edges=[Edge(first, second), Edge(second, third)])

if __name__ == "__main__":
    state = flow.run()
    bound_state = bound.run(n=5)
    built_state = built.run()

    record.append(sorted(task.name for task in flow.root_tasks()))
    record.append(sorted(task.name for task in flow.terminal_tasks()))
    record.append(sorted(task.name for task in flow.upstream_tasks(load)))
    record.append(sorted(task.name for task in flow.downstream_tasks(second)))
    record.append(sorted([e.upstream_task.name, e.key] for e in flow.edges_to(load)))
    record.append([task.name for task in built.sorted_tasks()])
    record.append([flow.slugs[load], len(flow.tasks), len(flow.edges)])

    clone = flow.copy()
    clone.update(other)
    record.append([len(clone.tasks) - len(flow.tasks), extra in clone.tasks, extra in flow.tasks])
    clone.replace(double, Scale(by=10, name="tenfold"))
    clone_state = clone.run()
    record[:] = [entry for entry in record if entry != "extra"]

    try:
        looped = Flow("cycle")
        looped.chain(first, second, first)
        looped.validate()
    except ValueError:
        record.append("a cycle is refused")
    try:
        square(3)
    except ValueError:
        record.append("outside of a flow")
