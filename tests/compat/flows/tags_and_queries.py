"""Tags, names, slugs, copies, and finding tasks in a flow."""

from prefect import Flow, Parameter, Task, tags, task

record = []


@task(tags=["etl"])
def extract():
    return 1


@task(name="Transform it")
def transform(x):
    return x + 1


@task
def load(x):
    return x


class Custom(Task):
    def run(self):
        return None


with Flow("tagged") as flow:
    p = Parameter("p", default=1)
    with tags("nightly", "big"):
        e = extract()
        with tags("inner"):
            t = transform(e)
    t2 = transform(t, task_args={"name": "another name", "tags": ["own"]})
    t3 = transform(p)
    last = load(t3, task_args={"slug": "the-last"})
    c = Custom(name="custom")()
    c2 = Custom()()

if __name__ == "__main__":
    state = flow.run()
    record.append(sorted(flow.slugs.values()))
    record.append(sorted(e.tags) + sorted(t.tags) + sorted(t2.tags) + sorted(t3.tags))
    record.append(sorted(x.name for x in flow.get_tasks(tags=["nightly"])))
    record.append(sorted(x.name for x in flow.get_tasks(task_type=Custom)))
    record.append([flow.get_tasks(slug="the-last") == [last], len(flow.get_tasks())])
    record.append(sorted(x.name for x in flow.get_tasks(name="Transform it")))
    copied = extract.copy(name="copied", tags=["x"])
    record.append([copied.name, sorted(copied.tags), copied is not extract])
    record.append([repr(flow), repr(e), repr(p)])
