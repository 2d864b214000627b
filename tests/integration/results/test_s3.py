"""`S3Result` against a real S3 server."""

import os
import pickle
import subprocess
import sys
import time
import uuid

import pytest

from headrace.core.context import context
from headrace.core.errors import ResultError
from headrace.results import JSONSerializer, S3Result
from headrace.testing.result_contract import ResultContract
from tests.integration.components.server import free_ports


@pytest.fixture(scope="module")
def s3(s3_server):
    import s3fs

    return s3fs.S3FileSystem(
        key=s3_server.admin_key, secret=s3_server.admin_secret, endpoint_url=s3_server.url
    )


@pytest.fixture(scope="module")
def bucket(s3):
    name = f"results-{uuid.uuid4().hex[:8]}"
    # The filer may still be on its way up when the S3 port already answers.
    for _ in range(50):
        try:
            s3.mkdir(name)
            break
        except OSError:
            time.sleep(0.2)
    assert s3.exists(name)
    return name


@pytest.fixture
def account(s3_server):
    return {
        "endpoint_url": s3_server.url,
        "aws_access_key_id": s3_server.key,
        "aws_secret_access_key": s3_server.secret,
    }


class TestS3Result(ResultContract):
    @pytest.fixture
    def result(self, bucket, account):
        return S3Result(bucket, boto3_kwargs=account)


def test_the_object_is_where_anybody_would_look(s3, bucket, account):
    result = S3Result(
        bucket, boto3_kwargs=account, serializer=JSONSerializer(), location="/a/b.json"
    )
    assert result.write([1]).location == "/a/b.json"
    assert s3.cat_file(f"{bucket}/a/b.json") == b"[1]"
    s3.pipe_file(f"{bucket}/c.json", b"[2]")
    assert result.read("c.json").value == [2]


def test_the_account_may_be_a_secret(s3_server, bucket):
    result = S3Result(bucket, boto3_kwargs={"endpoint_url": s3_server.url}, location="secret")
    account = {"ACCESS_KEY": s3_server.key, "SECRET_ACCESS_KEY": s3_server.secret}
    with context(secrets={"AWS_CREDENTIALS": account}):
        written = result.write(1)
        assert result.read("secret").value == 1
    assert s3_server.secret.encode() not in pickle.dumps(written)


def test_a_wrong_secret_is_refused(bucket, account):
    result = S3Result(bucket, boto3_kwargs=account | {"aws_secret_access_key": "not-this"})
    for act, what in (
        (lambda: result.write(1), "written to"),
        (lambda: result.read("a"), "read from"),
        (lambda: result.exists("a"), "asked"),
    ):
        with pytest.raises(
            ResultError, match=f"{bucket} cannot be {what} for .*PermissionError"
        ) as e:
            act()
        assert "not-this" not in str(e.value)
        assert not isinstance(e.value, FileNotFoundError)


def test_a_bucket_that_is_not_there(account):
    result = S3Result("no-such-bucket", boto3_kwargs=account)
    with pytest.raises(ResultError, match="no-such-bucket cannot be written to"):
        result.write(1)


def test_a_server_that_does_not_answer(account):
    (port,) = free_ports(1)
    result = S3Result("b", boto3_kwargs=account | {"endpoint_url": f"http://127.0.0.1:{port}"})
    begun = time.monotonic()
    with pytest.raises(ResultError, match="b cannot be asked for x: .*127.0.0.1"):
        result.exists("x")
    assert time.monotonic() - begun < 60


def test_upload_options_go_with_the_object(s3, bucket, account):
    S3Result(
        bucket,
        boto3_kwargs=account,
        location="typed",
        upload_options={"ContentType": "text/x-test", "Metadata": {"made-by": "test"}},
    ).write(1)
    assert s3.info(f"{bucket}/typed")["ContentType"] == "text/x-test"
    assert s3.metadata(f"{bucket}/typed") == {"made-by": "test"}


def test_a_value_that_is_uploaded_in_parts(bucket, account):
    result = S3Result(bucket, boto3_kwargs=account, location="parts")
    value = os.urandom(1 << 20) * 101
    result.write(value)
    assert result.read("parts").value == value


def test_it_works_in_another_process(bucket, account):
    result = S3Result(bucket, boto3_kwargs=account, location="process")
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
