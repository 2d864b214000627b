"""What tests do with the fake cluster: look at it, and make things in it."""

import base64
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.integration.components.kubernetes import certificates
from tests.integration.components.kubernetes.access import service_account
from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.cluster import ADMIN_TOKEN, Cluster
from tests.integration.components.kubernetes.deletion import delete
from tests.integration.components.kubernetes.images import Image
from tests.integration.components.kubernetes.mishaps import NODE, Mishaps
from tests.integration.components.kubernetes.pulling import Pace
from tests.integration.components.kubernetes.resources import (
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    RESOURCES,
    SERVICE_ACCOUNTS,
    Resource,
    kind_of,
)
from tests.integration.components.kubernetes.serving import LoopThread
from tests.integration.components.kubernetes.shapes import check
from tests.integration.components.kubernetes.watching import BOOKMARKS

if TYPE_CHECKING:
    from kubernetes import client


class KubernetesApi(Mishaps):
    """A running cluster with one node, `node-1`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca, certificate, key = certificates.make(folder)
        self._thread = LoopThread()
        self._cluster = self._thread.call(lambda: Cluster(folder / "nodes", self._ca.read_text()))
        port = self._thread.serve(self._cluster.api)
        tls_port = self._thread.serve(self._cluster.api, (certificate, key))
        #: Addresses of the API server.
        self.url = f"http://127.0.0.1:{port}"
        self.https_url = f"https://127.0.0.1:{tls_port}"
        self._cluster.env |= {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(tls_port),
        }
        self._thread.run(self._cluster.start())
        self.add_node(NODE)
        #: A kubeconfig file of an administrator, over HTTPS.
        self.kubeconfig = self.kubeconfig_for(ADMIN_TOKEN, "admin")
        #: As a pod of the service account `default` finds it: `token`, `ca.crt` and `namespace`.
        self.service_account_dir = self.account("default")
        #: Images of containers, and how long a kubelet waits before it tries again.
        self.pace = self._cluster.pace

    def close(self) -> None:
        """End all; an answer that is not as published, or an error of the fake, fails the test."""
        self._thread.run(self._cluster.close())
        self._thread.close()
        self.check()

    def check(self) -> None:
        """Fail where the fake itself has gone wrong."""
        cluster = self._cluster
        wrong = [*cluster.crashes, *cluster.published.violations]
        # They are told once, by the test that has them.
        cluster.crashes.clear()
        cluster.published.violations.clear()
        assert not wrong, "\n".join(wrong[:3])

    def reset(self) -> None:
        """Delete what tests have made, take back what they have broken."""
        self._thread.run(self._reset())
        self.wait(lambda: not self._thread.call(self._cluster.busy))
        self.check()

    # ------------------------------------------------------------------ looking

    def client(self) -> "client.ApiClient":
        """Return an administrator's client; the caller closes it."""
        from kubernetes import client, config

        configuration = client.Configuration()
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(self.kubeconfig), client_configuration=configuration
        )
        return client.ApiClient(configuration)

    def objects(self, plural: str, namespace: str = "") -> list[Object]:
        """Return all objects of a resource as they are now."""
        return self._thread.call(lambda: self._cluster.store.objects(_resource(plural), namespace))

    def get(self, plural: str, name: str, namespace: str = "default") -> Object | None:
        resource = _resource(plural)
        space = namespace if resource.namespaced else ""
        return self._thread.call(lambda: self._cluster.store.find(resource, space, name))

    def events(self, name: str) -> list[Object]:
        """Return the events about an object, in their order."""
        found = [one for one in self.objects("events") if one["involvedObject"]["name"] == name]
        return sorted(found, key=lambda one: int(one["metadata"]["resourceVersion"]))

    def pods_of(self, job: str) -> list[Object]:
        return [
            pod
            for pod in self.objects("pods")
            if pod["metadata"].get("labels", {}).get("batch.kubernetes.io/job-name") == job
        ]

    def wait(self, found: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until a function returns something true, and return that."""
        until = time.monotonic() + seconds
        while not (value := found()):
            assert time.monotonic() < until, (
                f"it did not come in {seconds} s; there is:\n{self._seen()}"
            )
            time.sleep(0.01)
        return value

    def _seen(self) -> str:
        """Describe what a test that waits in vain wants to know."""
        found = [
            f"{plural} {one['metadata']['name']}: {one['status']}"
            for plural in ("jobs", "pods")
            for one in self.objects(plural)
        ]
        told = [f"{one['reason']}: {one['message']}" for one in self.objects("events")[-20:]]
        return "\n".join([*found, *told, *map(str, self.calls[-20:])])

    def wait_for_pod(self, job: str, fits: Callable[[Object], Any] = lambda pod: True) -> Object:
        """Wait until a job has a pod that fits, and return it."""
        pod: Object = self.wait(lambda: next(filter(fits, self.pods_of(job)), None))
        return pod

    @property
    def calls(self) -> list[Call]:
        """All requests so far."""
        return list(self._cluster.api.calls)

    @property
    def watches(self) -> int:
        """How many watches are under way."""
        return len(self._cluster.api.watches)

    def pid(self, pod: str, container: str | None = None, namespace: str = "default") -> int | None:
        """Return the process id of a container."""
        return self._container(pod, container, namespace).pid

    # ------------------------------------------------------------------ making

    def add_image(
        self,
        name: str,
        *,
        entrypoint: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        stands_in: bool = False,
        stands_for: float | None = None,
        pull_seconds: float = 0.0,
    ) -> None:
        """Have an image in the registry, with which containers run as processes of this machine.

        Args:
            name: The image's name.
            entrypoint: What is run where a container gives no `command`.
            env: Environment variables of its containers; `PATH` is that of the tests.
            stands_in: Whether its containers run without a process, until they are told to end.
            stands_for: Seconds after which such a container ends by itself.
            pull_seconds: How long a pull takes.
        """
        image = Image(entrypoint, (), env or {}, stands_in, stands_for, pull_seconds)
        self._thread.call(lambda: self._cluster.images.add(name, image))

    def refuse_image(self, name: str, message: str) -> None:
        """Have the pull of an image fail, with a message of the runtime."""
        self._thread.call(lambda: self._cluster.images.refuse(name, message))

    def create(self, new: Object, namespace: str = "default") -> Object:
        """Make an object as an administrator."""
        resource = kind_of(new["apiVersion"], new["kind"])
        assert resource is not None, f"{new['apiVersion']} {new['kind']} is not served"
        if resource.namespaced:
            new = new | {"metadata": {"namespace": namespace, **new["metadata"]}}
        new, wrong = check(resource.definition, new)
        assert not wrong.unknown and not wrong.mistyped, wrong
        return self._thread.call(lambda: self._cluster.api.verbs.make(resource, new))

    def apply(self, text: str, namespace: str = "default") -> None:
        """Make all objects of a YAML text, as `kubectl create -f` does."""
        for new in yaml.safe_load_all(text):
            if new:
                self.create(new, namespace)

    def delete(self, plural: str, name: str, namespace: str = "default", **options: Any) -> None:
        """Delete an object, as somebody else would; options as in `DeleteOptions`."""
        resource = _resource(plural)
        store = self._cluster.store

        def gone() -> None:
            found = store.get(resource, namespace if resource.namespaced else "", name)
            delete(store, resource, found, options)

        self._thread.call(gone)

    def account(self, name: str, namespace: str = "default") -> Path:
        """Return the directory that a pod of a service account would find its token in."""

        def made() -> str:
            if self._cluster.store.find(SERVICE_ACCOUNTS, namespace, name) is None:
                new = {
                    "kind": "ServiceAccount",
                    "apiVersion": "v1",
                    "metadata": {"name": name, "namespace": namespace},
                }
                self._cluster.api.verbs.make(SERVICE_ACCOUNTS, new)
            token = secrets.token_urlsafe(24)
            self._cluster.access.tokens[token] = service_account(namespace, name)
            return token

        folder = self._folder / "accounts" / namespace / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(self._thread.call(made))
        (folder / "namespace").write_text(namespace)
        (folder / "ca.crt").write_bytes(self._ca.read_bytes())
        return folder

    def kubeconfig_of(self, account: str, namespace: str = "default") -> Path:
        """Return a kubeconfig file of a service account, which may do what its roles say."""
        token = (self.account(account, namespace) / "token").read_text()
        return self.kubeconfig_for(token, f"{namespace}-{account}", namespace)

    def kubeconfig_for(self, token: str, name: str, namespace: str = "default") -> Path:
        """Return a kubeconfig file with a token, which may be a wrong one."""
        cluster = {
            "server": self.https_url,
            "certificate-authority-data": base64.b64encode(self._ca.read_bytes()).decode(),
        }
        context = {"cluster": "fake", "user": name, "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": context}],
            "current-context": "fake",
        }
        file = self._folder / f"kubeconfig-{name}"
        file.write_text(yaml.safe_dump(document))
        return file

    async def _reset(self) -> None:
        cluster = self._cluster
        cluster.faults.clear()
        await cluster.renew_nodes(NODE)
        cluster.scheduler.refuses = lambda pod: None
        cluster.images.clear()
        cluster.api.watches.bookmarks = BOOKMARKS
        vars(cluster.pace).update(vars(Pace()))
        kept = {NODES, NAMESPACES}
        for resource, found in list(cluster.store.all()):
            name = found["metadata"]["name"]
            if resource in kept or name in ("default", "kube-root-ca.crt"):
                continue
            if resource in (JOBS, PODS):
                found = found | {
                    "metadata": {k: v for k, v in found["metadata"].items() if k != "finalizers"}
                }
            if cluster.store.find(resource, found["metadata"].get("namespace", ""), name):
                cluster.store.remove(resource, found)
        for found in cluster.store.objects(EVENTS):
            cluster.store.remove(EVENTS, found)
        cluster.api.calls.clear()


def _resource(plural: str) -> Resource:
    return next(one for one in RESOURCES if one.plural == plural)
