"""What of the integration tests can be had only on some machines."""

import shutil

#: kubectl is a second witness of what the fake cluster answers. No package of Debian's is as new as the
#: cluster, and the tests by Kubernetes' own Python client show the same, and run everywhere.
collect_ignore = [] if shutil.which("kubectl") else ["components/test_kubernetes_kubectl.py"]


def pytest_report_header() -> str:
    found = "kubectl asks the fake cluster, too" if not collect_ignore else "there is no kubectl"
    return f"headrace: {found}"
