"""What storages of Git hosts take, refuse and say, before anybody is asked."""

import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import context
from headrace.core.errors import MissingExtraError, SecretError, StorageError
from headrace.core.now import replaced
from headrace.flow import Flow
from headrace.storage import Bitbucket, CodeCommit, GitHub, GitLab, storage_from
from headrace.storage.refusal import Refusal
from headrace.storage.token import token_of

MADE = [
    lambda **given: GitHub("company/flows", **{"path": "f.py", **given}),
    lambda **given: GitLab("company/team/flows", **{"path": "f.py", **given}),
    lambda **given: Bitbucket("P", "flows", "company", **{"path": "f.py", **given}),
    lambda **given: Bitbucket("P", "flows", host="code.example.com", **{"path": "f.py", **given}),
    lambda **given: CodeCommit("flows", **{"path": "f.py", **given}),
]


@pytest.mark.parametrize("make", MADE)
def test_descriptions(make):
    storage = make(labels=["b", "a"], secrets=["S"], stored_as_script=True)
    storage.add_flow(Flow("nightly"))
    described = storage.serialize_for("nightly")
    assert described["path"] == "f.py"
    assert described["stored_as_script"] is True
    assert described["flows"] == {"nightly": "f.py"}
    assert storage_from(described) == storage
    assert storage.labels == ["a", "b"]


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("path", ["", "/", "../f.py", "a/../../f.py", 5])
def test_paths_that_cannot_be(make, path):
    with pytest.raises(StorageError, match="path"):
        make(path=path)


@pytest.mark.parametrize("make", MADE[1:])
def test_no_path(make):
    storage = make(path=None)
    with pytest.raises(StorageError, match=r"needs the path .* path='flows/nightly.py'"):
        storage.add_flow(Flow("nightly"))
    storage.path = "later.py"
    assert storage.add_flow(Flow("nightly")) == "later.py"


@pytest.mark.parametrize("make", MADE)
def test_refs_that_cannot_be(make):
    with pytest.raises(StorageError, match=r"The (ref|commit) of a"):
        make(**{make().ref_argument: ""})


def test_repositories_that_cannot_be():
    for repo in (
        "flows",
        "company/team/flows",
        "https://github.com/company/flows",
        "/flows",
        "a b/c",
    ):
        with pytest.raises(StorageError, match="'company/flows'"):
            GitHub(repo, "f.py")
    for repo in (None, "", 5):
        with pytest.raises(StorageError, match="repo"):
            GitLab(repo, path="f.py")


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("https://user:s3cret@code.example.com", "Put the token into a secret"),
        ("https://s3cret@code.example.com", "Put the token into a secret"),
        ("https://code.example.com/?private_token=s3cret", "after a [?]"),
        ("ftp://code.example.com", "no address of a host"),
        ("https://", "no address of a host"),
        ("https://code.example.com:port", "no address of a host"),
    ],
)
def test_hosts_that_cannot_be(host, words):
    for make in (
        lambda: GitLab("a/b", host=host, path="f.py"),
        lambda: GitHub("a/b", "f.py", base_url=host),
        lambda: Bitbucket("P", "r", host=host, path="f.py"),
    ):
        with pytest.raises(StorageError, match=words) as caught:
            make()
        assert "s3cret" not in str(caught.value)


def test_bitbucket_is_a_cloud_or_a_server():
    with pytest.raises(StorageError, match="workspace .* or the host"):
        Bitbucket("P", "flows", path="f.py")
    with pytest.raises(StorageError, match="no workspace"):
        Bitbucket("P", "flows", host="code.example.com", cloud_username_secret="U")
    with pytest.raises(StorageError, match="either an access token"):
        Bitbucket("P", "flows", "w", access_token_secret="A", cloud_app_password_secret="P")
    half = Bitbucket("P", "flows", "w", path="f.py", cloud_username_secret="U")
    with context(secrets={"U": "somebody"}), pytest.raises(StorageError, match="not the other"):
        half.pinned()


