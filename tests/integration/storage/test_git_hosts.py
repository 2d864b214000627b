"""Storages of Git hosts: the hosts' own client libraries, against their APIs over a real repository."""

import json
import logging
import pickle
import ssl
import subprocess
import traceback
from datetime import datetime

import pytest

from headrace import context
from headrace.core.errors import LoadError, RepositoryError, SecretError
from headrace.flow import Flow
from headrace.storage import asking, storage_from
from tests.integration.components.bitbucket_api import BitbucketCloudApi
from tests.integration.components.code_host import TOKEN
from tests.integration.components.codecommit import KEY, SECRET
from tests.support.code_hosts import KINDS, PATH, code_host
from tests.support.git_server import git

FLOW = """
from headrace import Flow, task

@task
def version():
    return {version}

with Flow("nightly") as flow:
    version()
"""


def files(version: int = 1) -> dict[str, str]:
    return {PATH: FLOW.format(version=version)}


@pytest.fixture(autouse=True)
def place_of_its_own(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(asking, "_DELAYS", (0.01, 0.01, 0.01))


#: An Enterprise server differs in its addresses alone.
EACH = [name for name in KINDS if name != "github-enterprise"]


@pytest.fixture(params=EACH)
def place(request, tmp_path):
    with code_host(request.param, tmp_path) as running, context(secrets=running.kind.defaults):
        yield running


@pytest.fixture
def repository(place):
    return place.api.repository(place.kind.repo)


@pytest.fixture
def kept(place):
    def _kept(*arguments, name="nightly", **named):
        storage = place.storage(*arguments, **named)
        storage.add_flow(Flow(name))
        return storage

    return _kept


def result_of(storage, name="nightly"):
    flow = storage.get_flow(name)
    (task,) = flow.tasks
    return flow.run().result[task].result


def ref_of(storage):
    return getattr(storage, storage.ref_argument)


# -- commits -------------------------------------------------------------------------------------


def test_a_run_loads_the_commit_of_the_registration(repository, kept):
    first = repository.push(files(1))
    pinned = kept().pinned()
    repository.push(files(2))
    assert ref_of(pinned) == first
    assert result_of(storage_from(json.loads(json.dumps(pinned.serialize())))) == 1
    assert result_of(kept()) == 2
    assert pinned.pinned() is pinned
    assert "nightly" in pinned


def test_a_push_that_leaves_the_file_alone(repository, kept):
    repository.push(files(1))
    first = kept().pinned()
    repository.push({"README.md": "more about it"})
    second = kept().pinned()
    repository.push(files(2))
    third = kept().pinned()
    assert len({ref_of(storage) for storage in (first, second, third)}) == 3
    assert first.known_by("nightly") == second.known_by("nightly")
    assert first.known_by("nightly") != third.known_by("nightly")
    # What it is known by is looked at again when it is loaded.
    swapped = storage_from({**first.serialize(), first.ref_argument: ref_of(third)})
    with pytest.raises(RepositoryError, match="not the file that was registered"):
        swapped.get_flow("nightly")


def test_branches_tags_and_commits(place, repository, kept):
    main = repository.push(files(1))
    repository.tag("v1")
    repository.tag("v1-annotated", annotated=True)
    side = repository.push(files(2), branch="feature/side-ü#1")
    meant = {None: main, "main": main, "v1": main, "v1-annotated": main, "feature/side-ü#1": side}
    if place.kind.ref == "ref":  # CodeCommit takes whole hashes only
        meant |= {main[:9]: main}
    for ref, commit in meant.items():
        assert ref_of(kept(ref=ref).pinned()) == commit, ref
    assert result_of(kept(ref="feature/side-ü#1")) == 2
    assert result_of(kept(ref=main)) == 1


def test_paths_are_taken_as_they_are(repository, kept):
    path = "flows/nächtlich #1 100%/a+b?.py"
    repository.push({path: FLOW.format(version=7)})
    assert result_of(kept(path=path)) == 7
    assert result_of(kept(path=f"/{path}")) == 7


def test_several_flows_of_one_storage(repository, place):
    repository.push(
        {PATH: FLOW.format(version=1), "b.py": "from headrace import Flow\nFlow('b')\n"}
    )
    repository.push({"b.py": "from headrace import Flow\nb = Flow('b')\n"})
    storage = place.storage()
    assert storage.add_flow(Flow("nightly")) == PATH
    alone = storage.serialize_for("nightly")
    storage.path = "b.py"
    assert storage.add_flow(Flow("b")) == "b.py"
    # What one flow is registered with is the same, whatever joins it.
    assert storage.serialize_for("nightly") == alone
    assert result_of(storage) == 1
    assert storage.get_flow("b").name == "b"


def test_a_large_file(place, repository, kept):
    padding = "# and so on\n" * 200_000
    commit = repository.push({PATH: FLOW.format(version=3) + padding})
    assert result_of(kept(ref=commit)) == 3


# -- tokens --------------------------------------------------------------------------------------


def _sent(place):
    """What opened the repository, as it was sent, in all requests since the last look."""
    sent = {
        (asked.headers.get("authorization", "") + asked.headers.get("private-token", "")).partition(
            "/"
        )[0]
        for asked in place.api.asked
    }
    place.api.asked.clear()
    return sent


def test_tokens_come_from_secrets(place, repository, kept, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    place.api.is_private = True
    repository.push(files())
    with context(secrets=place.kind.secrets):
        assert result_of(kept(**place.kind.tokens).pinned()) == 1
        named = _sent(place)
        assert len(named) == 1
        assert "" not in named
    pinned = kept().pinned()
    assert _sent(place) == named
    with context(secrets={}):
        for name, value in place.kind.defaults.items():
            if isinstance(value, str):
                monkeypatch.setenv(name, value)
            else:
                monkeypatch.setenv("AWS_ACCESS_KEY_ID", value["ACCESS_KEY"])
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", value["SECRET_ACCESS_KEY"])
        assert result_of(kept()) == 1
        assert _sent(place) == named
    for text in (repr(pinned), repr(pinned.serialize()), repr(pickle.dumps(pinned)), caplog.text):
        assert TOKEN not in text
        assert SECRET not in text


def _chain(error):
    while error is not None:
        yield f"{error!s}{error.args!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_wrong_tokens(place, repository, kept):
    commit = repository.push(files())
    wrong = {
        name: "wr0ng-t0ken"
        if isinstance(value, str)
        else {**value, "SECRET_ACCESS_KEY": "wr0ng-t0ken"}
        for name, value in place.kind.defaults.items()
    }
    with context(secrets=wrong):
        for act in (kept().pinned, lambda: kept(ref=commit).get_flow("nightly")):
            with pytest.raises(
                RepositoryError, match=r"refuses the secret '.*not expired"
            ) as caught:
                act()
            assert not any("wr0ng-t0ken" in text for text in _chain(caught.value))
            assert place.kind.repo in str(caught.value)


def test_no_token(place, repository, kept):
    place.api.is_private = True
    commit = repository.push(files())
    with context(secrets={}):
        for act in (kept().pinned, lambda: kept(ref=commit).get_flow("nightly")):
            with pytest.raises(RepositoryError, match=r"(asks for|without) a token") as caught:
                act()
            assert "into a secret" in str(caught.value)


def test_secrets_that_hold_no_token(place, repository, kept):
    repository.push(files())
    if not place.kind.tokens:
        broken = {"AWS_CREDENTIALS": "t0ken"}
    else:
        broken = dict.fromkeys(place.kind.secrets, "t0ken with\nlines")
    with context(secrets=broken):
        with pytest.raises(SecretError) as caught:
            kept(**place.kind.tokens).pinned()
        assert "t0ken" not in str(caught.value)
    if place.kind.tokens:
        with context(secrets={}), pytest.raises(SecretError, match="OWN|USER"):
            kept(**place.kind.tokens).pinned()
        with context(secrets=dict.fromkeys(place.kind.secrets, "1.5")):
            with pytest.raises(SecretError, match="within quotes"):
                kept(**place.kind.tokens).pinned()


def test_a_forbidden_repository(place, repository, kept):
    repository.push(files())
    data = {
        "message": "Resource not accessible by personal access token",
        "__type": "AccessDeniedException",
    }
    place.api.fail(403, data=data)
    with pytest.raises(RepositoryError, match=r"does not allow .* with the secret .*right to read"):
        kept().pinned()
    place.api.fail(403, data=data)
    with pytest.raises(
        RepositoryError, match=rf"does not allow .* for {PATH} at commit 0123456789"
    ):
        kept(ref="0123456789" * 4).get_flow("nightly")


# -- what is not there ---------------------------------------------------------------------------


def test_what_is_not_there(place, repository, kept):
    commit = repository.push(files())
    repo = place.kind.repo
    other = repo.replace("flows", "flaws")
    for act in (
        kept(other).pinned,
        lambda: kept(other, ref=commit).get_flow("nightly"),
        lambda: kept(other, ref="main").pinned(),
    ):
        with pytest.raises(RepositoryError, match=rf"no repository {other} on .* Mend repo"):
            act()
    with pytest.raises(RepositoryError, match=rf"{repo} .* commit 'mian'. Did you mean 'main'"):
        kept(ref="mian").pinned()
    with pytest.raises(RepositoryError, match=r"commit 'xyz/zyx'. There are: 'main'"):
        kept(ref="xyz/zyx").get_flow("nightly")
    for ref in (None, "main", commit):
        missing = kept(path="flows/nihgtly.py", ref=ref)
        with pytest.raises(
            RepositoryError, match=rf"no file flows/nihgtly.py in .*{repo} .*{commit[:12]}"
        ):
            missing.get_flow("nightly")
    gone = "0123456789" * 4
    with pytest.raises(RepositoryError, match=rf"no commit {gone}. Was it taken back"):
        kept(ref=gone).get_flow("nightly")


def test_a_folder(repository, kept):
    commit = repository.push(files())
    for ref in (None, commit):
        with pytest.raises(RepositoryError, match=r"flows in .* is a folder and no file"):
            kept(path="flows", ref=ref).get_flow("nightly")


def test_an_empty_repository(repository, kept):
    with pytest.raises(RepositoryError, match="nothing has been pushed"):
        kept().pinned()


def test_many_branches(repository, kept):
    repository.push(files())
    for number in range(130):
        git(repository.bare, "update-ref", f"refs/heads/b{number:03}", "refs/heads/main")
    assert len(ref_of(kept(ref="b129").pinned())) == 40
    with pytest.raises(
        RepositoryError, match=r"no branch, tag or commit 'q+'. There are: 'b000', "
    ):
        kept(ref="qqqqqq").pinned()


@pytest.mark.filterwarnings("ignore:can't resolve package:ImportWarning")
def test_files_that_give_no_flow(place, repository, kept):
    repository.push(
        {
            PATH: "x = 1\n",
            "other.py": "from headrace import Flow\nflow = Flow('other')\n",
            "twice.py": "from headrace import Flow\na = Flow('nightly')\nb = Flow('nightly')\n",
            "raises.py": "raise RuntimeError('no database')\n",
            "neighbour.py": "import flows.near_by\n",
            "relative.py": "from . import near_by\n",
            "extra.py": "from headrace.core.errors import MissingExtraError as E\nraise E('a', 'b', 'c')\n",
            "lfs.py": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
        }
    )
    for path, error, words in [
        (PATH, LoadError, rf"no flow in {PATH} in .*{place.kind.repo} at commit"),
        ("other.py", LoadError, r"no flow 'nightly' in other.py .* Flows there: 'other'"),
        ("twice.py", LoadError, r"two flows named 'nightly' in twice.py"),
        ("raises.py", RuntimeError, "no database"),
        (
            "neighbour.py",
            LoadError,
            r"neighbour.py .* 'flows'.*this one file.*headrace.storage.Git",
        ),
        ("relative.py", LoadError, r"relative.py .*this one file.*headrace.storage.Git"),
        ("extra.py", ImportError, r"headrace\[b\]"),
        ("lfs.py", RepositoryError, "kept by Git LFS"),
    ]:
        with pytest.raises(error, match=words) as caught:
            kept(path=path).get_flow("nightly")
        if error is RuntimeError:
            last = traceback.extract_tb(caught.value.__traceback__)[-1]
            assert last.filename.startswith("<raises.py in ")


# -- hosts that fail -----------------------------------------------------------------------------


def test_a_host_that_fails_is_asked_again(place, repository, kept):
    repository.push(files())
    place.api.fail(503, times=2)
    assert result_of(kept()) == 1
    place.api.fail(502, times=4, data={"message": "Bad Gateway"})
    with pytest.raises(
        RepositoryError, match=r"failed when it was asked .*\(502\).*4 times.*later"
    ):
        kept().pinned()
    assert not place.api.faults


def test_a_limit(place, repository, kept):
    repository.push(files())
    place.api.limit(3600)
    with pytest.raises(RepositoryError, match=r"asked too often.*try again") as caught:
        kept().pinned()
    assert place.kind.repo in str(caught.value)
    if place.kind.ref == "commit":
        return  # CodeCommit does not say until when
    until = str(caught.value).partition("after ")[2].partition(" UTC")[0]
    assert 3000 < (datetime.fromisoformat(until) - datetime.utcnow()).total_seconds() <= 3601
    assert "in 60 minutes" in str(caught.value)
    place.api.limit(1)
    assert result_of(kept()) == 1
    place.api.limit(3600)
    with (
        context(secrets={}),
        pytest.raises(RepositoryError, match="With a token the limit is higher"),
    ):
        kept().pinned()


def test_answers_that_are_none_of_the_api(place, repository, kept):
    repository.push(files())
    for answer in (b"<html>Sign in</html>", b"[]", b"{}"):
        place.api.fail(200, data=answer, times=20)
        with pytest.raises(RepositoryError) as caught:
            kept(ref="main").pinned()
        assert place.kind.repo in str(caught.value)
        place.api.faults.clear()


def test_a_host_that_hangs_up(place, repository, kept):
    repository.push(files())
    place.api.fail(0)
    assert result_of(kept()) == 1
    place.api.fail(0, times=4)
    with pytest.raises(RepositoryError, match="cannot be asked .*reachable from this machine"):
        kept().pinned()


@pytest.mark.parametrize("name", ["github", "github-enterprise"])
def test_a_repository_that_is_renamed(name, tmp_path):
    with code_host(name, tmp_path) as place, context(secrets=place.kind.defaults):
        repository = place.api.repository("company/new-flows")
        commit = repository.push(files(1))
        repository.push(files(2))
        place.api.renamed["company/flows"] = "company/new-flows"
        for ref in (commit, commit[:8]):
            storage = place.storage(ref=ref)
            storage.add_flow(Flow("nightly"))
            assert result_of(storage) == 1
            assert result_of(storage.pinned()) == 1


def test_credentials_that_aws_finds_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng")
    with code_host("codecommit", tmp_path) as place:
        place.api.repository("company-flows").push(files(1))
        storage = place.storage()
        with pytest.raises(RepositoryError, match=r"refuses the credentials .* find here \(env\)"):
            storage.pinned()
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        place.api.fail(400, data={"__type": "AccessDeniedException", "message": "no"})
        with pytest.raises(RepositoryError, match=r"does not allow .*\(env\).*right to read"):
            storage.pinned()


@pytest.mark.parametrize("name", EACH)
def test_a_host_that_is_not_there(name):
    kind = KINDS[name]
    storage = kind.storage("http://127.0.0.1:9", kind.repo)
    storage.add_flow(Flow("nightly"))
    with context(secrets=kind.defaults):
        with pytest.raises(RepositoryError, match="cannot be asked .*reachable from this machine"):
            storage.pinned()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("name", ["github", "gitlab", "bitbucket-cloud", "codecommit"])
def test_a_certificate_that_nobody_knows(name, tmp_path, certificate, monkeypatch):
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with code_host(name, tmp_path, serving) as place, context(secrets=place.kind.defaults):
        place.api.repository(place.kind.repo).push(files())
        storage = place.storage()
        storage.add_flow(Flow("nightly"))
        variable = "AWS_CA_BUNDLE" if name == "codecommit" else "REQUESTS_CA_BUNDLE"
        with pytest.raises(RepositoryError, match=f"certificate is not trusted.*{variable}"):
            storage.pinned()
        monkeypatch.setenv(variable, str(certificate / "cert.pem"))
        assert result_of(storage) == 1


@pytest.mark.parametrize("status", [301, 302])
def test_no_token_leaves_for_another_host(place, repository, kept, tmp_path, status):
    """A redirect to somewhere else takes no token along."""
    repository.push(files())
    with code_host("gitlab", tmp_path / "other") as other:
        away = other.api.url.replace("127.0.0.1", "localhost")
        place.api.fail(status, times=3, Location=f"{away}/api/v4/projects/1")
        with pytest.raises(RepositoryError):
            kept(ref="main").pinned()
        for asked in other.api.asked:
            assert not any(TOKEN in value or "Basic" in value for value in asked.headers.values())


def test_a_project_by_its_number(tmp_path):
    with code_host("gitlab", tmp_path) as place:
        place.api.repository(place.kind.repo).push(files(4))
        storage = place.storage("1")
        storage.add_flow(Flow("nightly"))
        assert result_of(storage.pinned()) == 4


def test_a_token_of_a_repository_in_the_cloud(tmp_path):
    with code_host("bitbucket-cloud", tmp_path) as place:
        assert isinstance(place.api, BitbucketCloudApi)
        place.api.is_private = True
        place.api.repository().push(files())
        storage = place.storage(access_token_secret="OWN")
        storage.add_flow(Flow("nightly"))
        with context(secrets={"OWN": TOKEN}):
            assert result_of(storage) == 1
        assert {asked.headers["authorization"] for asked in place.api.asked} == {f"Bearer {TOKEN}"}
