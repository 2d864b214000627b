"""Azure storage against a real server that speaks Azure Blob Storage's protocol."""

import json
import pickle
import uuid

import pytest

from headrace.core.context import context
from headrace.core.errors import StorageError
from headrace.storage import Azure, storage_from
from headrace.testing import StorageContract
from tests.support.code_store import flow_that_gives, given_by, registered_at_once


@pytest.fixture(autouse=True)
def _account(azure_server, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_server)


@pytest.fixture(scope="module")
def container(azure_server):
    import adlfs

    name = f"flows-{uuid.uuid4().hex[:8]}"
    adlfs.AzureBlobFileSystem(connection_string=azure_server).mkdir(name)
    return name


class TestPickles(StorageContract):
    @pytest.fixture
    def make(self, container):
        return lambda flows, **arguments: Azure(container, **arguments)


class TestScripts(StorageContract):
    @pytest.fixture
    def make(self, container, tmp_path):
        def _make(flows, **arguments):
            file = tmp_path / "flows.py"
            file.write_text(self.code_of(flows))
            return Azure(container, stored_as_script=True, local_script_path=file, **arguments)

        return _make


def stored(flow, *arguments, **options):
    storage = Azure(*arguments, **options)
    storage.add_flow(flow)
    return storage.build()


def test_a_blob_is_overwritten_if_that_was_said(container):
    name = f"own/{uuid.uuid4().hex}"
    first = stored(flow_that_gives(1), container, blob_name=name)
    assert stored(flow_that_gives(1), container, blob_name=name).hashes == first.hashes
    with pytest.raises(
        StorageError, match=f"an object {name} in the container {container} already"
    ):
        stored(flow_that_gives(2), container, blob_name=name)
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    second = stored(flow_that_gives(2), container, blob_name=name, overwrite=True)
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2
    with pytest.raises(StorageError, match="not what was registered"):
        storage_from(first.serialize()).get_flow("nightly")


def test_the_connection_string_may_be_a_secret(container, azure_server, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
    with context(secrets={"AZURE": azure_server}):
        storage = stored(flow_that_gives(1), container, "AZURE")
        assert given_by(storage.get_flow("nightly")) == 1
    assert b"AccountKey" not in json.dumps(storage.serialize()).encode() + pickle.dumps(storage)
    with pytest.raises(StorageError, match="Azure storage has no connection string"):
        stored(flow_that_gives(2), container)


def test_the_same_flow_registered_by_several_at_once(container):
    unique = uuid.uuid4().hex
    described = registered_at_once(lambda: Azure(container), unique)
    assert all(each == described[0] for each in described)
    assert given_by(storage_from(described[0]).get_flow("nightly")) == unique


def test_what_is_refused_says_what_to_do(container, azure_server, monkeypatch):
    with pytest.raises(StorageError, match="container no-such-one cannot be written.*container"):
        stored(flow_that_gives(1), "no-such-one")
    wrong = azure_server.replace("AccountKey=Eby8", "AccountKey=AAAA")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", wrong)
    with pytest.raises(
        StorageError, match=f"{container} cannot be .*connection_string_secret"
    ) as e:
        stored(flow_that_gives(1), container)
    assert "AAAA" not in str(e.value)
