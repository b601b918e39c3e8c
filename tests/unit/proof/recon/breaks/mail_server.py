"""A local mail server that keeps what it gets, and fails as it is told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """`faults`: what the next DATA is answered, in turn: "451 later", or "" to keep it and hang up."""

    url: str = ""
    letters: list[EmailMessage] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)  # receivers it refuses


@contextmanager
def mail_server() -> Iterator[MailServer]:
    kept = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 local")
            while line := self.rfile.readline().decode().strip():
                word = line[:4].upper()
                if word in ("EHLO", "HELO"):
                    self._say("250 local")
                elif word == "RCPT":
                    known = not any(name in line for name in kept.unknown)
                    self._say("250 ok" if known else "550 nobody here")
                elif word == "DATA":
                    if not self._data():
                        return
                elif word == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _data(self) -> bool:
            self._say("354 go on")
            content = b""
            while (line := self.rfile.readline()) != b".\r\n":
                content += line
            fault = kept.faults.pop(0) if kept.faults else None
            if not fault:
                letter = message_from_bytes(content, policy=policy.default)
                assert isinstance(letter, EmailMessage)
                kept.letters.append(letter)
            if fault != "":
                self._say(fault or "250 kept")
            return fault != ""

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        kept.url = f"smtp://127.0.0.1:{server.server_address[1]}"
        try:
            yield kept
        finally:
            server.shutdown()
