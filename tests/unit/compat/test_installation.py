"""Installing the alias: when it wins, when it stops, and who inherits it."""

STOPS = "Headrace does not hide it unasked"


def test_importing_the_package_installs_it(run_python):
    assert run_python(
        """
        import headrace.compat.prefect
        import prefect
        show(prefect.Flow.__module__)
        """
    ) == ["headrace.flow"]


def test_installing_twice_changes_nothing_more(run_python):
    assert run_python(
        """
        import sys
        from headrace.compat.prefect import install
        import prefect
        before = list(sys.meta_path)
        install()
        install(replace=True)
        import prefect.engine
        show([prefect is sys.modules["prefect"], sys.meta_path == before])
        """
    ) == [[True, True]]


def test_an_installed_prefect_stops_the_alias(run_python, real_prefect):
    said = run_python(
        """
        from headrace.compat.prefect import install
        from headrace.errors import PrefectInstalledError
        for attempt in (install, lambda: __import__("prefect"), lambda: __import__("prefect.flows")):
            try:
                attempt()
            except ImportError as error:
                show([type(error).__name__, str(error), error.where])
        """,
        path=[real_prefect],
    )
    assert len(said) == 3
    for kind, message, where in said:
        assert kind == "PrefectInstalledError"
        assert where == str(real_prefect / "prefect" / "__init__.py")
        for word in (where, STOPS, "Uninstall it", "HEADRACE_PREFECT1=replace", "replace=True"):
            assert word in message


def test_the_alias_wins_when_it_is_told_to(run_python, real_prefect):
    code = """
        from headrace.compat.prefect import install
        install(replace=True)
        import prefect
        show([prefect.__version__, prefect.Flow.__module__])
        """
    assert run_python(code, path=[real_prefect]) == [["1.4.1", "headrace.flow"]]


def test_the_environment_tells_it_too(run_python, real_prefect):
    code = """
        import headrace.compat.prefect
        import prefect
        show(prefect.__version__)
        """
    assert run_python(code, path=[real_prefect], HEADRACE_PREFECT1="replace") == ["1.4.1"]


def test_a_prefect_that_is_imported_already_stops_the_alias_at_once(run_python, real_prefect):
    code = """
        import prefect
        try:
            import headrace.compat.prefect
        except ImportError as error:
            show([type(error).__name__, str(error)])
        show(prefect.__version__)
        """
    (kind, message), version = run_python(code, path=[real_prefect])
    assert kind == "PrefectInstalledError"
    assert "imported already" in message
    assert "before it" in message
    assert version == "3.0.0"


def test_told_to_win_it_takes_the_place_of_what_is_imported(run_python, real_prefect):
    code = """
        import prefect.flows
        import headrace.compat.prefect
        import prefect, prefect.engine, sys
        show([prefect.__version__, "prefect.flows" in sys.modules])
        """
    shown = run_python(code, path=[real_prefect], HEADRACE_PREFECT1="replace")
    assert shown == [["1.4.1", False]]


def test_a_folder_of_flow_files_called_prefect_is_no_package(run_python, tmp_path):
    (tmp_path / "prefect").mkdir()
    (tmp_path / "prefect" / "etl.py").write_text("")
    code = """
        import sys
        sys.path.insert(0, ".")
        import headrace.compat.prefect
        import prefect
        show(prefect.__version__)
        """
    assert run_python(code) == ["1.4.1"]


def test_processes_that_tasks_are_sent_to_have_the_alias(run_python, flow_module):
    code = """
        import headrace.compat.prefect
        from prefect.executors import LocalDaskExecutor
        import etl
        executor = LocalDaskExecutor(scheduler="processes", num_workers=1)
        state = etl.flow.run(executor=executor)
        show([state.message, state.result[etl.found].result])
        """
    assert run_python(code, path=[flow_module]) == [
        ["All reference tasks succeeded.", "headrace.flow"]
    ]


def test_there_it_wins_if_it_wins_here(run_python, flow_module, real_prefect):
    code = """
        from headrace.compat.prefect import install
        install(replace=True)
        install()
        from prefect.executors import LocalDaskExecutor
        import etl
        executor = LocalDaskExecutor(scheduler="processes", num_workers=1)
        state = etl.flow.run(executor=executor)
        show([state.message, state.result[etl.found].result])
        """
    assert run_python(code, path=[real_prefect, flow_module]) == [
        ["All reference tasks succeeded.", "headrace.flow"]
    ]


def test_what_needs_the_alias_can_be_told_to_be_serializable(run_python, flow_module):
    code = """
        import headrace.compat.prefect
        from prefect.utilities.debug import is_serializable
        import etl
        show(is_serializable(etl.where))
        """
    assert run_python(code, path=[flow_module]) == [True]


def test_it_leaves_the_environment_alone(run_python):
    code = """
        import os
        before = dict(os.environ)
        from headrace.compat.prefect import install
        install(replace=True)
        show(dict(os.environ) == before)
        """
    assert run_python(code) == [True]


def test_without_being_asked_headrace_installs_nothing(run_python):
    code = """
        import sys, headrace
        from headrace import Flow
        Flow("x").run()
        show(["headrace.compat" in sys.modules, "prefect" in sys.modules])
        """
    assert run_python(code) == [[False, False]]
