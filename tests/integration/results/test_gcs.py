"""`GCSResult` against a real server that speaks Google Cloud Storage's protocol."""

import pickle
import subprocess
import sys
import uuid

import pytest

from headrace.core.errors import ResultError
from headrace.results import GCSResult, JSONSerializer
from headrace.testing.result_contract import ResultContract

# gcsfs gives a large body to aiohttp as bytes; that blocks the loop of gcsfs's own thread alone.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture(autouse=True)
def _emulator(gcs_server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)


@pytest.fixture(scope="module")
def gcs(gcs_server):
    import gcsfs

    return gcsfs.GCSFileSystem(endpoint_url=gcs_server, token="anon", project="test")


@pytest.fixture(scope="module")
def bucket(gcs):
    name = f"results-{uuid.uuid4().hex[:8]}"
    gcs.mkdir(name)
    return name


class TestGCSResult(ResultContract):
    @pytest.fixture
    def result(self, bucket):
        return GCSResult(bucket)


def test_the_object_is_where_anybody_would_look(gcs, bucket):
    result = GCSResult(bucket, serializer=JSONSerializer(), location="a/b.json")
    assert result.write([1]).location == "a/b.json"
    assert gcs.cat_file(f"{bucket}/a/b.json") == b"[1]"


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_value_that_holds_the_line_that_parts_an_upload(bucket, size):
    value = "x" * size + "\n--==0==--\n--==0==\n\nnot this"
    result = GCSResult(bucket, serializer=JSONSerializer(), location="parted")
    result.write(value)
    assert result.read("parted").value == value
    raw = GCSResult(bucket, location="parted")
    raw.write(value.encode())
    assert raw.read("parted").value == value.encode()


def test_a_bucket_that_is_not_there():
    with pytest.raises(ResultError, match="no-such-bucket cannot be written to"):
        GCSResult("no-such-bucket").write(1)


def test_it_works_in_another_process(bucket):
    result = GCSResult(bucket, location="process")
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
