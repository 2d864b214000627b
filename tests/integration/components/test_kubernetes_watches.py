"""The fake API server's watches, as the official client and bare HTTP see them."""

import http.client
import json
import threading
import time
import urllib.request
from typing import Any

import pytest
from kubernetes import client, watch

from tests.integration.components.kubernetes.kubernetes_api import KubernetesApi
from tests.support.kubernetes import IMAGE, pod, refused, send

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def api(kubernetes_api: KubernetesApi) -> KubernetesApi:
    # Those of an agent of a file before, which are still on their way out.
    kubernetes_api.end_watches()
    kubernetes_api.wait(lambda: not kubernetes_api.watches)
    kubernetes_api.add_image(IMAGE, stands_in=True)
    return kubernetes_api


class Stream:
    """A watch that a thread reads."""

    def __init__(self, api: KubernetesApi, query: str, path: str = PODS) -> None:
        request = urllib.request.Request(
            f"{api.url}{path}?watch=true&{query}", headers={"Authorization": "Bearer admin-token"}
        )
        self.lines: list[dict[str, Any]] = []
        self.broken: Exception | None = None
        self._answer = urllib.request.urlopen(request, timeout=60)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._answer:
                text = self._answer.read()
        except http.client.IncompleteRead as error:
            self.broken = error
            text = error.partial
        self.lines = [json.loads(line) for line in text.splitlines()]

    def ended(self) -> list[dict[str, Any]]:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.lines


def _secret(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}


SECRETS = "/api/v1/namespaces/default/secrets"


@pytest.fixture
def version(api: KubernetesApi) -> str:
    listed, _ = send(api.url, "GET", SECRETS)
    found: str = listed["metadata"]["resourceVersion"]
    return found


def test_a_watch_tells_what_follows_a_list(api: KubernetesApi, version: str) -> None:
    api.create(_secret("a"))
    stream = Stream(api, f"resourceVersion={version}", SECRETS)
    api.wait(lambda: api.watches)
    api.create(_secret("b"))
    api.delete("secrets", "a")
    api.end_watches()

    lines = stream.ended()
    assert [(one["type"], one["object"]["metadata"]["name"]) for one in lines] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]
    assert {(one["object"]["kind"], one["object"]["apiVersion"]) for one in lines} == {
        ("Secret", "v1")
    }
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in lines]
    assert versions == sorted(set(versions)) and versions[0] > int(version)


@pytest.mark.parametrize("start", ["", "resourceVersion=0"])
def test_a_watch_from_no_version_begins_with_all(api: KubernetesApi, start: str) -> None:
    api.create(_secret("a"))
    stream = Stream(api, f"{start}&timeoutSeconds=1", SECRETS)
    assert [one["object"]["metadata"]["name"] for one in stream.ended()] == ["a"]


def test_objects_come_and_go_as_they_fit_the_selector(api: KubernetesApi, version: str) -> None:
    stream = Stream(api, f"labelSelector=mine,!done&resourceVersion={version}", SECRETS)
    api.create(_secret("a", mine="yes"))
    api.create(_secret("other"))
    api.wait(lambda: api.watches)
    for labels in ({"color": "red"}, {"done": "yes"}, {"done": None}):
        patch = {"metadata": {"labels": labels}}
        send(api.url, "PATCH", f"{SECRETS}/a", patch, kind="application/merge-patch+json")
    api.end_watches()

    lines = stream.ended()
    assert [one["type"] for one in lines] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    # It is told as it last fitted, at the version of the change.
    gone = lines[2]["object"]["metadata"]
    assert gone["labels"] == {"mine": "yes", "color": "red"}
    assert int(gone["resourceVersion"]) > int(lines[1]["object"]["metadata"]["resourceVersion"])


def test_bookmarks_and_timeouts(api: KubernetesApi) -> None:
    api.bookmark_every(0.2)
    try:
        begun = time.monotonic()
        asked = "allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion="
        lines = Stream(api, asked + send(api.url, "GET", PODS)[0]["metadata"]["resourceVersion"])
        assert {one["type"] for one in lines.ended()} == {"BOOKMARK"}
        assert len(lines.lines) >= 3 and time.monotonic() - begun < 30
        told = lines.lines[-1]["object"]
        assert (told["kind"], told["metadata"]["creationTimestamp"]) == ("Pod", None)
        assert told["metadata"]["resourceVersion"]
    finally:
        api.bookmark_every(60)


