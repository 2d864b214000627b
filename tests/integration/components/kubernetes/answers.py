"""Errors of the API, as the `Status` objects that they are answered with."""

from collections.abc import Sequence
from typing import Any

from tests.integration.components.kubernetes.resources import Resource

Object = dict[str, Any]


class Refused(Exception):
    """A request is answered with an error."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Object | None = None,
        headers: dict[str, str] | None = None,
        is_plain: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}
        #: Whether it is answered as a line of text, before anything knows of objects.
        self.is_plain = is_plain

    @property
    def status(self) -> Object:
        """The answer's body."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        return {key: value for key, value in status.items() if value not in ("", None)}


class Cause:
    """One wrong field, in the words of Kubernetes' `field.Error`."""

    def __init__(self, reason: str, field: str, message: str) -> None:
        self.reason = reason
        self.field = field
        self.message = message

    @classmethod
    def required(cls, field: str, detail: str = "") -> "Cause":
        return cls(
            "FieldValueRequired", field, "Required value" + (f": {detail}" if detail else "")
        )

    @classmethod
    def invalid(cls, field: str, value: object, detail: str) -> "Cause":
        return cls("FieldValueInvalid", field, f"Invalid value: {shown(value)}: {detail}")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> "Cause":
        return cls("FieldValueForbidden", field, f"Forbidden: {detail}")

    @classmethod
    def duplicate(cls, field: str, value: object) -> "Cause":
        return cls("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")

    @classmethod
    def not_found(cls, field: str, value: object) -> "Cause":
        return cls("FieldValueNotFound", field, f"Not found: {shown(value)}")

    @classmethod
    def unsupported(cls, field: str, value: object, supported: Sequence[str]) -> "Cause":
        values = ", ".join(shown(one) for one in supported)
        text = f"Unsupported value: {shown(value)}: supported values: {values}"
        return cls("FieldValueNotSupported", field, text)


def shown(value: object) -> str:
    """Write a value as Go's `%#v` does for texts and numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, dict):
        inner = ", ".join(f"{shown(key)}:{shown(one)}" for key, one in sorted(value.items()))
        return f"map[string]string{{{inner}}}"
    return str(value)


def _details(resource: Resource, name: str, **more: Any) -> Object:
    return {
        key: value
        for key, value in {
            "name": name,
            "group": resource.group,
            "kind": resource.plural,
            **more,
        }.items()
        if value
    }


def not_found(resource: Resource, name: str) -> Refused:
    return Refused(
        404,
        "NotFound",
        f'{resource.qualified} "{name}" not found',
        details=_details(resource, name),
    )


def no_such_page() -> Refused:
    """Return the answer to an address that is of no group at all."""
    return Refused(404, "NotFound", "404 page not found", is_plain=True)


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: Resource, name: str) -> Refused:
    return Refused(
        409,
        "AlreadyExists",
        f'{resource.qualified} "{name}" already exists',
        details=_details(resource, name),
    )


def conflict(resource: Resource, name: str, detail: str) -> Refused:
    return Refused(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {detail}',
        details=_details(resource, name),
    )


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> Refused:
    said = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return Refused(
        422,
        "Invalid",
        f'{resource.qualified_kind} "{name}" is invalid: {joined}',
        details={
            key: value
            for key, value in {
                "name": name,
                "group": resource.group,
                "kind": resource.kind,
                "causes": [
                    {"reason": one.reason, "message": one.message, "field": one.field}
                    for one in causes
                ],
            }.items()
            if value
        },
    )


def forbidden(resource: Resource, name: str, detail: str) -> Refused:
    quoted = f' "{name}"' if name else ""
    return Refused(
        403,
        "Forbidden",
        f"{resource.qualified}{quoted} is forbidden: {detail}",
        details=_details(resource, name),
    )


def unauthorized() -> Refused:
    return Refused(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)


def not_allowed() -> Refused:
    return Refused(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        details={},
    )


def success(resource: Resource, name: str, uid: str) -> Object:
    """Return what a deletion is answered with, where the object is gone at once."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": _details(resource, name, uid=uid),
    }
