"""What a template gives to any job that is made of it: all but what belongs to one job alone.

People copy templates from `kubectl get job -o yaml`, which shows what the cluster has written in, too.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import DeploymentError
from headrace.run_configs.job_templates import objection_to_job

#: What the cluster writes into a job's metadata, or what would keep the job there for ever.
_OF_ONE = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "generateName",
    "finalizers",
)
#: The cluster says by these which pods are a job's own: it refuses another job's.
_LABELS = (
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
)
_OURS = "headrace.io/"
_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "batch.kubernetes.io/job-tracking",
)
#: What has a job share its pods with others, make several of them or another by itself, or leave them
#: to a controller that does not know them: another attempt is the server's to begin.
_OF_OTHERS = (
    "selector",
    "manualSelector",
    "completionMode",
    "successPolicy",
    "podFailurePolicy",
    "podReplacementPolicy",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "managedBy",
)


def blank_of(template: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return a copy of a template, for a job of its own, with metadata, spec and pod in it.

    Args:
        template: The template.
        namespace: The namespace that jobs are made in.

    Raises:
        DeploymentError: If the template is none of a job, or one for another namespace.
    """
    objection = objection_to_job(template)
    if objection is not None:
        raise DeploymentError(f"the job template {objection}", is_final=True)
    job: dict[str, Any] = copy.deepcopy(dict(template))
    job.pop("status", None)
    job["apiVersion"], job["kind"] = "batch/v1", "Job"
    metadata, spec = mapping(job, "metadata"), mapping(job, "spec")
    _leave_out(metadata, _OF_ONE)
    _leave_out(spec, _OF_OTHERS)
    if metadata.get("namespace") not in (None, namespace):
        raise DeploymentError(
            f"the job template is for the namespace {metadata['namespace']!r}, and this agent deploys "
            f"to {namespace!r}: leave it out, or give the run a label of an agent that is there",
            is_final=True,
        )
    pod = mapping(spec, "template")
    for found in (metadata, mapping(pod, "metadata")):
        labels = mapping(found, "labels")
        # A flow run's job was copied: it may be marked as one that is over and done with.
        ours = [name for name in labels if str(name).startswith(_OURS)]
        _leave_out(labels, (*_LABELS, *ours))
        _leave_out(mapping(found, "annotations"), _ANNOTATIONS)
    mapping(pod, "spec")
    return job


def mapping(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what is called so, made if it is not there."""
    found = parent[name] = dict(parent.get(name) or {})
    return found


def _leave_out(found: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        found.pop(name, None)
