"""What every namespace holds from the start."""

from tests.integration.components.kubernetes.resources import (
    CONFIG_MAPS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Resource,
)
from tests.integration.components.kubernetes.store import Change, Store

FIRST = ("default", "kube-node-lease", "kube-public", "kube-system")


def see(store: Store, change: Change, authority: str) -> None:
    """Give a new namespace its default service account and the cluster's certificate."""
    if change.resource is not NAMESPACES or change.type != "ADDED":
        return
    name = change.object["metadata"]["name"]
    made: tuple[tuple[Resource, str, dict[str, object]], ...] = (
        (SERVICE_ACCOUNTS, "default", {}),
        (CONFIG_MAPS, "kube-root-ca.crt", {"data": {"ca.crt": authority}}),
    )
    for resource, called, more in made:
        store.create(
            resource,
            {
                "kind": resource.kind,
                "apiVersion": "v1",
                "metadata": {"name": called, "namespace": name},
                **more,
            },
        )
