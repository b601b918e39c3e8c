"""A local mail server that keeps what it gets, fails as it is told, and speaks TLS or asks for a login."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal


@dataclass
class MailServer:
    """`faults`: what the next DATA is answered, in turn: "451 later", or "" to keep it and hang up."""

    url: str = ""
    letters: list[EmailMessage] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)  # receivers it refuses
    said: list[str] = field(default_factory=list)  # words of the clients that came in plain text
    hidden: list[str] = field(default_factory=list)  # and those that came under TLS


class _Conversation(socketserver.StreamRequestHandler):
    """One client."""

    kept: MailServer
    users: Mapping[str, str]
    tls: ssl.SSLContext | None
    at_once: bool

    def setup(self) -> None:
        if self.at_once:
            self._hide()
        else:
            super().setup()

    def handle(self) -> None:
        self._say("220 local")
        may_send = not self.users
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ")[0].split(":")[0].upper()
            (self.kept.hidden if isinstance(self.connection, ssl.SSLSocket) else self.kept.said).append(word)
            if word == "EHLO":
                self._offer()
            elif word == "STARTTLS":
                self._say("220 go on")
                self._hide()
            elif word == "AUTH":
                may_send = self._known(line)
                self._say("235 come in" if may_send else "535 who are you")
            elif word == "RCPT":
                known = not any(name in line for name in self.kept.unknown)
                self._say("250 ok" if known else "550 nobody here")
            elif word == "DATA":
                if not self._data():
                    return
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok" if may_send or word in ("RSET", "HELO") else "530 log in first")

    def _offer(self) -> None:
        offered = ["local"]
        if self.tls is not None and not isinstance(self.connection, ssl.SSLSocket):
            offered.append("STARTTLS")
        if self.users:
            offered.append("AUTH PLAIN")
        for at, one in enumerate(offered, 1):
            self._say(f"250{' ' if at == len(offered) else '-'}{one}")

    def _hide(self) -> None:
        assert self.tls is not None, "a server that speaks TLS has a certificate"
        self.connection = self.request = self.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def _known(self, line: str) -> bool:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        return self.users.get(user) == password

    def _data(self) -> bool:
        self._say("354 go on")
        content = b""
        while (line := self.rfile.readline()) != b".\r\n":
            content += line
        fault = self.kept.faults.pop(0) if self.kept.faults else None
        if not fault:
            letter = message_from_bytes(content, policy=policy.default)
            assert isinstance(letter, EmailMessage)
            self.kept.letters.append(letter)
        if fault != "":
            self._say(fault or "250 kept")
        return fault != ""

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that turns away from a certificate is no fault of the server's."""


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None = None,
    scheme: Literal["smtp", "smtps"] = "smtp",
    users: Mapping[str, str] | None = None,
) -> Iterator[MailServer]:
    """`tls`: by STARTTLS, or from the first byte (smtps); `users`: who may send, with their passwords."""
    kept = MailServer()
    given = {"kept": kept, "users": users or {}, "tls": tls, "at_once": scheme == "smtps"}
    with _Server(("127.0.0.1", 0), type("Conversation", (_Conversation,), given)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        kept.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        try:
            yield kept
        finally:
            server.shutdown()
