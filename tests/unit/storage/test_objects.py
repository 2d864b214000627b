"""What storages in buckets are told; what they do is in tests/integration."""

import json

import pytest

from headrace import Flow
from headrace.core.context import context
from headrace.core.errors import StorageError
from headrace.storage import GCS, S3, Azure, storage_from
from tests.support.code_store import flow_that_gives, script


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S3(""), "bucket of S3 storage is a string, not ''"),
        (lambda: GCS(None), "GCS storage needs the name of a bucket"),
        (lambda: Azure(1), "container of Azure storage is a string, not 1"),
        (lambda: S3("b", "folder/"), "'folder/' of S3 storage names no object"),
        (lambda: Azure("c", blob_name="folder/"), "blob_name 'folder/'"),
        (
            lambda: S3("b", client_options={"regoin": "x"}),
            "'regoin' in client_options.*region_name",
        ),
    ],
)
def test_arguments_that_name_no_object(make, message):
    with pytest.raises(StorageError, match=message):
        make()


@pytest.mark.parametrize("make", [lambda **k: S3("b", **k), lambda **k: GCS("b", **k)])
def test_scripts(make, tmp_path):
    with pytest.raises(StorageError, match="local_script_path=__file__.*, or key"):
        make(stored_as_script=True).add_flow(Flow("nightly"))
    with pytest.raises(StorageError, match=r"missing\.py cannot be read"):
        make(stored_as_script=True, local_script_path="missing.py").add_flow(Flow("nightly"))
    file = script(tmp_path / "f.py", 1)
    named = make(stored_as_script=True, local_script_path=file).add_flow(Flow("nightly"))
    assert named.startswith("nightly/")
    assert named.endswith(".py")
    # Who registers a file says which one it is.
    with context(local_script_path=str(file)):
        assert make(stored_as_script=True).add_flow(Flow("nightly")) == named
        assert make(stored_as_script=True, key="own").add_flow(Flow("nightly")) == "own"


def test_one_pickle_at_a_key():
    storage = S3("b", "own")
    storage.add_flow(flow_that_gives(1, "one"))
    with pytest.raises(StorageError, match="own in the bucket b holds one flow already"):
        storage.add_flow(flow_that_gives(1, "two"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"upload_options": {"SSECustomerKey": "s3cr3t"}}, "SSECustomerKey"),
        ({"client_options": {"aws_session_token": "s3cr3t"}}, "aws_session_token.*AWS_CREDENTIALS"),
        ({"client_options": {"credentials": {"ACCESS_KEY": "s3cr3t"}}}, "credentials"),
        (
            {"client_options": {"endpoint_url": "https://me:s3cr3t@host"}},
            "endpoint_url with an acc",
        ),
    ],
)
def test_secrets_are_refused(arguments, words):
    storage = S3("b", **arguments)  # `flow.run()` does not look at it
    with pytest.raises(StorageError, match=words) as raised:
        storage.add_flow(flow_that_gives(1))
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    "storage",
    [
        S3(
            "b", "k", True, client_options={"region_name": "eu-west-1"}, upload_options={"ACL": "x"}
        ),
        GCS("b", project="p", secrets=["GCP_CREDENTIALS"]),
        Azure("c", "SECRET", "blob", overwrite=True, labels=["a"]),
    ],
)
def test_descriptions(storage):
    described = json.loads(json.dumps(storage.serialize()))
    assert storage_from(described).serialize() == described
