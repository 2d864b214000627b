"""AWS CodeCommit: its JSON protocol, held to the published model, which botocore brings along."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from tests.integration.components.code_host import Answer, Asked, CodeHost, History

KEY, SECRET = "AKIDEXAMPLE", "s3cret-0f-codecommit"
_MODEL = botocore.session.get_session().get_service_model("codecommit")
#: GetFile gives no file beyond this.
_LARGEST = 6 * 1024 * 1024
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([\w-]+)/codecommit/aws4_request, "
)


class _Fault(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class CodeCommitApi(CodeHost):
    """CodeCommit in one region."""

    region = "eu-west-1"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "GetRepository": self._get_repository,
            "GetBranch": self._get_branch,
            "GetFolder": self._get_folder,
            "GetFile": self._get_file,
            "ListBranches": self._list_branches,
        }

    def limit(self, seconds: float) -> None:
        """Say to the next request that there have been too many; AWS does not say for how long."""
        self.faults.append(_refused(400, "ThrottlingException", "Rate exceeded"))

    def answer(self, asked: Asked) -> Answer:
        credential = _CREDENTIAL.match(asked.headers.get("authorization", ""))
        if credential is None:
            return _refused(
                400, "MissingAuthenticationTokenException", "Missing Authentication Token"
            )
        if not self._is_signed(asked, credential[1], credential[2]):
            return _refused(
                400,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        target = asked.headers.get("x-amz-target", "")
        prefix, _, name = target.partition(".")
        if prefix != _MODEL.metadata["targetPrefix"] or name not in self._operations:
            return _refused(400, "UnknownOperationException", target)
        shape = _MODEL.operation_model(name).input_shape
        sent = json.loads(asked.body)
        problems = ParamValidator().validate(sent, shape)
        unknown = set(sent) - set(shape.members)
        if unknown or problems.has_errors():
            return _refused(
                400, "SerializationException", problems.generate_report() or str(unknown)
            )
        try:
            said = self._operations[name](sent)
        except _Fault as fault:
            return _declared(name, fault)
        return _answered(name, said)

    def _is_signed(self, asked: Asked, key: str, region: str) -> bool:
        """Tell whether a request is signed with the secret: it is signed again, and compared."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        names = re.search(r"SignedHeaders=([^,]+)", asked.headers["authorization"])
        assert names is not None
        headers = {name: asked.headers[name] for name in names[1].split(";")}
        again = AWSRequest("POST", f"{self.url}/", headers=headers, data=asked.body)
        again.context["timestamp"] = asked.headers["x-amz-date"]
        signer = SigV4Auth(Credentials(KEY, SECRET), "codecommit", region)
        whole = signer.string_to_sign(again, signer.canonical_request(again))
        signature = signer.signature(whole, again)
        return key == KEY and asked.headers["authorization"].endswith(f"Signature={signature}")

    # -- operations -----------------------------------------------------------------------------

    def _history(self, sent: dict[str, Any]) -> History:
        name = sent["repositoryName"]
        if not re.fullmatch(r"[\w.-]{1,100}", name):
            raise _Fault("InvalidRepositoryNameException", f"{name} is no name of a repository")
        if name not in self.histories:
            raise _Fault("RepositoryDoesNotExistException", f"{name} does not exist")
        return self.histories[name]

    def _commit(self, sent: dict[str, Any]) -> tuple[History, str]:
        history = self._history(sent)
        ref = sent.get("commitSpecifier") or history.default_branch()
        commit = (
            history.exactly(f"refs/heads/{ref}")
            or history.exactly(f"refs/tags/{ref}")
            or (history.exactly(ref) if ref.startswith("refs/") else None)
            or (history.commit(ref) if re.fullmatch("[0-9a-f]{40}", ref) else None)
        )
        if commit is None:
            raise _Fault("CommitDoesNotExistException", f"{ref} does not exist")
        return history, commit

    def _get_repository(self, sent: dict[str, Any]) -> dict[str, Any]:
        history = self._history(sent)
        about = {"repositoryName": sent["repositoryName"], "accountId": "000000000000"}
        if history.names("heads"):
            about["defaultBranch"] = history.default_branch()
        return {"repositoryMetadata": about}

    def _get_branch(self, sent: dict[str, Any]) -> dict[str, Any]:
        history, name = self._history(sent), sent["branchName"]
        commit = history.exactly(f"refs/heads/{name}")
        if commit is None:
            raise _Fault("BranchDoesNotExistException", f"{name} does not exist")
        return {"branch": {"branchName": name, "commitId": commit}}

    def _list_branches(self, sent: dict[str, Any]) -> dict[str, Any]:
        return {"branches": self._history(sent).names("heads")}

    def _get_folder(self, sent: dict[str, Any]) -> dict[str, Any]:
        history, commit = self._commit(sent)
        path = sent["folderPath"]
        entry = history.entry(commit, path)
        if entry is None or entry.kind != "tree":
            raise _Fault("FolderDoesNotExistException", f"{path} does not exist")
        files = [
            {"blobId": below.sha, "absolutePath": below.path, "fileMode": "NORMAL"}
            for below in history.folder(commit, path)
            if below.kind == "blob"
        ]
        return {"commitId": commit, "folderPath": path, "treeId": entry.sha, "files": files}

    def _get_file(self, sent: dict[str, Any]) -> dict[str, Any]:
        history, commit = self._commit(sent)
        path = sent["filePath"]
        entry = history.entry(commit, path)
        if entry is None or entry.kind != "blob":
            raise _Fault("FileDoesNotExistException", f"{path} does not exist")
        if entry.size > _LARGEST:
            raise _Fault("FileTooLargeException", f"{path} is larger than 6 MB")
        return {
            "commitId": commit,
            "blobId": entry.sha,
            "filePath": path.strip("/"),
            "fileMode": "NORMAL",
            "fileSize": entry.size,
            "fileContent": history.blob(entry.sha),
        }


def _declared(name: str, fault: _Fault) -> Answer:
    """Return an error, after making sure that the model has it for this operation."""
    declared = {error.name for error in _MODEL.operation_model(name).error_shapes}
    assert fault.code in declared, f"{name} never says {fault.code}"
    return _refused(400, fault.code, fault.message)


def _answered(name: str, said: dict[str, Any]) -> Answer:
    """Return an answer, after holding it to the model."""
    shape = _MODEL.operation_model(name).output_shape
    report = ParamValidator().validate(said, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(said) <= set(shape.members)
    plain = {
        field: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for field, value in said.items()
    }
    return Answer(data=plain, headers={"Content-Type": "application/x-amz-json-1.1"})


def _refused(status: int, code: str, message: str) -> Answer:
    return Answer(
        status,
        {"__type": code, "message": message},
        {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "0"},
    )
