from contextlib import contextmanager

from headrace import Flow, task
from headrace.core.errors import ExecutorError
from headrace.executors import LocalExecutor


def test_the_flow_run_fails_and_says_why_in_one_line(caplog):
    class Down(LocalExecutor):
        @contextmanager
        def start(self):
            raise ExecutorError("No scheduler answers at tcp://127.0.0.1:1; start one.")
            yield

    @task
    def one():
        return 1

    with Flow("down") as flow:
        one()
    flow.executor = Down()
    state = flow.run()
    assert state.is_failed()
    assert state.message == "No scheduler answers at tcp://127.0.0.1:1; start one."
    assert isinstance(state.result, dict)
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == [state.message]
    assert errors[0].exc_info is None
