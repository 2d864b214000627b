"""Who asks, and what the roles in the store let them do."""

from typing import Any, NamedTuple

from tests.integration.components.kubernetes.answers import Object, Refused, forbidden, unauthorized
from tests.integration.components.kubernetes.resources import (
    ACCESS_REVIEWS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from tests.integration.components.kubernetes.store import Store

_MASTERS = "system:masters"


class User(NamedTuple):
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("kubernetes-admin", (_MASTERS, "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Action(NamedTuple):
    """What is asked for."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def target(self) -> str:
        """`pods/log`, as rules name it."""
        plural = self.resource.plural
        return f"{plural}/{self.subresource}" if self.subresource else plural


def service_account(namespace: str, name: str) -> User:
    """Return the user that a service account is."""
    return User(
        f"system:serviceaccount:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"),
    )


class Access:
    """Tokens, and the rules of who may do what."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.tokens: dict[str, User] = {}

    def user_of(self, authorization: str | None) -> User:
        """Return who sends this header; an unknown token is refused."""
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token not in self.tokens:
            raise unauthorized()
        return self.tokens[token]

    def require(self, user: User, action: Action) -> None:
        """Answer 403 where a user may not do this."""
        if self.allows(user, action):
            return
        where = (
            f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
        )
        raise forbidden(
            action.resource,
            action.name,
            f'User "{user.name}" cannot {action.verb} resource "{action.target}" '
            f'in API group "{action.resource.group}" {where}',
        )

    def require_path(self, user: User, path: str) -> None:
        """Answer 403 where a user may not read an address that is no resource's."""
        if path in ("/version", "/healthz", "/livez", "/readyz") or user is not ANONYMOUS:
            return
        raise Refused(
            403, "Forbidden", f'forbidden: User "{user.name}" cannot get path "{path}"', details={}
        )

    def allows(self, user: User, action: Action) -> bool:
        if _MASTERS in user.groups:
            return True
        if action.resource is ACCESS_REVIEWS and "system:authenticated" in user.groups:
            return True
        return any(_permits(rule, action) for rule in self._rules(user, action.namespace))

    def _rules(self, user: User, namespace: str) -> list[Object]:
        bindings = [(one, "") for one in self._store.objects(CLUSTER_ROLE_BINDINGS)]
        if namespace:
            bindings += [(one, namespace) for one in self._store.objects(ROLE_BINDINGS, namespace)]
        rules: list[Object] = []
        for binding, where in bindings:
            if not any(_is(user, subject, where) for subject in binding.get("subjects", [])):
                continue
            reference = binding["roleRef"]
            role = (
                self._store.find(ROLES, where, reference["name"])
                if reference["kind"] == "Role"
                else self._store.find(CLUSTER_ROLES, "", reference["name"])
            )
            rules += (role or {}).get("rules", [])
        return rules


def _is(user: User, subject: Object, namespace: str) -> bool:
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace', namespace)}:{name}"
    return name == user.name if kind == "User" else name in user.groups


def _permits(rule: dict[str, Any], action: Action) -> bool:
    def has(key: str, *wanted: str) -> bool:
        return any(one in rule.get(key, []) for one in ("*", *wanted))

    resources = [action.target]
    if action.subresource:
        resources.append(f"*/{action.subresource}")
    names = rule.get("resourceNames")
    return (
        has("verbs", action.verb)
        and has("apiGroups", action.resource.group)
        and has("resources", *resources)
        and (not names or action.name in names)
    )
