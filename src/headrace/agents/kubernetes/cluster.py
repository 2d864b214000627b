"""Which cluster, and who we are there. The one module that knows the official client.

Only its configuration, credentials and connections are used. Turning answers into its models would
cost an agent of 500 jobs its processor.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import urllib3

from headrace.config.logging import get_logger
from headrace.core.errors import ConfigError, MissingExtraError

#: Where a pod finds its service account.
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
#: As many connections are kept as there are deployments under way, and what is watched.
_CONNECTIONS = 56
#: How many seconds pass until who we are is read anew once more.
_READ_AGAIN = 30.0


class Cluster:
    """A cluster, and its connections.

    Args:
        context: Which context of the kubeconfig to use; None for its current one.
        kubeconfig: Where the kubeconfig is; None for where `KUBECONFIG` says, or `~/.kube/config`.
        service_account: Where a pod's service account is. In a pod that has one, and if neither
            context nor kubeconfig was given, it is used.

    Attributes:
        host: The address of its API.
        namespace: The pod's own namespace, or that of the context; None if there is none.
        pool: Connections to it.

    Raises:
        MissingExtraError: If the official client is not installed.
        ConfigError: If there is no cluster to be found, with what was looked for.
    """

    def __init__(self, context: str | None, kubeconfig: str | None, service_account: str) -> None:
        self._given = (context, kubeconfig, service_account)
        self._asking = threading.Lock()
        self._read()
        self.host = str(self._configuration.host).rstrip("/")

    def renew(self, since: float) -> bool:
        """Read anew who we are: what we were known by may have been replaced where it was found.

        Args:
            since: When what was refused was asked, by a monotonic clock, in seconds.

        Returns:
            Whether that was done since then, so that it may be asked again.
        """
        with self._asking:
            if self._read_at >= since:
                return True
            if time.monotonic() < self._read_at + _READ_AGAIN:
                return False
            try:
                self._read()
            except ConfigError as error:
                get_logger("agent").debug("What we were known by stays: %s", error)
                return False
            return True

    def _read(self) -> None:
        try:
            from kubernetes import client
        except ImportError as error:
            raise MissingExtraError("The Kubernetes agent", "kubernetes", "kubernetes") from error
        context, kubeconfig, service_account = self._given
        found: Any = client.Configuration()
        inside = (
            context is None
            and kubeconfig is None
            and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
            and Path(service_account, "token").is_file()
        )
        self._read_at = time.monotonic()
        if inside:
            self.namespace = self._from_service_account(service_account, found)
        else:
            self.namespace = self._from_kubeconfig(kubeconfig, context, found)
        found.connection_pool_maxsize = _CONNECTIONS
        found.socket_options = _keep_alive()
        found.retries = False
        self._configuration = found
        self._client: Any = client.ApiClient(found)
        self.pool: urllib3.PoolManager = self._client.rest_client.pool_manager

    def credentials(self) -> dict[str, str]:
        """Return headers that say who we are; short-lived tokens are renewed.

        Raises:
            ConfigError: If there is no token to be had now.
        """
        try:
            with self._asking:  # fifty at once would start a plug-in each
                found = self._configuration.auth_settings().get("BearerToken")
        except Exception as error:  # plug-ins of any kind are asked for a new token
            raise ConfigError(f"there are no credentials for {self.host}: {error}") from error
        headers = {"User-Agent": "headrace-agent"}
        if found and found.get("value"):
            headers["Authorization"] = str(found["value"]).strip()
        return headers

    def close(self) -> None:
        """Let go of the connections."""
        pools = self.pool.pools
        for pool in [pools.get(key) for key in pools.keys()]:  # noqa: SIM118 - it is no mapping
            if pool is not None:
                pool.close()
        self.pool.clear()
        self._client.close()

    def _from_service_account(self, folder: str, found: Any) -> str | None:
        from kubernetes.config import ConfigException, incluster_config

        # Its functions have no types.
        library: Any = incluster_config
        try:
            library.InClusterConfigLoader(
                token_filename=os.path.join(folder, "token"),
                cert_filename=os.path.join(folder, "ca.crt"),
            ).load_and_set(found)
        except (ConfigException, OSError) as error:
            raise ConfigError(f"The service account in {folder} cannot be used: {error}") from error
        try:
            return Path(folder, "namespace").read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def _from_kubeconfig(self, file: str | None, context: str | None, found: Any) -> str | None:
        from kubernetes import config

        library: Any = config
        file = file or os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config")
        if not any(os.path.isfile(each) for each in file.split(os.pathsep)):
            raise ConfigError(
                f"There is no cluster to deploy to: this is no pod with a service account, and there "
                f"is no kubeconfig {file}. Name one by --kubeconfig or KUBECONFIG."
            )
        try:
            contexts, active = library.list_kube_config_contexts(file)
            names = [each["name"] for each in contexts]
            if context is not None and context not in names:
                there = ", ".join(names) or "none"
                raise ConfigError(f"There is no context {context!r} in {file}; there are: {there}.")
            library.load_kube_config(
                file,
                context=context,
                client_configuration=found,
                persist_config=False,
            )
        except ConfigError:
            raise
        except Exception as error:  # of YAML, base64, TLS: whatever the client reads it with
            raise ConfigError(f"The kubeconfig {file} cannot be used: {error}") from error
        chosen = next((each for each in contexts if each["name"] == context), active)
        namespace = (chosen.get("context") or {}).get("namespace")
        return None if namespace is None else str(namespace)


def _keep_alive() -> list[tuple[int, int, int]]:
    """Have the system notice within a minute that a connection is gone with no word."""
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
