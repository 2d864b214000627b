"""GCS storage against a real server that speaks Google Cloud Storage's protocol."""

import json
import uuid
from urllib.request import Request, urlopen

import pytest

from headrace.core.context import context
from headrace.core.errors import SecretError, StorageError
from headrace.storage import GCS, storage_from
from headrace.testing import StorageContract
from tests.support.code_store import flow_that_gives, given_by, registered_at_once, script


@pytest.fixture(autouse=True)
def _emulator(gcs_server, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)


@pytest.fixture(scope="module")
def gcs(gcs_server):
    import gcsfs

    return gcsfs.GCSFileSystem(
        endpoint_url=gcs_server, token="anon", project="test", use_listings_cache=False
    )


@pytest.fixture(scope="module")
def bucket(gcs):
    name = f"flows-{uuid.uuid4().hex[:8]}"
    gcs.mkdir(name)
    return name


@pytest.fixture
def key():
    return f"own/{uuid.uuid4().hex}"


class TestPickles(StorageContract):
    @pytest.fixture
    def make(self, bucket):
        return lambda flows, **arguments: GCS(bucket, project="test", **arguments)


class TestScriptsAtAKey(StorageContract):
    @pytest.fixture
    def make(self, bucket, tmp_path, key):
        def _make(flows, **arguments):
            file = tmp_path / "flows.py"
            file.write_text(self.code_of(flows))
            return GCS(bucket, key, stored_as_script=True, local_script_path=file, **arguments)

        return _make


def stored(flow, *arguments, **options):
    storage = GCS(*arguments, **options)
    storage.add_flow(flow)
    return storage.build()


def test_two_versions(bucket, key, tmp_path):
    first, second = (stored(flow_that_gives(number), bucket) for number in (1, 2))
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2
    for number in (1, 2):
        file = script(tmp_path / "f.py", number)
        at_key = stored(
            flow_that_gives(number), bucket, key, stored_as_script=True, local_script_path=file
        )
        assert list(at_key.versions) == ["nightly"]
        if number == 1:
            first = at_key
    assert given_by(storage_from(at_key.serialize()).get_flow("nightly")) == 2
    with pytest.raises(
        StorageError, match=f"{key} in the bucket {bucket} is not what was registered"
    ):
        storage_from(first.serialize()).get_flow("nightly")


def test_a_bucket_of_versions_gives_what_was_registered(gcs_server, key):
    name = f"versions-{uuid.uuid4().hex[:8]}"
    asked = Request(
        f"{gcs_server}/storage/v1/b?project=test",
        json.dumps({"name": name, "versioning": {"enabled": True}}).encode(),
        {"Content-Type": "application/json"},
    )
    urlopen(asked).close()
    first, again, second = (stored(flow_that_gives(number), name, key) for number in (1, 1, 2))
    assert first.serialize() == again.serialize()
    assert first.versions != second.versions
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2


def test_the_same_flow_registered_by_several_at_once(bucket):
    unique = uuid.uuid4().hex
    described = registered_at_once(lambda: GCS(bucket), unique)
    assert all(each == described[0] for each in described)
    assert given_by(storage_from(described[0]).get_flow("nightly")) == unique


def test_what_is_refused_says_what_to_do(bucket, monkeypatch):
    with pytest.raises(
        StorageError, match="bucket no-such-bucket cannot be written.*Make the bucket"
    ):
        stored(flow_that_gives(1), "no-such-bucket")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    with context(secrets={"GCP_CREDENTIALS": "no key"}):
        with pytest.raises(SecretError, match="GCP_CREDENTIALS"):
            stored(flow_that_gives(1), bucket)
