import pickle

import pytest

from headrace import Flow, context, task
from headrace.core.errors import (
    ArgumentError,
    NotificationError,
    SecretError,
    TaskTypeError,
)
from headrace.notifications import callback_factory, slack_notifier
from headrace.states import Failed, Pending, Retrying, Running, Success, TriggerFailed
from headrace.tasks import EnvVarSecret, SlackTask


@pytest.fixture
def secrets(webhook):
    """The secrets with which a flow run finds the webhook."""
    return {"secrets": {"SLACK_WEBHOOK_URL": webhook.url, "OTHER": webhook.url + "/other"}}


class TestSlackTask:
    def test_text_is_sent(self, webhook, secrets):
        with Flow("f") as flow:
            SlackTask("ü: done")()
        assert flow.run(context=secrets).is_successful()
        assert webhook.posted == [("application/json", {"text": "ü: done"})]

    def test_a_dict_is_sent_as_it_is(self, webhook, secrets):
        with Flow("f") as flow:
            SlackTask("not this")(message={"blocks": []})
        flow.run(context=secrets)
        assert webhook.posted[0][1] == {"blocks": []}

    def test_the_webhook_is_found_by_name_or_given(self, webhook, secrets, monkeypatch):
        monkeypatch.setenv("HR_WEBHOOK", webhook.url + "/given")
        with Flow("f") as flow:
            SlackTask("one", webhook_secret="OTHER")()
            SlackTask("two")(webhook_secret="OTHER", webhook_url=EnvVarSecret("HR_WEBHOOK"))
        assert flow.run(context=secrets).is_successful()
        assert sorted(path.rpartition("/")[2] for path in webhook.paths) == ["given", "other"]

    @pytest.mark.parametrize("message", [None, 5, ["a"]])
    def test_no_message_is_an_error(self, message):
        with pytest.raises(ArgumentError, match="message of task 'SlackTask'"):
            SlackTask(message).run()

    def test_no_secret_is_an_error(self):
        with pytest.raises(SecretError, match="SLACK_WEBHOOK_URL"):
            SlackTask("hi").run()


class TestWebhook:
    def send(self, url, message="hi"):
        SlackTask(message).run(webhook_url=url)

    def test_a_refusal_is_an_error_with_the_answer(self, webhook):
        webhook.status, webhook.answer = 403, "invalid_token"
        with pytest.raises(NotificationError, match=r"HTTP status 403 \(invalid_token\)") as caught:
            self.send(webhook.url)
        assert "T0" not in str(caught.value)

    def test_a_redirect_is_not_followed(self, webhook):
        webhook.status, webhook.location = 302, webhook.url + "/elsewhere"
        with pytest.raises(NotificationError, match="HTTP status 302"):
            self.send(webhook.url)

    def test_a_server_that_is_not_there_is_an_error(self, webhook):
        port = webhook.server_port
        with pytest.raises(NotificationError, match="was not sent: .*refused") as caught:
            self.send(f"http://127.0.0.1:{port + 1 if port < 65535 else port - 1}/T0/secret")
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example/T0", 5, "ftp://x"])
    def test_what_is_no_url_is_an_error_that_does_not_show_it(self, url):
        with pytest.raises(NotificationError, match="no URL") as caught:
            self.send(url)
        assert str(url) not in str(caught.value)

    def test_a_message_that_is_no_json_is_an_error(self, webhook):
        with pytest.raises(NotificationError, match="cannot be written as JSON"):
            self.send(webhook.url, {"when": object()})


@task(state_handlers=[slack_notifier])
def reported():
    return 1


