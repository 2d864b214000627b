import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.core.errors import RepositoryError, SecretError, StorageError
from headrace.flow import Flow
from headrace.storage import Git, storage_from
from headrace.storage.git_address import plain_url, with_everything, with_token

TOKEN = "s3cret"


@pytest.mark.parametrize(
    ("repo", "host", "ssh", "url"),
    [
        ("org/repo", "github.com", False, "https://github.com/org/repo.git"),
        ("org/sub/repo.git", "forge.example/", False, "https://forge.example/org/sub/repo.git"),
        ("org/repo", "http://127.0.0.1:80", False, "http://127.0.0.1:80/org/repo.git"),
        ("org/repo", "github.com", True, "git@github.com:org/repo.git"),
        ("org/repo", "forge.example:2222", True, "ssh://git@forge.example:2222/org/repo.git"),
        ("org/repo", "https://forge.example", True, "git@forge.example:org/repo.git"),
        ("srv/repo", "file:///", False, "file:///srv/repo"),
        ("https://forge.example/a.git", "github.com", False, "https://forge.example/a.git"),
        ("ssh://git@forge.example/a.git", "github.com", False, "ssh://git@forge.example/a.git"),
        ("git@forge.example:a.git", "github.com", False, "git@forge.example:a.git"),
    ],
)
def test_addresses(repo, host, ssh, url):
    assert plain_url(repo, host, ssh) == url


@pytest.mark.parametrize(
    "url", ["ftp://forge.example/a", "https:///a", "https://a:port/b", "https://[::1/a"]
)
def test_what_is_no_address(url):
    with pytest.raises(StorageError, match="no address of a repository"):
        Git("flow.py", url)


@pytest.mark.parametrize(
    "url", [f"https://{TOKEN}@forge.example/a", f"ssh://git:{TOKEN}@forge.example/a"]
)
def test_an_address_with_a_secret_is_refused_and_not_shown(url):
    with pytest.raises(StorageError, match="git_token_secret_name") as caught:
        Git("flow.py", url)
    assert TOKEN not in str(caught.value)


def test_the_secret_address_is_taken_apart():
    address = with_everything(f"https://me:{TOKEN}%40x@forge.example:8443/a.git\n")
    assert address.url == "https://forge.example:8443/a.git"
    assert address.authorization is not None
    assert f"{TOKEN}@x" in address.hidden
    assert TOKEN not in repr(address)
    assert with_everything("git@forge.example:a.git").authorization is None
    with pytest.raises(RepositoryError, match="git_clone_url_secret_name") as caught:
        with_everything(f"nothing {TOKEN}")
    assert TOKEN not in str(caught.value)


@given(
    st.text(min_size=6) | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6),
    st.sampled_from(["basic", "bearer"]),
    st.none() | st.text(min_size=1),
)
def test_tokens_are_blotted_out(token, scheme, username):
    assume(scheme == "basic" or (token.isascii() and token.isprintable()))
    address = with_token("https://forge.example/a", f"x{token}x", username, scheme)
    assert address.authorization is not None
    shown = address.shown(f"got {address.authorization} for x{token}x")
    assert f"x{token}x" not in shown or set(token) <= {"*", "x"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"branch_name": "a", "tag": "b"}, "branch_name and tag"),
        ({"repo": None}, "git_clone_url_secret_name"),
        ({"flow_path": ""}, "flow_path"),
        ({"flow_path": "../flow.py"}, "out of the repository"),
        ({"commit": "abc123"}, "git rev-parse"),
        ({"commit": "x" * 40}, "whole hash"),
        ({"git_token_scheme": "digest"}, "basic, bearer"),
    ],
)
def test_arguments_that_do_not_fit(arguments, words):
    with pytest.raises(StorageError, match=words):
        Git(**{"flow_path": "flow.py", "repo": "org/repo", **arguments})


NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)


@given(
    st.fixed_dictionaries(
        {"flow_path": NAMES, "repo": NAMES},
        optional={
            "flow_name": st.text(),
            "git_token_secret_name": st.text(),
            "git_token_username": st.text(),
            "git_clone_url_secret_name": st.text(),
            "clone_depth": st.integers(0, 9),
            "use_ssh": st.booleans(),
            "format_access_token": st.booleans(),
            "git_token_scheme": st.sampled_from(["basic", "bearer"]),
            "labels": st.lists(st.text()),
            "secrets": st.lists(st.text()),
            "add_default_labels": st.booleans(),
        },
    ),
    st.sampled_from(["branch_name", "tag", None]),
    st.text(min_size=1),
)
def test_a_description_gives_the_same_storage(arguments, choice, name):
    storage = Git(**arguments, **({choice: name} if choice else {}))
    storage.add_flow(Flow(name))
    again = storage_from(storage.serialize())
    assert again == storage
    assert again.serialize() == storage.serialize()
    assert again.git_token_username == storage.git_token_username


def test_without_the_extra(monkeypatch):
    import sys

    from headrace.core.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "dulwich.client", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'headrace\[git\]'"):
        Git("flow.py", "file:///srv/git").pinned()


@pytest.mark.parametrize("rest", ["?access_token=s3cret", "#s3cret"])
def test_addresses_that_go_on(rest):
    with pytest.raises(StorageError, match="after a [?] or a #") as caught:
        Git("flow.py", f"https://forge.example/org/repo.git{rest}")
    assert TOKEN not in str(caught.value)
    with pytest.raises(RepositoryError, match="holds no address") as caught:
        with_everything(f"https://forge.example/org/repo.git{rest}")
    assert TOKEN not in str(caught.value)


def test_a_password_for_ssh():
    with pytest.raises(RepositoryError, match="ssh takes keys") as caught:
        with_everything(f"ssh://git:{TOKEN}@forge.example/org/repo.git")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("token", ["s3\ncret", "s3cret-schlüssel"])
def test_a_bearer_token_that_cannot_be_sent(token):
    with pytest.raises(SecretError, match="git_token_secret_name") as caught:
        with_token("https://forge.example/a.git", token, None, "bearer")
    assert "cret" not in str(caught.value).replace("secret", "")
