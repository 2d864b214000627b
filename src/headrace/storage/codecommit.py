"""`CodeCommit`: flows in files in AWS CodeCommit, asked by botocore, which boto3 is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Final

from headrace.config.secrets import Secret
from headrace.core.errors import MissingExtraError, SecretError, StorageError
from headrace.storage.host import TIMEOUT, Host
from headrace.storage.hosted import Hosted
from headrace.storage.refusal import Refusal
from headrace.storage.token import Token

_SECRET: Final = "AWS_CREDENTIALS"  # noqa: S105 - a name
#: Options of a client that would be stored with the flow, and must not be.
_SECRETS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
#: What errors mean, in HTTP's terms: AWS says 400 to nearly everything.
_STATUS: Final = {
    "RepositoryDoesNotExistException": 404,
    "CommitDoesNotExistException": 404,
    "InvalidCommitException": 404,
    "FileDoesNotExistException": 404,
    "FolderDoesNotExistException": 404,
    "BranchDoesNotExistException": 404,
    "InvalidBranchNameException": 404,
    "AccessDeniedException": 403,
    "ExpiredTokenException": 401,
    "IncompleteSignatureException": 401,
    "InvalidClientTokenId": 401,
    "InvalidSignatureException": 401,
    "MissingAuthenticationTokenException": 401,
    "SignatureDoesNotMatch": 401,
    "UnrecognizedClientException": 401,
    "RequestLimitExceeded": 429,
    "Throttling": 429,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
}


class CodeCommit(Hosted):
    """A flow in a file in AWS CodeCommit. Needs the extra `aws`.

    Registration finds out which commit the branch or tag is at, and runs load the file as it is at
    that one, whatever is pushed later. They get this one file; `Git` gives them all of the repository.

    Who asks is found as AWS's own tools find it (environment, profile, role), unless there is a secret
    named AWS_CREDENTIALS: `{"ACCESS_KEY": ..., "SECRET_ACCESS_KEY": ..., "SESSION_TOKEN": ...}`, the
    last one optional.

    Args:
        repo: The repository's name.
        path: The Python file, from the repository's top folder on.
        commit: The branch, the tag or the whole hash of a commit; by default the default branch.
        client_options: Options of the boto3 client, such as `{"region_name": "eu-west-1"}`, without
            credentials: they are stored with the flow.
        **kwargs: Arguments of every storage.

    Raises:
        StorageError: If an argument cannot be, or credentials are among the options.
    """

    title: ClassVar[str] = "CodeCommit"
    ref_argument: ClassVar[str] = "commit"
    described: ClassVar[tuple[str, ...]] = ("repo", "path", "commit", "client_options")

    def __init__(
        self,
        repo: str,
        path: str | None = None,
        commit: str | None = None,
        client_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(repo, path, commit, **kwargs)
        self.commit = commit
        self.client_options = client_options
        if client_options is not None and not isinstance(client_options, dict):
            raise StorageError(
                "The client_options of a CodeCommit storage are a dict of options of a boto3 client."
            )
        secret = [name for name in _SECRETS if name in (client_options or {})]
        if secret:
            raise StorageError(
                f"The client_options of a CodeCommit storage hold {' and '.join(secret)}, and are stored "
                f"with the flow. Put the credentials into a secret named {_SECRET}, or where AWS's own "
                "tools find them."
            )

    @property
    def _remedy(self) -> str:
        return (
            f"put credentials into a secret named {_SECRET}, or where AWS's own tools find them, and "
            "name the region in client_options if it is another"
        )

    def _open(self) -> Host:
        return _CodeCommitHost(self.repo, dict(self.client_options or {}))


class _CodeCommitHost(Host):
    ca_variable = "AWS_CA_BUNDLE"

    def __init__(self, repo: str, options: dict[str, Any]) -> None:
        try:
            import botocore.session
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise MissingExtraError("CodeCommit storage", "aws", "botocore") from error
        # What is asked again, and how long is waited for it, is the same for all hosts: `Asking`.
        config = Config(
            connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}
        )
        if isinstance(given := options.pop("config", None), dict):
            config = config.merge(Config(**given))
        credentials = _credentials()
        arguments = {name: token.value for name, token in credentials.items()}
        # A session of its own, as one keeps the credentials that it found first; but all read the
        # descriptions of AWS's services, which takes the time of ten requests, once.
        session = botocore.session.Session()
        session.register_component("data_loader", _loader())
        try:
            self._client = session.create_client(
                "codecommit", config=config, **options, **arguments
            )
            found = None if credentials else session.get_credentials()
        except (BotoCoreError, TypeError, ValueError) as error:
            raise StorageError(
                f"A CodeCommit storage cannot ask AWS: {error}. Name the region, and other options "
                "of a boto3 client, in client_options, such as {'region_name': 'eu-west-1'}."
            ) from None
        super().__init__(f"AWS in region {self._client.meta.region_name}", *credentials.values())
        if found is not None:
            self.sources = [f"the credentials that AWS's own tools find here ({found.method})"]
        self._repo = repo

    def check(self) -> None:
        """Ask for the repository; see `Host`."""
        with _refusals():
            self._client.get_repository(repositoryName=self._repo)

    def commit_of(self, ref: str | None) -> str | None:
        """Resolve a ref; see `Host`."""
        with _refusals():
            if ref is None:
                found = self._client.get_repository(repositoryName=self._repo)
                ref = found["repositoryMetadata"].get("defaultBranch")
                if ref is None:
                    return None
            try:
                branch = self._client.get_branch(repositoryName=self._repo, branchName=ref)
                return str(branch["branch"]["commitId"])
            except (
                self._client.exceptions.BranchDoesNotExistException,
                self._client.exceptions.InvalidBranchNameException,
            ):
                # There is no operation for tags: but what shows a folder says of which commit it is.
                folder = self._client.get_folder(
                    repositoryName=self._repo, commitSpecifier=ref, folderPath="/"
                )
                return str(folder["commitId"])

    def names(self) -> list[str]:
        """List branches; CodeCommit lists no tags. See `Host`."""
        with _refusals():
            found = self._client.list_branches(repositoryName=self._repo)
            return [str(name) for name in found["branches"]]

    def read(self, path: str, commit: str) -> bytes:
        """Read a file; see `Host`."""
        try:
            with _refusals():
                found = self._client.get_file(
                    repositoryName=self._repo, commitSpecifier=commit, filePath=path
                )
                content: bytes = found["fileContent"]
                return content
        except Refusal as refusal:
            if refusal.is_missing and self._is_folder(path, commit):
                raise Refusal("a folder", kind="folder") from None
            raise

    def close(self) -> None:
        """Close connections; see `Host`."""
        self._client.close()

    def _is_folder(self, path: str, commit: str) -> bool:
        try:
            with _refusals():
                self._client.get_folder(
                    repositoryName=self._repo, commitSpecifier=commit, folderPath=path
                )
        except Refusal:
            return False
        return True


@cache
def _loader() -> Any:
    from botocore.loaders import create_loader

    return create_loader()


def _credentials() -> dict[str, Token]:
    """Return the credentials in the secret, by the arguments of boto3; none if there is no secret."""
    secret = Secret(_SECRET)
    if not secret.exists():
        return {}
    given = secret.get()
    try:
        found = [given["ACCESS_KEY"], given["SECRET_ACCESS_KEY"], given.get("SESSION_TOKEN")]
    except (KeyError, TypeError, AttributeError):
        raise SecretError(
            f"CodeCommit storage needs the secret {_SECRET} to be a JSON object with ACCESS_KEY and "
            "SECRET_ACCESS_KEY (and SESSION_TOKEN, if there is one)."
        ) from None
    return {
        argument: Token(value=str(value), source=f"the secret {_SECRET!r}")
        for argument, value in zip(_SECRETS, found, strict=True)
        if value is not None
    }


@contextmanager
def _refusals() -> Iterator[None]:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    strangers = (exceptions.BotoCoreError, ResponseParserError)
    try:
        yield
    except exceptions.ClientError as error:
        said = error.response.get("Error", {})
        about = error.response.get("ResponseMetadata", {})
        code = str(said.get("Code"))
        status = _STATUS.get(code, about.get("HTTPStatusCode", 400))
        text = f"{said.get('Message') or 'it does not say why'} ({code})"
        raise Refusal(text, status, about.get("HTTPHeaders")) from None
    except exceptions.SSLError as error:
        raise Refusal(f"{error}", kind="certificate") from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise Refusal(f"{error}", 401) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise Refusal(f"{error}", kind="unreachable") from None
    # What answers may be anything that listens at an endpoint_url.
    except (*strangers, AttributeError, LookupError, TypeError) as error:
        raise Refusal(f"{type(error).__name__}: {error}", kind="stranger") from None
