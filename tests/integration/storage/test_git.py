"""Git storage against a real Git host: `git http-backend` behind HTTP, and over ssh and files."""

import os
import pickle
import stat
import subprocess
import sys
import textwrap

import pytest

from headrace import context
from headrace.core.errors import LoadError, RepositoryError, SecretError, StorageError
from headrace.flow import Flow
from headrace.storage import Git, storage_from
from tests.support.git_server import TOKEN, USER, basic, bearer, git, git_host

FLOW = """
from headrace import Flow, task

@task
def version():
    import neighbour_of_{n}
    import at_top_of_{n}.part
    return neighbour_of_{n}.VERSION + at_top_of_{n}.part.VALUE

with Flow("nightly") as flow:
    version()
with Flow("second") as other:
    version()
"""


def files(version: int, n: int) -> dict[str, str]:
    return {
        "flows/nightly.py": FLOW.format(n=n),
        f"flows/neighbour_of_{n}.py": f"VERSION = {version}\n",
        f"at_top_of_{n}/part.py": "VALUE = 100\n",
    }


@pytest.fixture
def n(request):
    """A number for the modules of this test: what was imported once is not imported again."""
    return abs(hash(request.node.nodeid))


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host(tmp_path):
    with git_host(tmp_path) as running:
        yield running


@pytest.fixture
def closing():
    storages = []
    yield lambda storage: storages.append(storage) or storage
    for storage in storages:
        storage.close()


def of(host, **arguments):
    storage = Git("flows/nightly.py", "company/flows", repo_host=host.url, **arguments)
    storage.add_flow(Flow("nightly"))
    return storage


def result_of(storage, name="nightly"):
    flow = storage.get_flow(name)
    assert flow.name == name
    state = flow.run()
    (task,) = flow.tasks
    return state.result[task].result


def test_a_flow_is_loaded_with_its_neighbours(host, n, closing):
    host.repository().push(files(1, n))
    storage = closing(of(host))
    assert result_of(storage) == 101


def test_a_run_loads_the_commit_of_the_registration(host, n, closing):
    repository = host.repository()
    first = repository.push(files(1, n))
    pinned = of(host).pinned()
    repository.push(files(2, n))
    assert pinned.commit == first
    described = pinned.serialize()
    assert described["commit"] == first
    # The commit is behind the branch's end now, and history is not fetched.
    assert result_of(closing(storage_from(described))) == 101


def test_a_pinned_storage_stays_as_it_is(host, n):
    host.repository().push(files(1, n))
    pinned = of(host).pinned()
    assert pinned.pinned() is pinned
    assert "nightly" in pinned


@pytest.mark.parametrize("annotated", [False, True])
def test_branches_and_tags(host, n, annotated):
    repository = host.repository()
    main = repository.push(files(1, n))
    repository.tag("v1", annotated=annotated)
    side = repository.push(files(2, n), branch="feature/side")
    assert of(host).pinned().commit == main
    assert of(host, branch_name="feature/side").pinned().commit == side
    assert of(host, tag="v1").pinned().commit == main
    assert of(host, tag="v1").pinned().tag is None


@pytest.mark.parametrize("choice", [{"branch_name": "feature/side"}, {"tag": "v2"}])
def test_what_is_not_pinned_is_loaded_from_where_it_is_now(host, n, choice, closing):
    repository = host.repository()
    repository.push(files(1, n))
    repository.push(files(2, n), branch="feature/side")
    repository.tag("v2", annotated=True)
    assert result_of(closing(of(host, **choice))) == 102


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_depth(host, n, depth, closing):
    repository = host.repository()
    commits = [repository.push(files(version, n)) for version in range(1, 6)]
    storage = closing(of(host, commit=commits[1], clone_depth=depth))
    assert result_of(storage) == 102
    (checkout,) = storage._checkouts
    fetched = git(checkout, "rev-list", "HEAD").splitlines()
    assert len(fetched) == {0: 2, 1: 1, 3: 2}[depth]


@pytest.mark.parametrize("is_modern", [True, False])
def test_a_commit_that_no_branch_is_at(host, n, is_modern, closing):
    host.is_modern = is_modern
    repository = host.repository()
    commits = [repository.push(files(version, n)) for version in range(1, 4)]
    repository.tag("v3", annotated=True)
    assert of(host, tag="v3").pinned().commit == commits[2]
    assert result_of(closing(of(host, commit=commits[0]))) == 101
    with pytest.raises(RepositoryError, match="no commit 01234"):
        closing(of(host, commit="0123456789" * 4)).get_flow("nightly")


