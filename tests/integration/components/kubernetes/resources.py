"""The resources that the API server serves."""

from typing import NamedTuple

_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Resource(NamedTuple):
    """One kind of object, and how requests name it."""

    group: str
    version: str
    plural: str
    kind: str
    #: The name of its schema.
    definition: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`jobs.batch`, as messages say it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Job.batch`, as messages say it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def path(self) -> str:
        """`apis/batch/v1`: what stands before a namespace in an address."""
        return f"apis/{self.api_version}" if self.group else f"api/{self.version}"


def _core(plural: str, kind: str, **more: object) -> Resource:
    return Resource("", "v1", plural, kind, f"io.k8s.api.core.v1.{kind}", **more)  # type: ignore[arg-type]


def _of(group: str, package: str, plural: str, kind: str, **more: object) -> Resource:
    definition = f"io.k8s.api.{package}.v1.{kind}"
    return Resource(group, "v1", plural, kind, definition, **more)  # type: ignore[arg-type]


_RBAC = ("rbac.authorization.k8s.io", "rbac")

PODS = _core(
    "pods", "Pod", short=("po",), categories=("all",), subresources=("log", "status", "eviction")
)
EVENTS = _core("events", "Event", short=("ev",))
NAMESPACES = _core("namespaces", "Namespace", namespaced=False, short=("ns",))
SECRETS = _core("secrets", "Secret")
CONFIG_MAPS = _core("configmaps", "ConfigMap", short=("cm",))
NODES = _core("nodes", "Node", namespaced=False, short=("no",), subresources=("status",))
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", short=("sa",))
QUOTAS = _core("resourcequotas", "ResourceQuota", short=("quota",), subresources=("status",))
SERVICES = _core("services", "Service", short=("svc",), categories=("all",))
CLAIMS = _core("persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",))
JOBS = _of("batch", "batch", "jobs", "Job", categories=("all",), subresources=("status",))
#: The same objects as core/v1 events, in another shape.
NEW_EVENTS = _of("events.k8s.io", "events", "events", "Event", short=("ev",))
DEPLOYMENTS = _of(
    "apps",
    "apps",
    "deployments",
    "Deployment",
    short=("deploy",),
    categories=("all",),
    subresources=("status",),
)
ROLES = _of(*_RBAC, "roles", "Role")
ROLE_BINDINGS = _of(*_RBAC, "rolebindings", "RoleBinding")
CLUSTER_ROLES = _of(*_RBAC, "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = _of(*_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
PRIORITY_CLASSES = _of(
    "scheduling.k8s.io",
    "scheduling",
    "priorityclasses",
    "PriorityClass",
    namespaced=False,
    short=("pc",),
)
ACCESS_REVIEWS = _of(
    "authorization.k8s.io",
    "authorization",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
    verbs=("create",),
)

RESOURCES = (
    PODS, EVENTS, NAMESPACES, SECRETS, CONFIG_MAPS, NODES, SERVICE_ACCOUNTS, QUOTAS, SERVICES,
    CLAIMS, JOBS, NEW_EVENTS, DEPLOYMENTS, ROLES, ROLE_BINDINGS, CLUSTER_ROLES,
    CLUSTER_ROLE_BINDINGS, PRIORITY_CLASSES, ACCESS_REVIEWS,
)  # fmt: skip

BY_PATH = {(one.path, one.plural): one for one in RESOURCES}


def kind_of(api_version: str, kind: str) -> Resource | None:
    """Return the resource of an object's `apiVersion` and `kind`."""
    for one in RESOURCES:
        if (one.api_version, one.kind) == (api_version, kind):
            return one
    return None
