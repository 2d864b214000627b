"""Holds all that the fake keeps and answers to the published schema."""

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.event_shapes import shown_as
from tests.integration.components.kubernetes.resources import EVENTS, NEW_EVENTS, RESOURCES
from tests.integration.components.kubernetes.shapes import check
from tests.integration.components.kubernetes.store import Change

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_LISTS = {f"{one.kind}List": one for one in RESOURCES}


class Published:
    """Collects what is not as the schema has it: each is a failure of the fake."""

    def __init__(self) -> None:
        self.violations: list[str] = []

    def check_change(self, change: Change) -> None:
        """Check an object once, when it is written."""
        self._check(change.resource.definition, change.object)
        if change.resource is EVENTS:
            self._check(NEW_EVENTS.definition, shown_as(NEW_EVENTS, change.object))

    def check_status(self, status: Object) -> None:
        self._check(_META + "Status", status)

    def check_answer(self, answer: Object) -> None:
        """Check what objects are wrapped in; the objects themselves were checked when written."""
        kind = answer.get("kind")
        if kind == "Status":
            self.check_status(answer)
        elif kind in _LISTS:
            self._check(_LISTS[kind].definition + "List", answer | {"items": []})
        elif kind == "SelfSubjectAccessReview":
            self._check("io.k8s.api.authorization.v1.SelfSubjectAccessReview", answer)

    def _check(self, definition: str, found: Object) -> None:
        wrong = check(definition, found)[1]
        if wrong:
            name = found.get("metadata", {}).get("name", "")
            self.violations.append(f"{definition} {name}: {wrong}")
