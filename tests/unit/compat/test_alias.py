"""The modules named `prefect...`: what resolves, when it is imported, and what is said if not."""


def test_nothing_is_imported_before_it_is_asked_for(run_python):
    first, second = run_python(
        """
        import sys
        import headrace.compat.prefect
        import prefect, prefect.engine.results, prefect.executors, prefect.tasks.shell
        late = ["headrace.results.s3", "headrace.results.local", "headrace.tasks.shell", "pendulum",
                "headrace.executors.local_dask", "headrace.run_configs", "dask", "cloudpickle"]
        show([name for name in late if name in sys.modules])
        prefect.engine.results.LocalResult, prefect.tasks.shell.ShellTask
        show([name for name in late if name in sys.modules])
        """
    )
    assert first == []
    assert second == ["headrace.results.local", "headrace.tasks.shell"]


def test_each_way_to_a_name_gives_headraces_own_object(run_python):
    assert run_python(
        """
        import headrace, headrace.states
        import headrace.compat.prefect
        import prefect
        import prefect.engine.state as states
        from prefect import Flow, context
        from prefect.engine.state import Failed
        show([
            Flow is headrace.Flow is prefect.Flow is prefect.core.flow.Flow,
            Failed is headrace.states.Failed is states.Failed is prefect.engine.state.Failed,
            context is headrace.context is prefect.context,
            prefect.config is headrace.config,
            prefect.triggers.all_failed is __import__("headrace.triggers").triggers.all_failed,
            prefect.exceptions.PrefectSignal is headrace.signals.Signal,
            issubclass(prefect.exceptions.ObjectNotFoundError, prefect.exceptions.ClientError),
        ])
        """
    ) == [[True] * 7]


def test_a_name_beats_the_submodule_that_is_called_the_same(run_python):
    assert run_python(
        """
        import headrace.compat.prefect
        from prefect.tasks.control_flow.case import case as from_module
        from prefect.tasks.control_flow import case
        import prefect
        show([case is from_module is prefect.case is prefect.tasks.control_flow.case])
        """
    ) == [[True]]


def test_modules_behave_as_modules_do(run_python):
    (listed, star, dunder, spec) = run_python(
        """
        import headrace.compat.prefect
        import importlib.util, inspect, prefect
        from prefect.triggers import *
        show(sorted(name for name in dir(prefect) if not name.startswith("_")))
        show([all_failed is prefect.triggers.all_failed, "some_failed" in globals()])
        show([hasattr(prefect, "__file__"), hasattr(prefect, "Client"), hasattr(prefect, "Flow"),
              prefect.__name__, prefect.__version__, inspect.ismodule(prefect.engine.state)])
        show([importlib.util.find_spec("prefect.engine.state") is not None, repr(prefect)])
        """
    )
    assert {"Flow", "task", "context", "engine", "utilities", "run_configs"} <= set(listed)
    assert star == [True, True]
    assert dunder == [False, True, True, "prefect", "1.4.1", True]
    assert spec == [True, "<module 'prefect' (headrace)>"]