class TestNotifier:
    def run(self, secrets, handler, fails=False):
        def work():
            if fails:
                raise ValueError("bad luck")

        with Flow("nightly") as flow:
            task(work, name="load", state_handlers=[handler])()
        return flow.run(context={**secrets, "flow_run_name": "wise-otter"})

    def test_each_change_of_state_is_reported(self, webhook, secrets):
        with Flow("f") as flow:
            reported()
        assert flow.run(context=secrets).is_successful()
        titles = [body["attachments"][0]["title"] for _, body in webhook.posted]
        assert titles == ["Running", "Success"]

    def test_what_is_reported(self, webhook, secrets):
        self.run(secrets, slack_notifier(only_states=[Failed]), fails=True)
        ((_, body),) = webhook.posted
        assert body == {
            "attachments": [
                {
                    "fallback": "load: Failed",
                    "color": Failed.color,
                    "author_name": "Headrace",
                    "title": "Failed",
                    "text": "load is now in a Failed state",
                    "fields": [
                        {
                            "title": "Message",
                            "value": "```ValueError('bad luck')```",
                            "short": False,
                        }
                    ],
                    "footer": "nightly, flow run wise-otter",
                }
            ]
        }

    @pytest.mark.parametrize(
        ("settings", "titles"),
        [
            ({"ignore_states": [Running]}, ["Success"]),
            ({"only_states": [Running]}, ["Running"]),
            ({"only_states": [Running, Success], "ignore_states": [Success]}, ["Running"]),
            ({"only_states": [Failed]}, []),
            ({"ignore_states": Pending, "only_states": Success}, ["Success"]),
        ],
    )
    def test_states_may_be_chosen(self, webhook, secrets, settings, titles):
        self.run(secrets, slack_notifier(**settings))
        assert [body["attachments"][0]["title"] for _, body in webhook.posted] == titles

    def test_a_flow_may_be_reported(self, webhook, secrets):
        with Flow("nightly", state_handlers=[slack_notifier(only_states=[Success])]) as flow:
            task(lambda: 1, name="one")()
        flow.run(context=secrets)
        assert webhook.posted[0][1]["attachments"][0]["text"] == "nightly is now in a Success state"

    def test_the_flow_run_may_be_left_out(self, webhook, secrets):
        self.run(secrets, slack_notifier(only_states=[Success], backend_info=False))
        assert "footer" not in webhook.posted[0][1]["attachments"][0]

    def test_the_secret_may_be_another(self, webhook, secrets):
        self.run(secrets, slack_notifier(only_states=[Success], webhook_secret="OTHER"))
        assert webhook.paths[0].endswith("/other")

    def test_a_proxy_may_be_used(self, webhook, secrets):
        secrets = {"secrets": {"SLACK_WEBHOOK_URL": "http://slack.invalid/T0"}}
        proxy = f"http://127.0.0.1:{webhook.server_port}"
        self.run(secrets, slack_notifier(only_states=[Success], proxies={"http": proxy}))
        assert webhook.paths == ["http://slack.invalid/T0"]

    def test_it_may_be_called_from_a_handler_of_ones_own(self, webhook, secrets):
        def handler(obj, old, new):
            if isinstance(new, Success):
                return slack_notifier(obj, old, new)
            return new

        assert self.run(secrets, handler).is_successful()
        assert len(webhook.posted) == 1

    def test_some_arguments_may_be_given_ahead(self, webhook, secrets):
        with context(**secrets):
            bound = slack_notifier(tracked_obj=reported, only_states=[Success])
            assert bound(old_state=Pending(), new_state=Running()) == Running()
            state = Success("done")
            assert bound(old_state=Pending())(new_state=state) is state
        assert webhook.posted[0][1]["attachments"][0]["fields"][0]["value"] == "done"

    def test_a_report_that_fails_fails_the_task(self, webhook, secrets):
        webhook.status = 500
        state = self.run(secrets, slack_notifier(only_states=[Running]))
        assert state.is_failed()
        (ended,) = state.result.values()
        assert isinstance(ended.result, NotificationError)
        assert "Slack report on 'load'" in str(ended.result)

    def test_without_its_secret_nothing_is_asked_for_what_is_not_reported(self):
        assert self.run({}, slack_notifier(only_states=[Failed])).is_successful()
        assert self.run({}, slack_notifier(only_states=[Success])).is_failed()

    @pytest.mark.parametrize("states", [["Failed"], [Failed()], [int], ValueError])
    def test_what_is_no_class_of_states_is_refused_at_once(self, states):
        with pytest.raises(TaskTypeError, match="give classes"):
            slack_notifier(ignore_states=states)

    def test_it_can_travel(self):
        again = pickle.loads(pickle.dumps(slack_notifier(only_states=[Failed])))
        assert again.keywords["only_states"] == (Failed,)


class TestCallbackFactory:
    def test_the_function_is_called_for_states_that_pass_the_check(self):
        seen = []
        handler = callback_factory(
            lambda obj, state: seen.append((obj.name, type(state).__name__)),
            lambda state: state.is_failed(),
        )

        @task(state_handlers=[handler])
        def fail():
            raise ValueError

        @task(state_handlers=[handler])
        def after(x):
            return x

        with Flow("f", state_handlers=[handler]) as flow:
            after(fail())
        flow.run()
        assert seen == [("fail", "Failed"), ("after", "TriggerFailed"), ("f", "Failed")]

    def test_what_it_returns_changes_nothing(self):
        handler = callback_factory(lambda obj, state: Failed("no"), lambda state: True)
        state = Success()
        assert handler(None, Running(), state) is state
        assert not isinstance(handler(None, Running(), Retrying()), TriggerFailed)

    @pytest.mark.parametrize("arguments", [(5, bool), (print, None)])
    def test_what_cannot_be_called_is_refused(self, arguments):
        with pytest.raises(TaskTypeError, match="callback_factory is"):
            callback_factory(*arguments)