def test_initial_events_end_with_a_bookmark(api: KubernetesApi) -> None:
    api.create(_secret("a"))
    asked = "sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1"
    lines = Stream(api, f"{asked}&resourceVersionMatch=NotOlderThan", SECRETS).ended()
    assert [one["type"] for one in lines[:2]] == ["ADDED", "BOOKMARK"]
    assert lines[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    with refused(422, "Invalid") as told:
        send(api.url, "GET", f"{SECRETS}?watch=true&{asked}")
    assert [one["field"] for one in told["details"]["causes"]] == ["resourceVersionMatch"]


def test_a_version_that_is_forgotten_is_told_in_the_stream(
    api: KubernetesApi, version: str
) -> None:
    stream = Stream(api, f"resourceVersion={version}", SECRETS)
    api.wait(lambda: api.watches)
    assert api.expire_watches("secrets") == 1

    later = Stream(api, f"resourceVersion={version}", SECRETS)
    for lines in (stream.ended(), later.ended()):
        assert [one["type"] for one in lines] == ["ERROR"]
        status = lines[0]["object"]
        assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
        assert status["message"].startswith(f"too old resource version: {version} (")


def test_the_official_client_begins_anew_by_itself_or_says_so(api: KubernetesApi) -> None:
    with api.client() as opened:
        core = client.CoreV1Api(opened)
        api.create(_secret("a"))
        listed = core.list_namespaced_secret("default")
        api.expire_watches()
        watcher = watch.Watch()
        with pytest.raises(client.ApiException) as raised:
            for _ in watcher.stream(
                core.list_namespaced_secret,
                "default",
                resource_version=listed.metadata.resource_version,
                timeout_seconds=5,
            ):
                pass
        assert raised.value.status == 410


def test_cut_watches_break(api: KubernetesApi) -> None:
    stream = Stream(api, "")
    api.wait(lambda: api.watches)
    assert api.cut_watches("pods") == 1
    assert stream.ended() == [] and stream.broken is not None
    api.wait(lambda: not api.watches)


def test_a_watch_of_nobody_is_given_up(api: KubernetesApi) -> None:
    stream = Stream(api, "")
    api.wait(lambda: api.watches)
    stream._answer.fp.raw._sock.shutdown(2)
    api.wait(lambda: not api.watches)
    stream.ended()


def test_watches_can_be_refused(api: KubernetesApi) -> None:
    undo = api.refuse("watch", "pods", 410)
    with refused(410, "Expired"):
        send(api.url, "GET", f"{PODS}?watch=true")
    undo()
    with refused(400, "BadRequest") as told:
        send(api.url, "GET", f"{PODS}?watch=true&resourceVersion=soon")
    assert 'parsing "soon"' in told["message"]


def test_a_list_from_the_future_is_too_early(api: KubernetesApi) -> None:
    with refused(504, "Timeout") as told:
        send(api.url, "GET", f"{PODS}?resourceVersion=99999999")
    assert told["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.fixture
def events(api: KubernetesApi) -> dict[str, dict[str, Any]]:
    api.create(pod("one"))
    return {one["reason"]: one for one in api.wait(lambda: _all_events(api))}


def _all_events(api: KubernetesApi) -> list[dict[str, Any]]:
    found = api.events("one")
    return found if any(one["reason"] == "Started" for one in found) else []


def test_events_of_components_that_write_them_in_two_ways(
    api: KubernetesApi, events: dict[str, dict[str, Any]]
) -> None:
    assert list(events) == ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    old, new = events["Started"], events["Scheduled"]
    assert old["involvedObject"]["fieldPath"] == "spec.containers{main}"
    assert old["source"] == {"component": "kubelet", "host": "node-1"}
    assert (old["count"], old["eventTime"]) == (1, None) and old["lastTimestamp"]
    assert new["message"] == "Successfully assigned default/one to node-1"
    assert (new["firstTimestamp"], new["lastTimestamp"]) == (None, None) and new["eventTime"]
    assert "count" not in new and new["reportingComponent"] == "default-scheduler"

    path = "/api/v1/namespaces/default/events?fieldSelector="
    chosen, _ = send(api.url, "GET", path + "involvedObject.name=one,reason=Started")
    assert [one["message"] for one in chosen["items"]] == ["Started container main"]
    path = "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=reason=Scheduled"
    (told,) = send(api.url, "GET", path)[0]["items"]
    assert told["regarding"]["name"] == "one" and told["note"].startswith("Successfully assigned")
