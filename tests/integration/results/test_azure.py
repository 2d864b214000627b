"""`AzureResult` against a real server that speaks Azure Blob Storage's protocol."""

import pickle
import subprocess
import sys
import uuid

import pytest

from headrace.core.context import context
from headrace.core.errors import ResultError
from headrace.results import AzureResult, JSONSerializer
from headrace.testing.result_contract import ResultContract

# The SDK gives a large body to aiohttp as bytes; that blocks the loop of adlfs's own thread alone.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture(scope="module")
def azure(azure_server):
    import adlfs

    return adlfs.AzureBlobFileSystem(connection_string=azure_server)


@pytest.fixture(scope="module")
def container(azure):
    name = f"results-{uuid.uuid4().hex[:8]}"
    azure.mkdir(name)
    return name


class TestAzureResult(ResultContract):
    @pytest.fixture
    def result(self, container, azure_server):
        return AzureResult(container, connection_string=azure_server)


def test_the_blob_is_where_anybody_would_look(azure, container, azure_server):
    result = AzureResult(
        container, connection_string=azure_server, serializer=JSONSerializer(), location="a/b.json"
    )
    assert result.write([1]).location == "a/b.json"
    assert azure.cat_file(f"{container}/a/b.json") == b"[1]"


def test_the_connection_string_may_be_in_a_secret_or_the_environment(
    container, azure_server, monkeypatch
):
    result = AzureResult(container, connection_string_secret="AZURE", location="secret")
    with context(secrets={"AZURE": azure_server}):
        written = result.write(1)
        assert result.read("secret").value == 1
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azure_server)
    assert AzureResult(container).read("secret").value == 1
    assert b"AccountKey" not in pickle.dumps(written)


def test_a_wrong_key_is_refused(container, azure_server):
    wrong = azure_server.replace("AccountKey=Eby8", "AccountKey=AAAA")
    with pytest.raises(ResultError, match=f"{container} cannot be written to") as raised:
        AzureResult(container, connection_string=wrong).write(1)
    assert "AAAA" not in str(raised.value)


def test_a_container_that_is_not_there(azure_server):
    with pytest.raises(ResultError, match="no-such-container cannot be written to"):
        AzureResult("no-such-container", connection_string=azure_server).write(1)


def test_it_works_in_another_process(container, azure_server):
    result = AzureResult(container, connection_string=azure_server, location="process")
    result.write(1)
    code = (
        "import pickle, sys\n"
        "result = pickle.load(sys.stdin.buffer)\n"
        "print(result.read('process').value, result.at('back').write(2).location)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(result), capture_output=True, check=False
    )
    assert run.stdout == b"1 back\n", run.stderr.decode()
    assert result.read("back").value == 2
