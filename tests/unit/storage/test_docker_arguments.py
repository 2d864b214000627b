"""What Docker storage is told, and what it builds an image from."""

import io
import json
import sys
import tarfile

import cloudpickle
import pytest

from headrace import Flow
from headrace.core.errors import StorageError
from headrace.storage import Docker, image_check, storage_from
from headrace.storage.image_context import ImageContext
from tests.support.code_store import flow_that_gives


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_image": "a", "dockerfile": "b"}, "base_image and dockerfile"),
        ({"image_name": "Upper"}, "'Upper' .* no name of an image"),
        ({"image_name": "name:tag"}, "no tag"),
        ({"image_tag": "a b"}, "'a b' .* no tag of an image"),
        ({"path": "relative.py"}, "absolute path in the image, not 'relative.py'"),
        ({"prefect_directory": "opt"}, "prefect_directory"),
        ({"registry_url": "https://me:s3cr3t@registry.example.com"}, "docker login"),
        ({"python_dependencies": "pandas"}, "python_dependencies .* list of strings"),
        ({"extra_dockerfile_commands": [1]}, "extra_dockerfile_commands"),
    ],
)
def test_arguments_that_make_no_image(arguments, message):
    with pytest.raises(StorageError, match=message) as raised:
        Docker(**arguments)
    assert "s3cr3t" not in str(raised.value)


def test_scripts_have_to_be_somewhere():
    with pytest.raises(StorageError, match=r"local_script_path=__file__"):
        Docker(stored_as_script=True).add_flow(Flow("f"))
    storage = Docker(stored_as_script=True, path="/flows/all.py")
    assert storage.add_flow(Flow("f")) == storage.add_flow(Flow("g")) == "/flows/all.py"


def test_one_pickle_at_a_path():
    storage = Docker(path="/flows/one")
    storage.add_flow(flow_that_gives(1, "one"))
    with pytest.raises(StorageError, match="/flows/one holds one flow already"):
        storage.add_flow(flow_that_gives(1, "two"))


def test_names_get_files_of_their_own():
    storage = Docker()
    names = ["a b", "a-b", "A B", "..", "日本"]
    paths = [storage.add_flow(flow_that_gives(1, name)) for name in names]
    assert len(set(paths)) == len(names)
    assert all(path.startswith("/opt/prefect/flows/") and path.isascii() for path in paths)


def test_what_only_building_needs_is_told_to_nobody():
    storage = Docker(
        env_vars={"PLACE": "s3cr3t"},
        build_kwargs={"buildargs": {"A": "s3cr3t"}},
        tls_config="s3cr3t",
    )
    storage.add_flow(flow_that_gives(1))
    assert b"s3cr3t" not in json.dumps(storage.serialize()).encode() + cloudpickle.dumps(storage)
    with pytest.raises(StorageError, match="Call its build"):
        storage.pinned()
    with pytest.raises(StorageError, match="not built yet"):
        storage_from(storage.serialize()).get_flow("nightly")


def context(**arguments):
    made = ImageContext("FROM base:1", "/opt", **arguments)
    made.set_variables({"A": 'q"$x\\'})
    return made


def test_a_dockerfile_has_what_changes_seldom_first(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inside").write_text("x")
    made = context()
    made.install(["pandas==2", "polars"])
    made.copy_files({str(tmp_path / "data"): "/data"})
    made.add_commands(["RUN true"])
    made.copy_code("/opt/flows/a b.pickle", b"code", "mark")
    lines = made.dockerfile.splitlines()
    assert lines[:2] == ["FROM base:1", 'ENV A="q\\"\\$x\\\\"']
    assert [line.split()[0] for line in lines[2:]] == ["COPY", "RUN", "COPY", "RUN", "COPY"]
    assert json.loads(lines[-1].removeprefix("COPY "))[1] == "/opt/flows/a b.pickle"
    stream = io.BytesIO()
    made.write(stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        assert {entry.mtime for entry in archive} == {0}
        names = archive.getnames()
        (requirements,) = (name for name in names if name.endswith("requirements.txt"))
        assert archive.extractfile(requirements).read() == b"pandas==2\npolars\n"
    assert any(name.endswith("/inside") for name in names)


def test_an_image_is_known_by_all_that_goes_into_it(tmp_path):
    file = tmp_path / "file"

    def digest(content="x", mark="m", code=b"1", more=("a",)):
        file.write_text(content)
        made = context()
        made.copy_files({str(file): "/file"})
        made.copy_code("/code", code, mark)
        return made.digest(more)

    assert digest() == digest(code=b"2")  # two pickles of one flow
    others = {digest(content="y"), digest(mark="n"), digest(more=("b",)), digest()}
    assert len(others) == 4


def test_base_images():
    text = (
        "ARG V=1\nFROM --platform=linux/amd64 one:1 AS first\nfrom two\nFROM first\nFROM scratch\n"
    )
    assert ImageContext(text, "/opt").bases == ["one:1", "two"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda made: made.set_variables({"A B": 1}), "'A B' cannot be set"),
        (lambda made: made.set_variables({"A": "1\nRUN evil"}), "a value is one line"),
        (lambda made: made.install(["x @ git+https://ghp_0123456789abcdef@host/x"]), "token"),
        (lambda made: made.install(["--index-url=https://me:pw@host/"]), "token"),
        (lambda made: made.copy_files({"no-such-file": "/a"}), "there is no no-such-file"),
        (lambda made: made.copy_files({__file__: "a"}), "absolute path in the image, not to 'a'"),
    ],
)
def test_what_a_dockerfile_does_not_take(what, message):
    with pytest.raises(StorageError, match=message):
        what(context())


class TestImageCheck:
    @pytest.fixture
    def check(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(image_check, "__file__", str(tmp_path / "image_check.py"))

        def _check(code, python=""):
            (tmp_path / "flow.py").write_text(code)
            storage = Docker(stored_as_script=True, path=str(tmp_path / "flow.py"))
            storage.add_flow(Flow("nightly"))
            asked = {"storage": storage.serialize(), "python": python, "version": "1"}
            (tmp_path / "image_check.json").write_text(json.dumps(asked))
            monkeypatch.setattr(sys, "path", list(sys.path))
            try:
                image_check.main()
            except SystemExit as end:
                return end.code
            return capsys.readouterr().out

        return _check

    def test_a_flow_that_is_loaded(self, check):
        code = "from headrace import Flow\nflow = Flow('nightly')\n"
        assert check(code) == "Health check: the flow 'nightly' is loaded.\n"

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (
                "import no_such_package",
                "No module named 'no_such_package' What it imports has to be",
            ),
            ("x = 1", "NoFlowFound: There is no flow in"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
        ],
    )
    def test_flows_that_are_not(self, check, code, message):
        said = check(code)
        assert said.startswith(
            "Health check: the flow 'nightly' cannot be loaded inside the image: "
        )
        assert message in said
        assert "\n" not in said

    def test_another_version_of_python(self, check):
        assert "pickled by Python 2.7" in check("x = 1", python="2.7")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"env_vars": {"API_TOKEN": "s3cr3t"}}, "env_vars: API_TOKEN will be readable"),
        (
            {"build_kwargs": {"buildargs": {"INDEX_PASSWORD": "s3cr3t"}}},
            "buildargs in build_kwargs: INDEX_PASSWORD will be readable",
        ),
    ],
)
def test_what_looks_like_a_secret_is_warned_of(arguments, said, caplog):
    Docker(**arguments)
    assert said in caplog.text
    assert "s3cr3t" not in caplog.text
