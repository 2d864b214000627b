import click
import pytest

from headrace.cli.executors import parse_executor
from headrace.executors import LocalDaskExecutor, LocalExecutor


def test_local():
    assert type(parse_executor("local")) is LocalExecutor


@pytest.mark.parametrize(
    ("text", "scheduler", "workers"),
    [
        ("threads", "threads", None),
        ("threads:3", "threads", 3),
        ("processes", "processes", None),
        ("processes:1", "processes", 1),
    ],
)
def test_pools(text, scheduler, workers):
    executor = parse_executor(text)
    assert isinstance(executor, LocalDaskExecutor)
    assert (executor.scheduler, executor.num_workers) == (scheduler, workers)


@pytest.mark.parametrize("text", ["", "thread", "local:2", "dask:", "ray", "tcp://host:1"])
def test_what_names_none(text):
    with pytest.raises(click.ClickException, match="There is no executor .*Use one of: local, thr"):
        parse_executor(text)


@pytest.mark.parametrize("text", ["threads:", "threads:0", "threads:-1", "processes:two"])
def test_workers_that_are_no_number(text):
    with pytest.raises(click.ClickException, match=f"'{text}' needs a whole number of workers"):
        parse_executor(text)


@pytest.mark.parametrize("address", ["127.0.0.1", "somewhere"])
def test_an_address_without_a_port(address):
    with pytest.raises(click.ClickException, match=f"'dask:{address}' needs the address of a Dask"):
        parse_executor(f"dask:{address}")
