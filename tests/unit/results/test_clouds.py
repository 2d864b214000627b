"""What cloud results do before they speak to a cloud; tests/integration speaks to real servers."""

import os
import pickle
import subprocess
import sys

import pytest

from headrace.core.context import context
from headrace.core.errors import LocationError, MissingExtraError, ResultError, SecretError
from headrace.results import AzureResult, GCSResult, S3Result

ACCOUNT = "DefaultEndpointsProtocol=https;AccountName=me;EndpointSuffix=core.windows.net"
WITH_KEY = f"{ACCOUNT};AccountKey=aHVzaA=="


@pytest.mark.parametrize(
    ("result", "package", "extra"),
    [
        (S3Result("b"), "s3fs", "aws"),
        (GCSResult("b"), "gcsfs", "gcp"),
        (AzureResult("c", connection_string=WITH_KEY), "adlfs", "azure"),
    ],
    ids=["s3", "gcs", "azure"],
)
def test_a_missing_package_names_its_extra(monkeypatch, result, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    kind = type(result).__name__
    says = rf"{kind} needs the package '{package}'.*pip install 'headrace\[{extra}\]'"
    for act in (lambda: result.write(1), lambda: result.read("x"), lambda: result.exists("x")):
        with pytest.raises(MissingExtraError, match=says):
            act()


def test_making_them_imports_nothing():
    code = (
        "import sys\n"
        "from headrace.results import S3Result, GCSResult, AzureResult, LocalResult\n"
        "S3Result('b'), GCSResult('b'), AzureResult('c')\n"
        "print({'fsspec', 's3fs', 'gcsfs', 'adlfs', 'boto3', 'pandas', 'cloudpickle', 'json'}"
        " & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_every_name_is_there():
    import headrace.results

    for name in headrace.results.__all__:
        assert name in repr(getattr(headrace.results, name)).replace("No result", "NoResult")
        assert name in dir(headrace.results)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        headrace.results.Nothing


def test_a_bucket_has_a_name():
    with pytest.raises(ResultError, match="S3Result needs the name of a bucket"):
        S3Result("")
    with pytest.raises(ResultError, match="AzureResult needs the name of a container"):
        AzureResult("")
    with pytest.raises(ResultError, match="GCSResult needs the name of a bucket"):
        GCSResult().write(1)


def test_a_location_names_an_object():
    for bad in ("/", "a/"):
        with pytest.raises(LocationError, match="names no object"):
            S3Result("b").at(bad).write(1)


def test_unknown_arguments_for_boto3():
    with pytest.raises(
        ResultError, match="does not know 'endpoint' in boto3_kwargs; .*endpoint_url"
    ):
        S3Result("b", boto3_kwargs={"endpoint": "x"})


def test_s3_options_come_from_arguments():
    result = S3Result(
        "b",
        boto3_kwargs={
            "aws_access_key_id": "k",
            "aws_secret_access_key": "s",
            "endpoint_url": "http://127.0.0.1:1",
            "region_name": "r",
            "verify": False,
        },
    )
    assert result._options() == {
        "key": "k",
        "secret": "s",
        "endpoint_url": "http://127.0.0.1:1",
        "client_kwargs": {"region_name": "r", "verify": False},
    }


def test_s3_options_come_from_the_secret_unless_arguments_say_who():
    with context(secrets={"AWS_CREDENTIALS": '{"ACCESS_KEY": "k", "SECRET_ACCESS_KEY": "s"}'}):
        options = S3Result("b")._options()
        assert options == {"key": "k", "secret": "s", "token": None, "client_kwargs": {}}
        assert "key" not in S3Result("b", boto3_kwargs={"profile_name": "p"})._options()
        other = {"ACCESS_KEY": "a", "SECRET_ACCESS_KEY": "b", "SESSION_TOKEN": "t"}
        given = S3Result("b", boto3_kwargs={"credentials": other})._options()
        assert (given["key"], given["secret"], given["token"]) == ("a", "b", "t")
    assert S3Result("b")._options() == {"client_kwargs": {}}


@pytest.mark.parametrize("secret", ["hush", '{"ACCESS_KEY": "hush"}', "[1]", "3"])
def test_a_secret_of_the_wrong_form_is_not_shown(secret):
    with context(secrets={"AWS_CREDENTIALS": secret, "GCP_CREDENTIALS": "hush"}):
        with pytest.raises(SecretError, match="AWS_CREDENTIALS to be a JSON object with") as raised:
            S3Result("b").exists("x")
        assert "hush" not in str(raised.value)
        with pytest.raises(SecretError, match="GCP_CREDENTIALS to be a service") as raised:
            GCSResult("b").exists("x")
        assert "hush" not in str(raised.value)


def test_gcs_options(monkeypatch):
    assert GCSResult("b")._options() == {}
    with context(secrets={"GCP_CREDENTIALS": {"type": "service_account"}}):
        assert GCSResult("b")._options() == {"token": {"type": "service_account"}}
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
        assert GCSResult("b")._options() == {
            "token": "anon",
            "endpoint_url": "http://127.0.0.1:1",
        }


def test_azure_options(monkeypatch):
    assert AzureResult("c", connection_string=WITH_KEY)._options() == {
        "connection_string": WITH_KEY
    }
    with context(secrets={"AZURE": WITH_KEY}):
        assert AzureResult("c", connection_string_secret="AZURE")._options() == {
            "connection_string": WITH_KEY
        }
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", ACCOUNT)
    assert AzureResult("c")._options() == {
        "account_name": "me",
        "account_host": "me.blob.core.windows.net",
        "anon": False,
    }
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "EndpointSuffix=hush")
    with pytest.raises(ResultError, match="names no account") as raised:
        AzureResult("c").exists("x")
    assert "hush" not in str(raised.value)


def test_azure_without_a_connection_string(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    with pytest.raises(ResultError, match="no connection string. Give connection_string_secret"):
        AzureResult("c").exists("x")
    with pytest.raises(SecretError, match="no secret 'NONE'"):
        AzureResult("c", connection_string_secret="NONE").exists("x")


def test_secrets_that_are_looked_up_stay_out_of_pickles(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", WITH_KEY)
    credentials = {"ACCESS_KEY": "hush", "SECRET_ACCESS_KEY": "hush"}
    with context(secrets={"AWS_CREDENTIALS": credentials, "AZURE": WITH_KEY}):
        for result in (S3Result("b"), AzureResult("c", connection_string_secret="AZURE")):
            result._options()
            data = pickle.dumps(result)
            assert b"hush" not in data
            assert b"aHVzaA" not in data
            assert pickle.loads(data) == result


def test_a_forked_process_gets_a_connection_of_its_own(tmp_path):
    code = (
        "import os, warnings; warnings.simplefilter('ignore')\n"
        "from headrace.results import S3Result\n"
        "class Counted(S3Result):\n"
        "    def _connect(self, options): return object()\n"
        "here = id(Counted('b')._files())\n"
        "assert id(Counted('b')._files()) == here\n"
        "assert Counted('b')._files() is not Counted('b', boto3_kwargs={'use_ssl': False})._files()\n"
        "before = Counted('b')._files()\n"
        "pid = os.fork()\n"
        "if not pid: os._exit(Counted('b')._files() is before)\n"
        "print(os.waitpid(pid, 0)[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert run.stdout == "0\n"