def test_what_is_not_offered_names_itself_and_the_way_out(run_python):
    said = dict(
        run_python(
            """
            import headrace.compat.prefect
            import prefect
            for statement in (
                "from prefect import Cilent",
                "from prefect.client import Secrets",
                "import prefect.client.keys",
                "import prefect.storage.floppy",
                "from prefect.storage import Dropbox, Ftp",
                "from prefect.agent.fargate import FargateAgent",
                "from prefect.backend import TenantView",
                "from prefect.artifacts import create_link_artifact",
                "from prefect.tasks.prefect import create_flwo_run",
                "from prefect.tasks.aws.s3 import S3Download",
                "from prefect.tasks.snowflake import SnowflakeQuery",
                "from prefect.environments import LocalEnvironment",
                "import prefect.cli.run",
                "from prefect.utilities.graphql import with_args",
                "from prefect.serialization.flow import FlowSchema",
                "from prefect import Flwo",
                "from prefect.engine.state import Succes",
                "import prefect.engine.no_such_module",
            ):
                try:
                    exec(statement)
                except ImportError as error:
                    show([statement, [type(error).__name__, str(error)]])
            for expression in ("prefect.Clinet", "prefect.storage.Ftp", "prefect.engine.staet"):
                try:
                    eval(expression)
                except AttributeError as error:
                    show([expression, [type(error).__name__, str(error)]])
            """
        )
    )
    assert len(said) == 21
    for statement, (kind, message) in said.items():
        imported = "import" in statement
        assert kind == ("NotOfferedError" if imported else "AttributeNotOfferedError"), statement
        assert message.startswith("Headrace does not offer 'prefect."), statement
    ways_out = {
        "from prefect import Cilent": ["Did you mean 'prefect.Client'?"],
        "import prefect.client.keys": ["prefect.Client", "headrace.client.Client"],
        "from prefect.backend import TenantView": ["FlowRunView"],
        "from prefect.utilities.graphql import with_args": ["REST", "headrace.client.Client"],
        "from prefect.storage import Dropbox, Ftp": ["headrace.storage", "flow.storage"],
        "from prefect.agent.fargate import FargateAgent": [
            "prefect.agent.ecs.ECSAgent",
            "headrace agent",
        ],
        "from prefect.tasks.aws.s3 import S3Download": ["@task"],
        "from prefect.environments import LocalEnvironment": ["prefect.run_configs"],
        "import prefect.cli.run": ["headrace --help"],
        "from prefect.serialization.flow import FlowSchema": ["serialize()"],
        "from prefect import Flwo": ["Did you mean 'prefect.Flow'?"],
        "from prefect.engine.state import Succes": ["Did you mean 'prefect.engine.state.Success'?"],
        "import prefect.engine.no_such_module": ["FlowRunner, TaskRunner"],
        "prefect.engine.staet": ["Did you mean 'prefect.engine.state'?"],
    }
    for statement, words in ways_out.items():
        for word in words:
            assert word in said[statement][1], statement


def test_alias_modules_travel_to_processes_without_the_alias(run_python, tmp_path):
    run_python(
        """
        import headrace.compat.prefect
        import cloudpickle, prefect
        from prefect import task

        def uses():
            return [prefect.__name__, prefect.engine.state.Failed("x").message]

        @task
        def seven():
            return prefect.context.get("seven", 7)

        with open("pickled", "wb") as file:
            cloudpickle.dump([prefect, prefect.engine.signals, uses, seven], file)
        """
    )
    assert run_python(
        """
        import pickle
        with open("pickled", "rb") as file:
            module, signals, uses, seven = pickle.load(file)
        show([module.__name__, signals.FAIL.__name__, uses(), seven.run()])
        """
    ) == [["prefect", "FAIL", ["prefect", "x"], 7]]


def test_every_path_of_the_table_resolves(run_python):
    (broken, count) = run_python(
        """
        import headrace.compat.prefect
        from importlib import import_module
        from headrace.compat.prefect.table import MODULES
        broken, count = [], 0
        for path, names in MODULES.items():
            module = import_module(path)
            for name, (source, original) in names.items():
                count += 1
                try:
                    same = getattr(module, name) is getattr(import_module(source), original)
                except (ImportError, AttributeError) as error:
                    broken.append([path, name, str(error)])
                else:
                    if not same:
                        broken.append([path, name, "another object"])
            parent, _, last = path.rpartition(".")
            if parent and parent not in MODULES:
                broken.append([path, "", "its parent is not in the table"])
        show(broken)
        show(count)
        """
    )
    assert broken == []
    assert count > 230


def test_a_template_is_filled_from_inputs_and_context(run_python):
    assert run_python(
        """
        import headrace.compat.prefect
        from prefect import Flow, Parameter
        from prefect.tasks.templates import StringFormatter
        from prefect.tasks.templates.strings import StringFormatter as same
        greets = StringFormatter(name="greets", template="Hi {name}, by {flow_name}: {task_name}")
        with Flow("f") as flow:
            first = greets(name=Parameter("name", default="Ada"))
            second = same()(template="{name}", name="Bob")
        state = flow.run()
        show([state.result[first].result, state.result[second].result])
        """
    )[-1] == ["Hi Ada, by f: greets", "Bob"]