def test_another_name_in_the_file(host, n, closing):
    host.repository().push(files(1, n))
    storage = Git("/flows/nightly.py", "company/flows", repo_host=host.url, flow_name="second")
    storage.add_flow(Flow("registered as this"))
    assert closing(storage).get_flow("registered as this").name == "second"


def test_a_checkout_goes_with_the_storage(host, n):
    host.repository().push(files(1, n))
    storage = of(host)
    result_of(storage)
    (checkout,) = storage._checkouts
    assert os.path.isfile(os.path.join(checkout, "flows", "nightly.py"))
    storage.close()
    assert not os.path.exists(checkout)
    assert not [entry for entry in sys.path if entry.startswith(checkout)]
    storage.close()


def test_a_checkout_goes_with_the_process(host, n, tmp_path):
    host.repository().push(files(1, n))
    program = f"""
    import os
    from headrace.storage import storage_from
    storage = storage_from({of(host).serialize()!r})
    storage.get_flow("nightly")
    print(*storage._checkouts)
    if os.fork() == 0:
        raise SystemExit  # a child that ends first leaves it to its parent
    os.wait()
    assert os.path.isdir(*storage._checkouts)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not os.path.exists(done.stdout.split()[-1])


# -- credentials ---------------------------------------------------------------------------------


@pytest.fixture
def guarded(tmp_path):
    with git_host(tmp_path / "guarded", basic(), bearer()) as running:
        yield running


@pytest.mark.parametrize(
    ("arguments", "secrets", "sent"),
    [
        ({"git_token_secret_name": "GIT"}, {"GIT": TOKEN}, basic()),
        (
            {"git_token_secret_name": "GIT", "git_token_username": USER},
            {"GIT": f" {TOKEN}\n"},
            basic(),
        ),
        (
            {"git_token_secret_name": "GIT", "format_access_token": False},
            {"GIT": f"{USER}:{TOKEN}"},
            basic(),
        ),
        ({"git_token_secret_name": "GIT", "git_token_scheme": "bearer"}, {"GIT": TOKEN}, bearer()),
    ],
)
def test_a_token_from_a_secret(guarded, n, arguments, secrets, sent, closing):
    guarded.repository().push(files(1, n))
    storage = of(guarded, **arguments)
    with context(secrets=secrets):
        pinned = closing(storage.pinned())
        assert result_of(pinned) == 101
    assert {header for _, header in guarded.requests} == {sent}
    for text in (repr(pinned.serialize()), repr(pickle.dumps(pinned))):
        assert TOKEN not in text


def test_the_whole_address_from_a_secret(guarded, n, closing, caplog):
    guarded.repository().push(files(1, n))
    storage = closing(Git("flows/nightly.py", git_clone_url_secret_name="URL"))
    storage.add_flow(Flow("nightly"))
    address = guarded.url.replace("://", f"://{USER}:{TOKEN}@") + "/company/flows.git"
    with context(secrets={"URL": address}):
        assert result_of(storage) == 101
    checkout = storage._checkouts[0]
    for folder, _, names in os.walk(os.path.join(checkout, ".git")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as stream:
                assert TOKEN.encode() not in stream.read()
    assert TOKEN not in caplog.text


def test_no_credentials_leave_for_another_host(guarded, n, host):
    """A redirect to somewhere else takes no token along."""
    host.repository().push(files(1, n))
    from dulwich.client import default_urllib3_manager

    from headrace.storage.git_address import with_token
    from headrace.storage.git_remote import _Authorized

    address = with_token(guarded.url + "/x.git", TOKEN, USER, "basic")
    manager = _Authorized(default_urllib3_manager(None), address)
    manager.request("GET", host.url + "/company/flows.git/info/refs?service=git-upload-pack")
    assert host.requests[-1][1] is None
    manager.request("GET", guarded.url + "/x")
    assert guarded.requests[-1][1] == basic()


def test_wrong_and_missing_credentials(guarded, n):
    guarded.repository().push(files(1, n))
    with pytest.raises(RepositoryError, match=r"asks for credentials.*git_token_secret_name"):
        of(guarded).pinned()
    wrong = of(guarded, git_token_secret_name="GIT")
    with context(secrets={"GIT": "wr0ng-token"}):
        with pytest.raises(RepositoryError, match=r"refuses the credentials.*expired") as caught:
            wrong.pinned()
        with pytest.raises(RepositoryError, match="refuses"):
            wrong.get_flow("nightly")
        wrong.close()
    error: BaseException | None = caught.value
    while error is not None:
        assert "wr0ng-token" not in f"{error}{error.args}"
        error = error.__cause__
    with pytest.raises(SecretError, match="GIT"):
        wrong.pinned()


# -- what is not there ---------------------------------------------------------------------------


def test_what_is_not_there(host, n, closing):
    host.repository().push(files(1, n))
    nowhere = Git("flows/nightly.py", "company/flaws", repo_host=host.url)
    with pytest.raises(RepositoryError, match=r"no repository at .*company/flaws.git"):
        nowhere.pinned()
    with pytest.raises(RepositoryError, match=r"no branch 'mian'. Did you mean 'main'"):
        of(host, branch_name="mian").pinned()
    with pytest.raises(RepositoryError, match=r"no tag 'v1'. There are: none"):
        of(host, tag="v1").pinned()
    with pytest.raises(RepositoryError, match="no commit 01234"):
        closing(of(host, commit="0123456789" * 4)).get_flow("nightly")
    missing = closing(Git("flows/nihgtly.py", "company/flows", repo_host=host.url))
    missing.add_flow(Flow("nightly"))
    with pytest.raises(RepositoryError, match=r"no file flows/nihgtly.py .* default branch"):
        missing.get_flow("nightly")


def test_an_empty_repository(host):
    host.repository()
    with pytest.raises(RepositoryError, match="nothing has been pushed"):
        of(host).pinned()


def test_files_that_give_no_flow(host, closing):
    host.repository().push(
        {
            "flows/nightly.py": "x = 1\n",
            "flows/raises.py": "raise RuntimeError('no database')\n",
            "flows/other.py": "from headrace import Flow\nflow = Flow('other')\n",
        }
    )
    with pytest.raises(LoadError, match="no flow in .*nightly.py"):
        closing(of(host)).get_flow("nightly")
    for name, error, words in [
        ("raises", RuntimeError, "no database"),
        ("other", LoadError, "no flow 'nightly' .* Flows there: 'other'"),
    ]:
        storage = closing(Git(f"flows/{name}.py", "company/flows", repo_host=host.url))
        storage.add_flow(Flow("nightly"))
        with pytest.raises(error, match=words):
            storage.get_flow("nightly")


def test_a_host_that_is_not_there():
    storage = Git("flow.py", "company/flows", repo_host="http://127.0.0.1:9")
    with pytest.raises(RepositoryError, match=r"127.0.0.1:9.*cannot be read"):
        storage.pinned()


# -- other ways to a repository ------------------------------------------------------------------


def test_a_repository_in_a_folder(tmp_path, n, closing):
    with git_host(tmp_path) as host:
        repository = host.repository()
        first = repository.push(files(1, n))
        repository.push(files(2, n))
    for arguments in (
        {"repo": f"file://{repository.bare}"},
        {"repo": "flows.git", "repo_host": f"file://{repository.bare.parent}"},
    ):
        storage = closing(Git("flows/nightly.py", **arguments, commit=first))
        storage.add_flow(Flow("nightly"))
        storage.get_flow("nightly")
        assert git(storage._checkouts[0], "rev-parse", "HEAD") == first
        gone = closing(Git("flows/nightly.py", **arguments, commit="0123456789" * 4))
        gone.add_flow(Flow("nightly"))
        with pytest.raises(RepositoryError, match="no commit 01234"):
            gone.get_flow("nightly")


@pytest.mark.parametrize(
    "arguments",
    [{"repo": "git@forge.example:{path}"}, {"repo": "ssh://git@forge.example{path}"}],
)
def test_ssh(tmp_path, n, monkeypatch, closing, arguments):
    with git_host(tmp_path) as host:
        repository = host.repository()
    commit = repository.push(files(1, n))
    # It performs here what the other machine would: its last argument.
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    repo = arguments["repo"].format(path=repository.bare)
    storage = closing(Git("flows/nightly.py", repo))
    storage.add_flow(Flow("nightly"))
    pinned = closing(storage.pinned())
    assert pinned.commit == commit
    assert result_of(pinned) == 101
    assert "git@forge.example" in (tmp_path / "asked").read_text()


# dulwich leaves a pipe to be collected when the other side hangs up.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ssh_that_fails(tmp_path, monkeypatch):
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    storage = Git("flow.py", "company/flows", repo_host="forge.example", use_ssh=True)
    with pytest.raises(RepositoryError, match=r"git@forge.example:company/flows.git.*Permission"):
        storage.pinned()
    monkeypatch.setenv("GIT_SSH_COMMAND", str(tmp_path / "none"))
    with pytest.raises(RepositoryError, match=r"cannot be read.*none"):
        storage.pinned()


def test_a_repository_that_holds_a_password_is_refused():
    with pytest.raises(StorageError, match="git_clone_url_secret_name") as caught:
        Git("flow.py", f"https://{USER}:{TOKEN}@forge.example/flows.git")
    assert TOKEN not in str(caught.value)
