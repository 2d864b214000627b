"""Resources that are set up for a few tasks and always cleaned up after them."""

from prefect import Flow, Parameter, resource_manager, task
from prefect.triggers import always_run

record = []


@resource_manager
class Cluster:
    def __init__(self, n_workers, name="cluster"):
        self.n_workers = n_workers
        self.name = name

    def setup(self):
        record.append(f"set up {self.name} of {self.n_workers}")
        return {"workers": self.n_workers}

    def cleanup(self, cluster):
        record.append(f"clean up {self.name} of {cluster['workers']}")


@resource_manager(name="Broken", setup_task_kwargs={"name": "open the door"})
class Broken:
    def setup(self):
        raise OSError("no more workers")

    def cleanup(self, cluster):
        record.append("never cleaned up")


@task
def compute(cluster, x):
    return x * cluster["workers"]


@task
def crash(cluster):
    raise RuntimeError("crash")


@task
def summary(x):
    return f"computed {x}"


@task(trigger=always_run)
def farewell():
    return "bye"


with Flow("good resource") as good:
    workers = Parameter("workers", default=3)
    with Cluster(workers, name="main") as cluster:
        one = compute(cluster, 1)
        two = compute(cluster, one)
    summed = summary(two)

with Flow("failing work") as failing:
    with Cluster(2) as cluster:
        crashed = crash(cluster)
        after_crash = summary(crashed)
    last = farewell(upstream_tasks=[after_crash])

with Flow("failing setup") as broken:
    with Broken() as cluster:
        never = compute(cluster, 1)

with Flow("nested resources") as nested:
    with Cluster(1, name="outer") as outer:
        with Cluster(2, name="inner") as inner:
            inside = compute(inner, 5)
        between = compute(outer, inside)

if __name__ == "__main__":
    good_state = good.run()
    more = good.run(workers=7)
    failing_state = failing.run()
    broken_state = broken.run()
    nested_state = nested.run()
