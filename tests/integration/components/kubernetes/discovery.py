"""What the API server tells about itself."""

from tests.integration.components.kubernetes.answers import Object
from tests.integration.components.kubernetes.resources import RESOURCES, Resource

VERSION: Object = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0",
    "gitCommit": "70d3cc986aa8221cd1dfb1121852688902d3bf53",
    "gitTreeState": "clean",
    "buildDate": "2024-12-11T17:59:15Z",
    "goVersion": "go1.23.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def discovered(path: str) -> Object | None:
    """Return what an address of discovery answers, or nothing if it is none."""
    parts = path.strip("/").split("/")
    groups = sorted({one.group for one in RESOURCES if one.group})
    if parts == ["version"]:
        return VERSION
    if parts[:2] == ["openapi", "v3"]:
        return _openapi("/".join(parts[2:]))
    if parts == ["api"]:
        return {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [
                {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}
            ],
        }
    if parts == ["apis"]:
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(one) for one in groups],
        }
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in groups:
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])}
    served = [one for one in RESOURCES if one.path == "/".join(parts)]
    if not served:
        return None
    return {
        "kind": "APIResourceList",
        **({"apiVersion": "v1"} if served[0].group else {}),
        "groupVersion": served[0].api_version,
        "resources": [entry for one in served for entry in _entries(one)],
    }


def _openapi(path: str) -> Object | None:
    """Return the part of the OpenAPI document that tells kubectl what parameters there are."""
    if not path:
        paths = sorted({one.path for one in RESOURCES})
        return {"paths": {one: {"serverRelativeURL": f"/openapi/v3/{one}"} for one in paths}}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    served = {}
    for one in RESOURCES:
        if one.path == path:
            space = "/namespaces/{namespace}" if one.namespaced else ""
            served[f"/{path}{space}/{one.plural}/{{name}}"] = {
                "patch": {
                    "parameters": parameters,
                    "responses": {"200": {"description": "OK"}},
                    "x-kubernetes-group-version-kind": {
                        "group": one.group,
                        "version": one.version,
                        "kind": one.kind,
                    },
                }
            }
    info = {"title": "Kubernetes", "version": "v1.32.0"}
    return {"openapi": "3.0.0", "info": info, "paths": served} if served else None


def _group(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _entries(resource: Resource) -> list[Object]:
    whole: Object = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        whole["shortNames"] = list(resource.short)
    if resource.categories:
        whole["categories"] = list(resource.categories)
    verbs = {"log": ["get"], "eviction": ["create"], "status": ["get", "patch", "update"]}
    parts = [
        {
            "name": f"{resource.plural}/{part}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": "Eviction" if part == "eviction" else resource.kind,
            **({"group": "policy", "version": "v1"} if part == "eviction" else {}),
            "verbs": verbs[part],
        }
        for part in resource.subresources
    ]
    return [whole, *parts]
