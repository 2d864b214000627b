"""Messages to a webhook when states change."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import prefect
from prefect import Flow, task
from prefect.engine.state import Failed, Running
from prefect.tasks.notifications import SlackTask
from prefect.utilities.notifications import slack_notifier

record = []


class Webhook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        record.append([self.path, "attachments" in body, body.get("text")])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@task(state_handlers=[slack_notifier(only_states=[Failed], backend_info=False)])
def bad():
    raise ValueError("bad")


@task(
    state_handlers=[
        slack_notifier(ignore_states=[Running], webhook_secret="OTHER_URL", backend_info=False)
    ]
)
def good():
    return 1


with Flow("notifies") as flow:
    failed = bad()
    fine = good()
    told = SlackTask(message="a message", webhook_secret="OTHER_URL")()

if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    secrets = {"SLACK_WEBHOOK_URL": f"{url}/slack", "OTHER_URL": f"{url}/other"}
    with prefect.context(secrets=secrets):
        state = flow.run()
    server.shutdown()
    record.sort(key=str)
