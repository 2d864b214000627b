"""S3 storage against a real S3 server."""

import json
import os
import pickle
import subprocess
import sys
import time
import uuid

import pytest

from headrace import Flow
from headrace.core.context import context
from headrace.core.errors import LoadError, StorageError
from headrace.storage import S3, storage_from
from headrace.testing import StorageContract
from tests.integration.components.server import free_ports
from tests.support.code_store import flow_that_gives, given_by, registered_at_once, script


@pytest.fixture(scope="module")
def s3(s3_server):
    import s3fs

    return s3fs.S3FileSystem(
        key=s3_server.admin_key,
        secret=s3_server.admin_secret,
        endpoint_url=s3_server.url,
        use_listings_cache=False,
    )


def made(s3, name):
    # The filer may still be on its way up when the S3 port already answers.
    for _ in range(50):
        try:
            s3.mkdir(name)
            break
        except OSError:
            time.sleep(0.2)
    assert s3.exists(name)
    return name


@pytest.fixture(scope="module")
def bucket(s3):
    return made(s3, f"flows-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def bucket_of_versions(s3):
    name = made(s3, f"versions-{uuid.uuid4().hex[:8]}")
    s3.call_s3("put_bucket_versioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(autouse=True)
def account(s3_server):
    keys = {"ACCESS_KEY": s3_server.key, "SECRET_ACCESS_KEY": s3_server.secret}
    with context(secrets={"AWS_CREDENTIALS": keys}):
        yield


@pytest.fixture
def options(s3_server):
    return {"endpoint_url": s3_server.url}


@pytest.fixture
def key():
    return f"own/{uuid.uuid4().hex}"


class TestPickles(StorageContract):
    @pytest.fixture
    def make(self, bucket, options):
        return lambda flows, **arguments: S3(bucket, client_options=options, **arguments)


class TestAPickleAtAKey(StorageContract):
    @pytest.fixture
    def make(self, bucket, options, key):
        return lambda flows, **arguments: S3(bucket, key, client_options=options, **arguments)


class TestScripts(StorageContract):
    @pytest.fixture
    def make(self, bucket, options, tmp_path):
        def _make(flows, **arguments):
            file = tmp_path / "flows.py"
            file.write_text(self.code_of(flows))
            return S3(
                bucket,
                stored_as_script=True,
                local_script_path=file,
                client_options=options,
                **arguments,
            )

        return _make


def stored(flow, *arguments, **options):
    storage = S3(*arguments, **options)
    storage.add_flow(flow)
    return storage.build()


def test_each_version_of_a_flow_keeps_its_object(s3, bucket, options):
    first = stored(flow_that_gives(1), bucket, client_options=options)
    again = stored(flow_that_gives(1), bucket, client_options=options)
    second = stored(flow_that_gives(2), bucket, client_options=options)
    assert first.serialize() == again.serialize() != second.serialize()
    assert first.flows["nightly"].startswith("nightly/")
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2


def test_the_same_flow_registered_by_several_at_once(bucket, options):
    unique = uuid.uuid4().hex
    described = registered_at_once(lambda: S3(bucket, client_options=options), unique)
    assert all(each == described[0] for each in described)
    assert given_by(storage_from(described[0]).get_flow("nightly")) == unique


def test_an_object_that_was_overwritten_is_an_error(s3, bucket, options, key):
    first = stored(flow_that_gives(1), bucket, key, client_options=options)
    stored(flow_that_gives(2), bucket, key, client_options=options)
    with pytest.raises(
        StorageError, match=f"{key} in the bucket {bucket} is not what was registered"
    ):
        storage_from(first.serialize()).get_flow("nightly")
    s3.rm_file(f"{bucket}/{key}")
    with pytest.raises(StorageError, match=f"There is no object {key} in the bucket {bucket}"):
        storage_from(first.serialize()).get_flow("nightly")


def test_a_bucket_of_versions_gives_what_was_registered(bucket_of_versions, options, key):
    arguments = (bucket_of_versions, key)
    first = stored(flow_that_gives(1), *arguments, client_options=options)
    again = stored(flow_that_gives(1), *arguments, client_options=options)
    second = stored(flow_that_gives(2), *arguments, client_options=options)
    assert first.serialize() == again.serialize()
    assert first.versions != second.versions
    assert given_by(storage_from(first.serialize()).get_flow("nightly")) == 1
    assert given_by(storage_from(second.serialize()).get_flow("nightly")) == 2


def test_damage_is_noticed(s3, bucket, options):
    storage = stored(flow_that_gives(1), bucket, client_options=options)
    place = f"{bucket}/{storage.flows['nightly']}"
    s3.pipe_file(place, s3.cat_file(place)[:-1] + b"!")
    with pytest.raises(StorageError, match="not what was registered"):
        storage.get_flow("nightly")
    # Registering it again mends that.
    mended = stored(flow_that_gives(1), bucket, client_options=options)
    assert given_by(mended.get_flow("nightly")) == 1


def test_a_script_that_is_there_already(s3, bucket, options, key, tmp_path):
    there = script(tmp_path / "f.py", 1).read_bytes()
    s3.pipe_file(f"{bucket}/{key}", there)
    storage = stored(Flow("nightly"), bucket, key, True, client_options=options)
    assert given_by(storage.get_flow("nightly")) == 1
    with pytest.raises(StorageError, match=f"There is no object missing.py in the bucket {bucket}"):
        stored(Flow("nightly"), bucket, "missing.py", True, client_options=options)


def test_scripts_that_make_no_such_flow(bucket, options, tmp_path):
    for text, message in (
        ("x = 1\n", r"no flow in object nightly/\w+\.py in the bucket"),
        ("from headrace import Flow\nf = Flow('other')\n", "no flow 'nightly' in object .*'other'"),
        (
            "from headrace import Flow\nf = Flow('nightly')\ng = Flow('nightly')\n",
            "two flows named 'nightly' in object",
        ),
    ):
        (tmp_path / "f.py").write_text(text)
        storage = stored(
            Flow("nightly"), bucket, None, True, tmp_path / "f.py", client_options=options
        )
        with pytest.raises(LoadError, match=message):
            storage.get_flow("nightly")


def test_upload_options_go_with_the_object(s3, bucket, options, key):
    stored(
        flow_that_gives(1),
        bucket,
        key,
        client_options=options,
        upload_options={"Metadata": {"made-by": "test"}},
    )
    assert s3.metadata(f"{bucket}/{key}") == {"made-by": "test"}


def test_no_secret_is_kept(s3_server, s3, bucket, options):
    storage = stored(flow_that_gives(1), bucket, client_options=options)
    kept = json.dumps(storage.serialize()).encode() + pickle.dumps(storage)
    kept += s3.cat_file(f"{bucket}/{storage.flows['nightly']}")
    assert s3_server.secret.encode() not in kept
    told = S3(bucket, client_options={**options, "aws_secret_access_key": "s3cr3t"})
    for act in (told.serialize, lambda: told.add_flow(flow_that_gives(1))):
        with pytest.raises(StorageError, match="aws_secret_access_key.*AWS_CREDENTIALS") as raised:
            act()
        assert "s3cr3t" not in str(raised.value)


def test_what_is_refused_says_what_to_do(s3_server, s3, bucket, options):
    wrong = {"ACCESS_KEY": s3_server.key, "SECRET_ACCESS_KEY": "not-this"}
    before = s3.find(bucket)
    with context(secrets={"AWS_CREDENTIALS": wrong}):
        with pytest.raises(StorageError, match=f"bucket {bucket} cannot be .*AWS_CREDENTIALS") as e:
            stored(flow_that_gives(5), bucket, client_options=options)
        assert "not-this" not in str(e.value)
    assert s3.find(bucket) == before
    with pytest.raises(
        StorageError, match="bucket no-such-bucket cannot be written.*bucket's name"
    ):
        stored(flow_that_gives(1), "no-such-bucket", client_options=options)
    (port,) = free_ports(1)
    nobody = {"endpoint_url": f"http://127.0.0.1:{port}"}
    with pytest.raises(StorageError, match=r"cannot be read: .*127\.0\.0\.1.*Look at the address"):
        stored(flow_that_gives(1), bucket, client_options=nobody)
    with pytest.raises(
        StorageError, match=r"cannot be read: .*no_region.*Look at the address, the reg"
    ):
        stored(flow_that_gives(1), bucket, client_options={"region_name": "no_region"})


def test_what_was_added_and_not_written_is_not_registered(bucket, options):
    storage = S3(bucket, client_options=options)
    storage.add_flow(flow_that_gives(1))
    with pytest.raises(StorageError, match=r"'nightly'.*not written yet"):
        storage.pinned()
    assert storage.build().pinned() is storage


def test_it_works_in_another_process(s3_server, bucket, options):
    storage = stored(flow_that_gives(7), bucket, client_options=options)
    code = (
        "import json, sys\n"
        "from headrace.storage import storage_from\n"
        "flow = storage_from(json.load(sys.stdin)).get_flow('nightly')\n"
        "state = flow.run()\n"
        "print([state.result[task].result for task in flow.tasks])"
    )
    environ = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": s3_server.key,
        "AWS_SECRET_ACCESS_KEY": s3_server.secret,
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(storage.serialize()).encode(),
        capture_output=True,
        check=False,
        env=environ,
    )
    assert run.stdout.endswith(b"[7]\n"), run.stderr.decode()