def test_codecommit_keeps_no_credentials():
    for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
        with pytest.raises(StorageError, match=rf"{name}.*AWS_CREDENTIALS") as caught:
            CodeCommit("flows", "f.py", client_options={name: "s3cret"})
        assert "s3cret" not in str(caught.value)
    with pytest.raises(StorageError, match="a dict of options"):
        CodeCommit("flows", "f.py", client_options=["region_name"])


@pytest.mark.parametrize("options", [None, {"region_nmae": "eu-west-1"}, {"region_name": "a b"}])
def test_codecommit_has_to_know_the_region(options, monkeypatch, tmp_path):
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"cannot ask AWS: .*'region_name'"):
        CodeCommit("flows", "f.py", client_options=options).pinned()


@pytest.mark.parametrize(
    ("make", "module", "extra"),
    [
        (MADE[0], "github", "github"),
        (MADE[1], "gitlab", "gitlab"),
        (MADE[2], "atlassian", "bitbucket"),
        (MADE[4], "botocore", "aws"),
    ],
)
def test_a_library_that_is_not_installed(make, module, extra, monkeypatch):
    storage = make()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"headrace\[{extra}\]"):
        storage.pinned()


# -- tokens --------------------------------------------------------------------------------------


def test_where_tokens_come_from(monkeypatch):
    monkeypatch.setenv("A_TOKEN", " plain \n")
    with context(secrets={"A_TOKEN": "by default", "OWN": 12345}):
        with pytest.raises(SecretError):
            token_of(None, "A_TOKEN")
        assert token_of("OWN", "A_TOKEN").value == "12345"
    with context(secrets={"A_TOKEN": "t0ken"}):
        assert token_of(None, "A_TOKEN").value == "t0ken"
    found = token_of(None, "A_TOKEN")
    assert (found.value, found.source) == ("plain", "the environment variable A_TOKEN")
    assert "plain" not in repr(found)
    assert token_of(None, "NO_TOKEN") is None
    with pytest.raises(SecretError, match="NO_TOKEN"):
        token_of("NO_TOKEN", "A_TOKEN")


@pytest.mark.parametrize(
    "value", ["", " ", "two words", "line\nline", "schlüssel", None, {}, True, 1.5]
)
def test_what_is_no_token(value):
    with context(secrets={"OWN": value}):
        with pytest.raises(SecretError, match="'OWN' holds no token") as caught:
            token_of("OWN", "A_TOKEN")
    assert "schl" not in str(caught.value)


# -- what hosts say --------------------------------------------------------------------------------

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({}, None),
        ({"Retry-After": "60"}, NOW + timedelta(seconds=60)),
        ({"Retry-After": "Sun, 22 Nov 2026 12:10:00 GMT"}, NOW + timedelta(minutes=10)),
        ({"Retry-After": "soon"}, None),
        ({"X-RateLimit-Reset": f"{NOW.timestamp() + 90:.0f}"}, NOW + timedelta(seconds=90)),
        ({"RateLimit-Reset": f"{NOW.timestamp() + 90:.0f}"}, NOW + timedelta(seconds=90)),
        ({"RateLimit-Reset": "1e400"}, None),
        ({"RateLimit-Reset": "1e300"}, None),
        ({"RateLimit-Reset": "-1"}, None),
    ],
)
def test_when_to_ask_again(headers, until):
    with replaced(NOW):
        assert Refusal("no", 429, headers).until() == until


@given(st.text())
def test_any_retry_after(text):
    Refusal("no", 429, {"Retry-After": text}).until()


@pytest.mark.parametrize(
    ("refusal", "is_limit"),
    [
        (Refusal("no", 429), True),
        (Refusal("no", 403), False),
        (Refusal("no", 403, {"X-RateLimit-Remaining": "0"}), True),
        (Refusal("no", 403, {"X-RateLimit-Remaining": "5"}), False),
        (Refusal("no", 403, {"retry-after": "5"}), True),
        (Refusal("You have exceeded a secondary rate limit", 403), True),
        (Refusal("no", 500), False),
    ],
)
def test_what_is_a_limit(refusal, is_limit):
    assert refusal.is_limit is is_limit
