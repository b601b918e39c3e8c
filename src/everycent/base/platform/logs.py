"""Structured logs: JSON lines into the data directory, and short lines for people on stderr from warnings up.

EVERYCENT_LOG sets what goes into the file: debug, info (the default), warning or error.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from everycent.base.platform.settings import Settings, SettingsError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_FILE_BYTES_MAX = 64 * 1024 * 1024


def set_up_logs(settings: Settings, environ: Mapping[str, str] | None = None) -> None:
    """Sends this process's logs to `settings.log_file`; without a writable file, to stderr alone.

    Raises SettingsError.
    """
    env = os.environ if environ is None else environ
    named = env.get("EVERYCENT_LOG", "info").lower()
    if named not in _LEVELS:
        raise SettingsError(f"EVERYCENT_LOG is '{named}'; right would be: one of {', '.join(_LEVELS)}")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _Writer(_open(settings.log_file)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[named]),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


class _Writer:
    """The last step: one JSON line to the file; and from warnings up one short line to stderr."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._json = structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if self._file is not None:
            line = self._json(logger, method, dict(event))
            self._file.write(f"{line if isinstance(line, str) else line.decode()}\n")
        if _LEVELS.get(str(event["level"]), logging.CRITICAL) >= logging.WARNING:
            more = " ".join(f"{k}={v}" for k, v in sorted(event.items()) if k not in ("event", "level", "timestamp"))
            print(f"{event['level']}: {event['event']} {more}".rstrip(), file=sys.stderr)
        raise structlog.DropEvent


def _open(file: Path) -> TextIO | None:
    """The log, line by line, so that a kill loses nothing; a full one is put aside once."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > _FILE_BYTES_MAX:
            file.replace(file.with_suffix(".old.jsonl"))
        return file.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        print(f"warning: no log is kept, {file} cannot be written: {error.strerror}", file=sys.stderr)
        return None
