"""What a job's `podFailurePolicy` makes of a pod that failed."""

from typing import Any

from tests.integration.components.kubernetes.answers import Object


def verdict(job: Object, pod: Object) -> tuple[str, str]:
    """Return what is to be done (`Count`, `Ignore`, `FailJob`), and how Kubernetes explains it."""
    meta = pod["metadata"]
    where = f"{meta['namespace']}/{meta['name']}"
    # A pod that has not said how it ended is matched by no rule.
    rules = job["spec"].get("podFailurePolicy", {}).get("rules", [])
    if pod["status"].get("phase") != "Failed":
        return "Count", ""
    for i, rule in enumerate(rules):
        codes = rule.get("onExitCodes")
        if codes is not None:
            found = _matching(pod, codes)
            if found is not None:
                name, code = found
                return rule["action"], (
                    f"Container {name} for pod {where} failed with exit code {code} "
                    f"matching {rule['action']} rule at index {i}"
                )
        for pattern in rule.get("onPodConditions", []):
            for one in pod["status"].get("conditions", []):
                if one["type"] == pattern["type"] and one["status"] == pattern.get(
                    "status", "True"
                ):
                    return rule["action"], (
                        f"Pod {where} has condition {one['type']} matching {rule['action']} rule at index {i}"
                    )
    return "Count", ""


def _matching(pod: Object, codes: dict[str, Any]) -> tuple[str, int] | None:
    status = pod["status"]
    for one in status.get("initContainerStatuses", []) + status.get("containerStatuses", []):
        ended = one["state"].get("terminated")
        if ended is None or codes.get("containerName") not in (None, one["name"]):
            continue
        code = ended["exitCode"]
        if code != 0 and (code in codes["values"]) is (codes["operator"] == "In"):
            return one["name"], code
    return None
