"""Repair handlers by words: an installed one, a service, a program."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from uuid import UUID

import httpx

from everycent.proof.recon.cures import RepairAttempt, RepairEnd, RepairHandler, RepairOutcome
from everycent.proof.recon.handling import RepairRuleSpec

GROUP = "everycent.recon_repairs"
_SAID_MAX = 500
_ANSWER_BYTES_MAX = 64 * 1024
_FIRST_WAIT_S = 0.2
_TOO_EARLY = (408, 425, 429)


class UnknownRepair(ValueError):
    """No installed package offers the handler; the message lists those that are there."""


def handler_of(rule: RepairRuleSpec, folder: Path) -> RepairHandler:
    """What repairs by the rule; programs are below `folder`. Raises UnknownRepair."""
    if rule.rest is not None:
        spec = rule.rest
        return RestRepair(spec.url, spec.timeout_s, spec.tries, spec.ask)
    if rule.script is not None:
        return ScriptRepair(folder, rule.script.file, rule.script.timeout_s)
    assert rule.handler is not None, "a rule has one handler"
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if rule.handler not in offered:
        there = ", ".join(sorted(offered)) or "none"
        raise UnknownRepair(
            f"repair handler '{rule.handler}' is not installed; installed are: {there}. Install the package that has "
            f"it as an entry point of group {GROUP}"
        )
    found: RepairHandler = offered[rule.handler].load()
    return found


@dataclass(frozen=True)
class RestRepair:
    """A service. It is sent one attempt up to `tries` times with the same Idempotency-Key.

    2xx: done. Other answers below 500: it refused, nothing was done. 5xx, no answer in time: in doubt.
    """

    url: str
    timeout_s: float
    tries: int
    ask_url: str | None = None
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def repair(self, attempt: RepairAttempt) -> RepairOutcome:
        """Sends it until there is an answer."""
        worst = RepairEnd.FAILED
        outcome = RepairOutcome(RepairEnd.FAILED)
        for number in range(1, self.tries + 1):
            outcome, again = self._sent(attempt)
            if not again:
                return outcome
            if outcome.end is RepairEnd.IN_DOUBT:
                worst = RepairEnd.IN_DOUBT
            if number < self.tries:
                self.sleep(_FIRST_WAIT_S * 2 ** (number - 1))
        times = f", {self.tries} times" if self.tries > 1 else ""
        return RepairOutcome(worst, f"{outcome.said}{times}")

    def ask(self, idempotency_key: UUID) -> RepairOutcome | None:
        """GET of `ask`/KEY: 200 {"state": "done" | "failed"}; 404: it never arrived."""
        if self.ask_url is None:
            return None
        try:
            status, text = self._exchange("GET", f"{self.ask_url.rstrip('/')}/{idempotency_key}", None, {})
        except httpx.HTTPError:
            return None
        if status == httpx.codes.NOT_FOUND:
            return RepairOutcome(RepairEnd.FAILED, "the service says that it never arrived")
        try:
            state = json.loads(text).get("state") if status == httpx.codes.OK else None
        except (ValueError, AttributeError):
            return None
        ends = {"done": RepairEnd.DONE, "failed": RepairEnd.FAILED}
        return RepairOutcome(ends[state], f"the service says: {state}") if state in ends else None

    def _sent(self, attempt: RepairAttempt) -> tuple[RepairOutcome, bool]:
        """How one try ended, and whether another may help."""
        headers = {"Idempotency-Key": str(attempt.idempotency_key)}
        try:
            status, text = self._exchange("POST", self.url, attempt.as_dict(), headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            return RepairOutcome(RepairEnd.FAILED, f"it cannot be reached ({type(error).__name__})"), True
        except httpx.HTTPError as error:
            return RepairOutcome(RepairEnd.IN_DOUBT, f"it did not answer ({type(error).__name__})"), True
        said = f"status {status}: {' '.join(text.split())}"[:_SAID_MAX].rstrip(": ")
        if 200 <= status < 300:
            return RepairOutcome(RepairEnd.DONE, said), False
        if status in _TOO_EARLY:
            return RepairOutcome(RepairEnd.FAILED, said), True
        if status < 500:
            return RepairOutcome(RepairEnd.FAILED, said), False
        return RepairOutcome(RepairEnd.IN_DOUBT, said), True

    def _exchange(self, method: str, url: str, content: object, headers: dict[str, str]) -> tuple[int, str]:
        """Status, and the beginning of the text. Raises httpx.HTTPError, also where it takes too long in all."""
        ends = time.monotonic() + self.timeout_s
        with (
            httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client,
            client.stream(method, url, json=content, headers=headers) as response,
        ):
            got = b""
            for part in response.iter_bytes():
                got += part
                if len(got) >= _ANSWER_BYTES_MAX:
                    break
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout("it sends too slowly")
            return response.status_code, got.decode("utf-8", "replace")


@dataclass(frozen=True)
class ScriptRepair:
    """A program below `folder`: gets the attempt as JSON on its standard input. Exit code 0: done; others: failed.

    One that is ended by a signal or takes too long (it is ended, with all that it started) leaves doubt.
    """

    folder: Path
    file: str
    timeout_s: float

    def repair(self, attempt: RepairAttempt) -> RepairOutcome:
        """Runs it."""
        program = (self.folder / self.file).resolve()
        if not program.is_relative_to(self.folder.resolve()) or not os.access(program, os.X_OK) or program.is_dir():
            return RepairOutcome(RepairEnd.FAILED, f"{self.file} is no program below the model's folder")
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
            given.write(json.dumps(attempt.as_dict()).encode())
            given.seek(0)
            try:
                running = subprocess.Popen(
                    [str(program)], stdin=given, stdout=said, stderr=said, cwd=self.folder, start_new_session=True
                )
            except OSError as error:
                return RepairOutcome(RepairEnd.FAILED, f"{self.file} cannot be started: {error.strerror}")
            try:
                code = running.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            said.seek(0)
            text = " ".join(said.read(_ANSWER_BYTES_MAX).decode("utf-8", "replace").split())[:_SAID_MAX]
        if code is None:
            return RepairOutcome(RepairEnd.IN_DOUBT, f"it was ended after {self.timeout_s} s")
        if code < 0:
            return RepairOutcome(RepairEnd.IN_DOUBT, f"it was ended by signal {-code}: {text}".rstrip(": "))
        end = RepairEnd.DONE if code == 0 else RepairEnd.FAILED
        return RepairOutcome(end, f"exit code {code}: {text}".rstrip(": "))

    def ask(self, idempotency_key: UUID) -> RepairOutcome | None:
        """A program is asked nothing."""
        del idempotency_key
        return None
