"""`EmailTask`: sends an e-mail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

from headrace.config.secrets import Secret
from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.errors import ArgumentError, NotificationError
from headrace.core.task import Task
from headrace.tasks.notifications.webhook import TIMEOUT

if TYPE_CHECKING:
    import smtplib
    from collections.abc import Sequence
    from email.message import EmailMessage

SmtpType = Literal["SSL", "STARTTLS", "INSECURE"]

_ARGUMENTS = (
    "subject",
    "msg",
    "email_to",
    "email_from",
    "smtp_server",
    "smtp_port",
    "smtp_type",
    "msg_plain",
    "email_to_cc",
    "email_to_bcc",
    "attachments",
)


class EmailTask(Task[None]):
    """Sends an e-mail.

    The account on the mail server is taken from the secrets `EMAIL_USERNAME` and `EMAIL_PASSWORD`;
    with `smtp_type="INSECURE"`, for servers inside a network, there is no account and no
    encryption. All arguments may also be given when the task is called.

    Args:
        subject: The subject.
        msg: The text as HTML.
        email_to: The address to send to, or several with commas between them.
        email_from: The address to send from; by default the account's name if it is an address,
            else `headrace` on this host.
        smtp_server: The mail server's host.
        smtp_port: Its port.
        smtp_type: `SSL`, `STARTTLS` or `INSECURE`.
        msg_plain: The text as plain text, for readers that do not show HTML.
        email_to_cc: Addresses that get a copy.
        email_to_bcc: Addresses that get a copy which the others do not see.
        attachments: Paths of files to attach.
        **kwargs: As for `Task`.

    Raises:
        ArgumentError: If the `smtp_type` is none of the three.
    """

    def __init__(
        self,
        subject: str | None = None,
        msg: str | None = None,
        email_to: str | None = None,
        email_from: str | None = None,
        smtp_server: str = "smtp.gmail.com",
        smtp_port: int = 465,
        smtp_type: SmtpType = "SSL",
        msg_plain: str | None = None,
        email_to_cc: str | None = None,
        email_to_bcc: str | None = None,
        attachments: Sequence[str | os.PathLike[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        _check_type(smtp_type)
        self.subject = subject
        self.msg = msg
        self.email_to = email_to
        self.email_from = email_from
        self.smtp_server = smtp_server
        self.smtp_port = smtp_port
        self.smtp_type = smtp_type
        self.msg_plain = msg_plain
        self.email_to_cc = email_to_cc
        self.email_to_bcc = email_to_bcc
        self.attachments = attachments
        super().__init__(**kwargs)

    @defaults_from_attrs(*_ARGUMENTS)
    def run(
        self,
        subject: str | None = None,
        msg: str | None = None,
        email_to: str | None = None,
        email_from: str | None = None,
        smtp_server: str = "",
        smtp_port: int = 0,
        smtp_type: SmtpType = "SSL",
        msg_plain: str | None = None,
        email_to_cc: str | None = None,
        email_to_bcc: str | None = None,
        attachments: Sequence[str | os.PathLike[str]] | None = None,
    ) -> None:
        """Send the e-mail. The arguments are those of the task.

        Raises:
            ArgumentError: If there is nobody to send it to, or something is no text.
            NotificationError: If the server cannot be reached, or does not take it.
            SecretError: If the account's secrets are not there.
            OSError: If a file to attach cannot be read.
        """
        import smtplib

        _check_type(smtp_type)
        account: tuple[str, str] | None = None
        if smtp_type != "INSECURE":
            account = str(Secret("EMAIL_USERNAME").get()), str(Secret("EMAIL_PASSWORD").get())
        if not email_to:
            raise ArgumentError(
                f"Task {self.name!r} has no address to send its e-mail to; give it email_to=..."
            )
        sender = email_from or _sender(account)
        message = _message(subject, sender, email_to, email_to_cc, email_to_bcc)
        _fill(message, msg, msg_plain)
        _attach(message, attachments or ())
        try:
            with _connected(smtp_server, smtp_port, smtp_type) as server:
                if account is not None:
                    server.login(*account)
                refused = server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise NotificationError(
                f"The e-mail of task {self.name!r} was not sent by {smtp_server}:{smtp_port} "
                f"({smtp_type}): {error}"
            ) from error
        # If nobody is left it is an error. If somebody is, a retry would send it to them twice.
        for address, (code, reason) in refused.items():
            self.logger.warning(
                "The e-mail was not taken for %s: %s %s",
                address,
                code,
                reason.decode(errors="replace"),
            )


def _check_type(smtp_type: object) -> None:
    if smtp_type not in get_args(SmtpType):
        raise ArgumentError(
            f"The smtp_type of an EmailTask is {smtp_type!r}; give one of "
            f"{', '.join(map(repr, get_args(SmtpType)))}."
        )


def _sender(account: tuple[str, str] | None) -> str:
    import socket

    if account is not None and "@" in account[0]:
        return account[0]
    return f"headrace@{socket.gethostname()}"


def _message(
    subject: str | None, sender: str, to: str, cc: str | None, bcc: str | None
) -> EmailMessage:
    from email.message import EmailMessage
    from email.utils import formatdate

    headers: tuple[tuple[str, Any], ...] = (
        ("Subject", subject or ""),
        ("From", sender),
        ("To", to),
        ("Cc", cc),
        # It is not sent: `send_message` takes the addresses out of it.
        ("Bcc", bcc),
        ("Date", formatdate()),
    )
    message = EmailMessage()
    for name, value in headers:
        if value is None:
            continue
        if not isinstance(value, str) or "\n" in value or "\r" in value:
            raise ArgumentError(
                f"The {name} of an e-mail cannot be {value!r:.80}; give one line of text, with "
                "commas between addresses."
            )
        message[name] = value
    return message


def _fill(message: EmailMessage, html: str | None, plain: str | None) -> None:
    if plain is not None or html is None:
        message.set_content(plain or "")
        if html is not None:
            # Readers show the last of the versions that they can.
            message.add_alternative(html, subtype="html")
    else:
        message.set_content(html, subtype="html")


def _attach(message: EmailMessage, paths: Sequence[str | os.PathLike[str]]) -> None:
    if isinstance(paths, str | os.PathLike):
        raise ArgumentError(f"The attachments of an e-mail are one path, {paths!r}; give a list.")
    for path in paths:
        with open(path, "rb") as file:
            message.add_attachment(
                file.read(),
                maintype="application",
                subtype="octet-stream",
                filename=os.path.basename(path),
            )


def _connected(host: str, port: int, smtp_type: SmtpType) -> smtplib.SMTP:
    import smtplib
    import ssl

    if smtp_type == "INSECURE":
        return smtplib.SMTP(host, port, timeout=TIMEOUT)
    trusted = ssl.create_default_context()
    if smtp_type == "SSL":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=trusted)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        server.starttls(context=trusted)
    except BaseException:
        server.close()
        raise
    return server
