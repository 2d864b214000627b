"""What the API server adds to a new job, and refuses in one, in its words."""

import json
from typing import Any

from tests.integration.components.kubernetes.answers import Cause, Object
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
    labels = meta.get("labels") or job["spec"]["template"]["metadata"]["labels"]
    return job | {"metadata": meta | {"labels": labels}}


def job_causes(job: Object) -> list[Cause]:
    """Return what is wrong with a job that is to be made."""
    spec = job["spec"]
    causes = _selector_causes(job)
    causes += [
        Cause.invalid(f"spec.{name}", spec[name], "must be greater than or equal to 0")
        for name in _COUNTS
        if spec.get(name, 0) < 0
    ]
    causes += _choice(spec, "completionMode", ("NonIndexed", "Indexed"))
    causes += _choice(spec, "podReplacementPolicy", ("Failed", "TerminatingOrFailed"))
    if spec.get("completionMode") == "Indexed":
        if "completions" not in spec:
            causes.append(Cause.required("spec.completions", "when completion mode is Indexed"))
        name = job["metadata"].get("name", "")
        causes += [
            Cause.invalid(
                "metadata.name",
                name,
                f"will not able to create pod with invalid DNS label: {name}-0",
            )
            for _ in dns_label_errors(f"{name}-0")[:1]
        ]
    else:
        causes += [
            Cause.invalid(f"spec.{name}", spec[name], "requires indexed completion mode")
            for name in ("backoffLimitPerIndex", "maxFailedIndexes")
            if name in spec
        ]
    template = spec.get("template", {})
    causes += template_causes(template, "spec.template")
    policy = template.get("spec", {}).get("restartPolicy")
    where = "spec.template.spec.restartPolicy"
    if policy == "Always":
        causes.append(Cause.required(where, 'valid values: "OnFailure", "Never"'))
    if "podFailurePolicy" in spec:
        causes += _failure_policy_causes(spec["podFailurePolicy"], template.get("spec", {}), where)
    return causes


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


def _selector_causes(job: Object) -> list[Cause]:
    spec, meta = job["spec"], job["metadata"]
    selector = spec.get("selector")
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    causes = []
    if selector is None:
        return [Cause.required("spec.selector")]
    if not spec.get("manualSelector"):
        expected = {
            UID_LABEL: meta["uid"],
            "controller-uid": meta["uid"],
            NAME_LABEL: meta.get("name", ""),
            "job-name": meta.get("name", ""),
        }
        path = "spec.template.metadata.labels"
        causes += [
            Cause.invalid(f"{path}[{key}]", labels, f"must be '{value}'")
            for key, value in expected.items()
            if labels.get(key) != value
        ]
        if not selector_matches(selector, expected):
            causes.append(
                Cause.invalid(
                    "spec.selector", json.dumps(selector), "`selector` not auto-generated"
                )
            )
    if not selector_matches(selector, labels):
        causes.append(
            Cause.invalid(
                "spec.template.metadata.labels",
                labels,
                "`selector` does not match template `labels`",
            )
        )
    return causes


def _failure_policy_causes(policy: dict[str, Any], pod: dict[str, Any], where: str) -> list[Cause]:
    causes = []
    if pod.get("restartPolicy") != "Never":
        causes.append(
            Cause.invalid(
                where,
                pod.get("restartPolicy", ""),
                'only "Never" is supported when podFailurePolicy is specified',
            )
        )
    for i, rule in enumerate(policy.get("rules", [])):
        path = f"spec.podFailurePolicy.rules[{i}]"
        actions = ("Count", "FailIndex", "FailJob", "Ignore")
        if rule.get("action") not in actions:
            causes.append(
                Cause.unsupported(f"{path}.action", rule["action"], actions)
                if rule.get("action")
                else Cause.required(f"{path}.action", f"valid values: {list(actions)}")
            )
        if not rule.get("onExitCodes") and not rule.get("onPodConditions"):
            causes.append(
                Cause.invalid(
                    path, "", "specifying one of OnExitCodes and OnPodConditions is required"
                )
            )
    return causes


def _choice(spec: dict[str, Any], name: str, supported: tuple[str, ...]) -> list[Cause]:
    value = spec.get(name)
    if value is not None and value not in supported:
        return [Cause.unsupported(f"spec.{name}", value, supported)]
    return []
