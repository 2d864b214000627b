"""What the API server adds to a new job, and refuses in one, in its words."""

from typing import Any

from tests.integration.components.kubernetes.answers import Cause, Object, shown
from tests.integration.components.kubernetes.names import dns_label_errors
from tests.integration.components.kubernetes.object_rules import immutable_causes
from tests.integration.components.kubernetes.pod_rules import template_causes
from tests.integration.components.kubernetes.selectors import selector_matches

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def with_selector(job: Object) -> Object:
    """Return a new job with the labels and the selector that tell its pods from all others."""
    if job["spec"].get("manualSelector"):
        return job
    meta, spec = job["metadata"], job["spec"]
    template = spec.get("template", {})
    generated = {
        UID_LABEL: meta["uid"],
        "controller-uid": meta["uid"],
        NAME_LABEL: meta["name"],
        "job-name": meta["name"],
    }
    labels = generated | template.get("metadata", {}).get("labels", {})
    selector = spec.get("selector", {})
    matched = {UID_LABEL: meta["uid"]} | selector.get("matchLabels", {})
    template = template | {"metadata": template.get("metadata", {}) | {"labels": labels}}
    spec = spec | {"selector": selector | {"matchLabels": matched}, "template": template}
    return job | {"spec": spec}


def as_read(job: Object) -> Object:
    """Return a new job as it is read from then on.

    Defaults are filled in again when it is read: one without labels has those of its pods.
    """
    meta = job["metadata"]
    labels = dict(meta.get("labels") or job["spec"]["template"]["metadata"]["labels"])
    return job | {"metadata": meta | {"labels": labels}}


def job_causes(job: Object) -> list[Cause]:
    """Return what is wrong with a job that is to be made, in the order of Kubernetes' own checks."""
    spec = job["spec"]
    causes = _generated_causes(job)
    causes += [
        Cause.invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in _COUNTS
        if spec.get(name, 0) < 0
    ]
    causes += _mode_causes(job)
    template = spec.get("template", {})
    pod = template.get("spec", {})
    replacement = spec.get("podReplacementPolicy")
    supported: tuple[str, ...] = ("Failed", "TerminatingOrFailed")
    if "podFailurePolicy" in spec:
        causes += _failure_policy_causes(spec["podFailurePolicy"], spec)
        supported = ("Failed",)
    if replacement not in supported:
        causes.append(Cause.unsupported("spec.podReplacementPolicy", replacement, supported))
    causes += template_causes(template, "spec.template")
    causes += _restart_causes(pod.get("restartPolicy", ""), "podFailurePolicy" in spec)
    return causes + _selector_causes(spec)


def job_update_causes(new: dict[str, Any], before: dict[str, Any]) -> list[Cause]:
    """Return what an update of a job's spec may not change."""
    names = (
        "completions",
        "selector",
        "template",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    )
    return immutable_causes(new, before, "spec", *names)


def _generated_causes(job: Object) -> list[Cause]:
    """Check the labels and the selector that are the controller's own."""
    spec, meta = job["spec"], job["metadata"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    expected = {
        "controller-uid": meta["uid"],
        "job-name": meta.get("name", ""),
        UID_LABEL: meta["uid"],
        NAME_LABEL: meta.get("name", ""),
    }
    causes = [
        Cause.invalid(f"spec.template.metadata.labels[{key}]", labels, f"must be '{value}'")
        for key, value in expected.items()
        if labels.get(key) != value
    ]
    if not selector_matches(selector, expected):
        causes.append(_invalid("spec.selector", _go(selector), "`selector` not auto-generated"))
    return causes


def _selector_causes(spec: dict[str, Any]) -> list[Cause]:
    selector = spec.get("selector")
    if selector is None:
        return [Cause.required("spec.selector")]
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    if selector_matches(selector, labels):
        return []
    path, text = "spec.template.metadata.labels", "`selector` does not match template `labels`"
    return [Cause.invalid(path, labels, text)]


def _mode_causes(job: Object) -> list[Cause]:
    spec = job["spec"]
    mode = spec.get("completionMode")
    if mode not in ("NonIndexed", "Indexed"):
        return [Cause.unsupported("spec.completionMode", mode, ("NonIndexed", "Indexed"))]
    if mode == "NonIndexed":
        return [
            Cause.invalid(f"spec.{name}", spec[name], "requires indexed completion mode")
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if name in spec
        ]
    if "completions" not in spec:
        return [Cause.required("spec.completions", "when completion mode is Indexed")]
    host = f"{job['metadata'].get('name', '')}-{spec['completions'] - 1}"
    if spec["completions"] > 0 and dns_label_errors(host):
        text = f"will not able to create pod with invalid DNS label: {host}"
        return [Cause.invalid("metadata.name", job["metadata"].get("name", ""), text)]
    return []


def _restart_causes(policy: str, has_failure_policy: bool) -> list[Cause]:
    where = "spec.template.spec.restartPolicy"
    if policy in ("Always", ""):
        return [Cause.required(where, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [Cause.unsupported(where, policy, ("OnFailure", "Never"))]
    if has_failure_policy and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        return [Cause.invalid(where, policy, text)]
    return []


def _failure_policy_causes(policy: dict[str, Any], spec: dict[str, Any]) -> list[Cause]:
    causes = []
    for i, rule in enumerate(policy.get("rules", [])):
        path = f"spec.podFailurePolicy.rules[{i}]"
        action = rule.get("action", "")
        actions = ("Count", "FailIndex", "FailJob", "Ignore")
        if not action:
            quoted = " ".join(f'"{one}"' for one in actions)
            causes.append(Cause.required(f"{path}.action", f"valid values: [{quoted}]"))
        elif action == "FailIndex" and "backoffLimitPerIndex" not in spec:
            text = "requires the backoffLimitPerIndex to be set"
            causes.append(Cause.invalid(f"{path}.action", action, text))
        elif action not in actions:
            causes.append(Cause.unsupported(f"{path}.action", action, actions))
        given = bool(rule.get("onExitCodes")) + bool(rule.get("onPodConditions"))
        if given != 1:
            text = (
                "specifying both OnExitCodes and OnPodConditions is not supported"
                if given
                else "specifying one of OnExitCodes and OnPodConditions is required"
            )
            causes.append(Cause("FieldValueInvalid", path, f"Invalid value: {text}"))
    return causes


def _invalid(path: str, written: str, detail: str) -> Cause:
    return Cause("FieldValueInvalid", path, f"Invalid value: {written}: {detail}")


def _go(selector: dict[str, Any]) -> str:
    """Write a label selector as Go's `%#v` does."""
    labels = shown(selector.get("matchLabels", {}))
    expressions = ", ".join(
        f"v1.LabelSelectorRequirement{{Key:{shown(one['key'])}, Operator:{shown(one['operator'])}, "
        f"Values:[]string{{{', '.join(shown(value) for value in one.get('values', []))}}}}}"
        for one in selector.get("matchExpressions", [])
    )
    requirements = f"{{{expressions}}}" if expressions else "(nil)"
    return (
        f"v1.LabelSelector{{MatchLabels:{labels}, "
        f"MatchExpressions:[]v1.LabelSelectorRequirement{requirements}}}"
    )
