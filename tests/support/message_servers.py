"""Small real servers on this machine, which keep what they are sent: a webhook, a mail server."""

import base64
import json
import socketserver
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer


class Webhook(HTTPServer):
    """Keeps what is posted to it; answers with `status` and `answer`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _WebhookHandler)
        self.posted = []
        self.paths = []
        self.status, self.answer, self.location = 200, "ok", None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/services/T0/B0/token"


class _WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.posted.append((self.headers["Content-Type"], json.loads(body)))
        server.paths.append(self.path)
        answer = server.answer.encode()
        self.send_response(server.status)
        if server.location:
            self.send_header("Location", server.location)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps the mail that it takes; speaks TLS from the start, after STARTTLS, or not at all."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mode, context=None, account=None):
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.mode, self.context, self.account = mode, context, account
        self.refused = set()
        self.taken = []

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        pass  # a client that does not trust the certificate hangs up


class _MailHandler(socketserver.BaseRequestHandler):
    def handle(self):
        self.secure = False
        self.sock = self.request
        self.stream = self.sock.makefile("rwb", buffering=0)
        try:
            if self.server.mode == "SSL":
                self.encrypt()
            self.converse()
        finally:
            self.stream.close()
            self.sock.close()

    def encrypt(self):
        self.stream.close()
        self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
        self.stream = self.sock.makefile("rwb", buffering=0)
        self.secure = True

    def converse(self):
        server = self.server

        def say(line):
            self.stream.write(line.encode() + b"\r\n")

        say("220 here")
        user, recipients = None, []
        while line := self.stream.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    say("250-here")
                    if server.mode == "STARTTLS" and not self.secure:
                        say("250-STARTTLS")
                    say("250 AUTH PLAIN" if self.secure else "250 8BITMIME")
                case "STARTTLS":
                    say("220 go on")
                    self.encrypt()
                case "AUTH":
                    given = base64.b64decode(rest.split()[1]).decode().split("\0")[1:]
                    if tuple(given) == server.account:
                        user = given[0]
                        say("235 welcome")
                    else:
                        say("535 wrong account")
                case "MAIL":
                    sender = rest.partition(":")[2].split()[0]
                    say("250 ok")
                case "RCPT":
                    address = rest.partition(":")[2].strip("<>")
                    refused = address in server.refused
                    recipients += [] if refused else [address]
                    say("550 nobody here" if refused else "250 ok")
                case "DATA":
                    say("354 go on")
                    data = b""
                    while (part := self.stream.readline()) != b".\r\n":
                        data += part
                    message = message_from_bytes(data, policy=policy.default)
                    server.taken.append((user, sender, recipients, message))
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 ok")
