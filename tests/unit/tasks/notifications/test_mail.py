import socket

import pytest

from headrace import Flow
from headrace.core.errors import ArgumentError, NotificationError, SecretError
from headrace.tasks import EmailTask
from tests.support.message_servers import MailServer

ACCOUNT = {"EMAIL_USERNAME": "robot@here.example", "EMAIL_PASSWORD": "hunter2"}


def send(server, secrets=None, **kwargs):
    """Send a mail from a flow; return the task's state."""
    settings = {
        "subject": "Report",
        "email_to": "a@there.example",
        "smtp_server": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_type": server.mode,
        **kwargs,
    }
    with Flow("f") as flow:
        one = EmailTask()(**settings)
    return flow.run(context={"secrets": secrets or {}}).result[one]


@pytest.fixture
def insecure(serve):
    return serve(MailServer("INSECURE"))


@pytest.fixture(params=["SSL", "STARTTLS"])
def secure(request, serve, server_context):
    return serve(MailServer(request.param, server_context, tuple(ACCOUNT.values())))


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


class TestMessage:
    def sent(self, server, **kwargs):
        state = send(server, **kwargs)
        assert state.is_successful(), state.result
        ((_, sender, recipients, message),) = server.taken
        return sender, recipients, message

    def test_html_alone(self, insecure):
        _, recipients, message = self.sent(insecure, msg="<b>ü</b>")
        assert recipients == ["a@there.example"]
        assert message["Subject"] == "Report"
        assert message["To"] == "a@there.example"
        assert message["Date"]
        assert message.get_content_type() == "text/html"
        assert message.get_content().strip() == "<b>ü</b>"

    def test_plain_text_alone(self, insecure):
        _, _, message = self.sent(insecure, msg_plain="ü", subject=None)
        assert message.get_content_type() == "text/plain"
        assert message.get_content().strip() == "ü"
        assert message["Subject"] == ""

    def test_both_are_alternatives_the_better_last(self, insecure):
        _, _, message = self.sent(insecure, msg="<b>x</b>", msg_plain="x")
        assert message.get_content_type() == "multipart/alternative"
        kinds = [part.get_content_type() for part in message.iter_parts()]
        assert kinds == ["text/plain", "text/html"]

    def test_files_are_attached(self, insecure, tmp_path):
        (tmp_path / "a.csv").write_bytes(b"1,2\n")
        (tmp_path / "b ü.bin").write_bytes(b"\0\xff")
        paths = [str(tmp_path / "a.csv"), tmp_path / "b ü.bin"]
        _, _, message = self.sent(insecure, msg="x", attachments=paths)
        attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
        assert attached == {"a.csv": b"1,2\n", "b ü.bin": b"\0\xff"}

    def test_copies_seen_and_unseen(self, insecure):
        _, recipients, message = self.sent(
            insecure,
            email_to="a@x.example, Bea <b@x.example>",
            email_to_cc="c@x.example",
            email_to_bcc="d@x.example",
        )
        assert sorted(recipients) == ["a@x.example", "b@x.example", "c@x.example", "d@x.example"]
        assert message["Cc"] == "c@x.example"
        assert message["Bcc"] is None

    def test_the_sender_is_this_host_or_the_one_given(self, insecure):
        sender, _, message = self.sent(insecure)
        assert sender == f"<headrace@{socket.gethostname()}>"
        insecure.taken.clear()
        sender, _, message = self.sent(insecure, email_from="Me <me@x.example>")
        assert sender == "<me@x.example>"
        assert message["From"] == "Me <me@x.example>"


class TestAccount:
    @pytest.mark.usefixtures("trusted")
    def test_the_account_is_used(self, secure):
        state = send(secure, ACCOUNT, msg="x")
        assert state.is_successful(), state.result
        ((user, sender, _, _),) = secure.taken
        assert user == "robot@here.example"
        assert sender == "<robot@here.example>"

    @pytest.mark.usefixtures("trusted")
    def test_a_wrong_account_is_an_error(self, secure):
        state = send(secure, {**ACCOUNT, "EMAIL_PASSWORD": "wrong-one"}, msg="x")
        assert isinstance(state.result, NotificationError)
        assert "wrong account" in str(state.result)
        assert "wrong-one" not in str(state.result)

    def test_a_server_that_is_not_trusted_gets_nothing(self, secure):
        state = send(secure, ACCOUNT, msg="x")
        assert isinstance(state.result, NotificationError)
        assert "certificate" in str(state.result)
        assert secure.taken == []

    def test_without_its_secrets_nothing_is_sent(self, secure):
        state = send(secure, msg="x")
        assert isinstance(state.result, SecretError)
        assert "EMAIL_USERNAME" in str(state.result)

    def test_a_server_without_encryption_gets_no_account(self, insecure):
        state = send(insecure, ACCOUNT, msg="x", smtp_type="STARTTLS")
        assert isinstance(state.result, NotificationError)
        assert "STARTTLS" in str(state.result)
        assert insecure.taken == []


class TestBadInput:
    def test_nobody_to_send_it_to(self, insecure):
        state = send(insecure, email_to=None)
        assert isinstance(state.result, ArgumentError)
        assert "email_to=..." in str(state.result)

    def test_an_address_that_is_refused(self, insecure):
        insecure.refused.add("a@there.example")
        state = send(insecure)
        assert isinstance(state.result, NotificationError)
        assert "nobody here" in str(state.result)

    def test_one_of_several_addresses_that_is_refused(self, insecure, caplog):
        insecure.refused.add("b@x.example")
        assert send(insecure, email_to="a@x.example, b@x.example").is_successful()
        (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
        assert "not taken for b@x.example: 550 nobody here" in warning
        assert insecure.taken[0][2] == ["a@x.example"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"subject": "two\nlines"},
            {"email_to": ["a@x", "b@x"]},
            {"email_to_cc": "a@x\r\nBcc: b@x"},
        ],
    )
    def test_headers_that_are_no_line_of_text(self, insecure, wrong):
        state = send(insecure, **wrong)
        assert isinstance(state.result, ArgumentError)
        assert "give one line of text" in str(state.result)
        assert insecure.taken == []

    def test_one_path_instead_of_a_list(self, insecure):
        state = send(insecure, attachments="report.csv")
        assert isinstance(state.result, ArgumentError)
        assert "give a list" in str(state.result)

    def test_a_file_that_is_not_there(self, insecure, tmp_path):
        state = send(insecure, attachments=[tmp_path / "none"])
        assert isinstance(state.result, FileNotFoundError)

    def test_a_server_that_is_not_there(self, insecure):
        insecure.server_close()
        state = send(insecure)
        assert isinstance(state.result, NotificationError)
        assert f"127.0.0.1:{insecure.port} (INSECURE)" in str(state.result)

    def test_an_unknown_way_to_connect(self):
        with pytest.raises(ArgumentError, match="'SSL', 'STARTTLS', 'INSECURE'"):
            EmailTask(smtp_type="TLS")
        with pytest.raises(ArgumentError, match="'TLS'"):
            EmailTask(email_to="a@x").run(smtp_type="TLS")


def test_the_settings_may_come_with_the_task(insecure):
    task = EmailTask(
        "Report",
        "<b>x</b>",
        "a@x.example",
        smtp_server="127.0.0.1",
        smtp_port=insecure.port,
        smtp_type="INSECURE",
    )
    task.run()
    task.run(subject="Another")
    assert [message["Subject"] for *_, message in insecure.taken] == ["Report", "Another"]
