"""A Kubernetes cluster for benchmarks: ``python -m benchmarks.kubernetes_endpoint``.

It is the one that tests have; its containers run for good without a process. It prints the path of
a kubeconfig.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi

IMAGE = "headrace:bench"


def main() -> None:
    """Serve until standard input is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long a creation takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        api = KubernetesApi(Path(folder))
        api.add_image(IMAGE, stands_in=True)
        if given.seconds:
            api.slow("create", "jobs", given.seconds)
        print(api.kubeconfig, flush=True)
        sys.stdin.read()
        api.close()


if __name__ == "__main__":
    main()
