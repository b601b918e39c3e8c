"""Vouchers as files, and how they are handed over as such: whoever dies on the way, the next one goes on.

Files are written beside, into a hidden folder; then it is committed that the voucher goes out; then they are renamed to
where they belong. So what lies beside, and is handed over, is put there by the next pass, with the same bytes: they are
written again from the voucher's content. What lies beside and is not handed over, nobody has.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pyarrow as pa

from everycent.flow.ledger import service as ledger
from everycent.flow.ledger.contract import Voucher
from everycent.flow.pipeline.service import Session
from everycent.serve.sheets import write_sheet

#: What a file's name may not have on some system.
_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
#: So many letters of whose voucher it is: names of files end at 255 bytes.
_WHOSE_MOST = 60
#: Within the folder: of each voucher on its way, a folder named by its id.
_BESIDE = ".being-handed-over"


@dataclass
class Written:
    """What a pass did. `gone`: what may not be handed over any more; `beside`: what is handed over, but its files are
    not where they belong, and why."""

    files: list[Path] = field(default_factory=list)
    vouchers: int = 0
    gone: list[Voucher] = field(default_factory=list)
    beside: list[tuple[Voucher, str]] = field(default_factory=list)


def write(voucher: Voucher, folder: Path) -> list[Path]:
    """Its content byte for byte, and its lines as CSV. Raises OSError."""
    whose = _NOT_IN_A_NAME.sub("_", f"{voucher.model}-{voucher.legal_entity}")[:_WHOSE_MOST]
    of_it = f"{whose}-{voucher.voucher_no:08}-{voucher.revision}-{str(voucher.voucher_id)[:8]}"
    text, lines = folder / f"{of_it}.json", folder / f"{of_it}.csv"
    text.write_bytes(voucher.content.encode())
    columns = zip(*ledger.csv_rows(voucher.content), strict=True)
    texts = {name: pa.array(values, pa.string()) for name, values in zip(ledger.CSV_COLUMNS, columns, strict=True)}
    write_sheet(lines, "lines", pa.table(texts))
    return [text, lines]


def hand_over(
    session: Session, model: str, ids: Sequence[UUID] | None, folder: Path, by: str, now: datetime, done: Written
) -> None:
    """Hands vouchers over as files, those that are made if no ids are given, and ends what a pass before did not.

    Raises SendersBusy; OSError, and then what was not handed over yet is not.
    """
    where = (session.connection, session.tenant)
    with ledger.handing_vouchers_over(*where, model):
        ended = _end(session, model, folder, done)
        asked = ledger.vouchers_ready(*where, model) if ids is None else ledger.vouchers_shown(*where, model, ids=ids)
        chosen = [one for one in asked if one.voucher_id not in ended]
        for one in chosen:
            beside = _beside(one, folder)
            beside.mkdir(parents=True, exist_ok=True)
            write(one, beside)
        if chosen:
            _keep(folder / _BESIDE, folder)
        for one in chosen:
            if ledger.hand_voucher_over(*where, one, ledger.FILES, now, by) is None:
                shutil.rmtree(_beside(one, folder))
                done.gone.append(one)
            else:
                _put_in_place(one, folder, done)
        if (folder / _BESIDE).exists() and not any((folder / _BESIDE).iterdir()):
            (folder / _BESIDE).rmdir()


def _end(session: Session, model: str, folder: Path, done: Written) -> set[UUID]:
    """Ends what a pass before did not; the vouchers that it had handed over."""
    left = [UUID(path.name) for path in sorted((folder / _BESIDE).glob("*-*-*-*-*"))]
    found = ledger.vouchers_shown(session.connection, session.tenant, model, ids=left)
    went = ledger.vouchers_that_went_as_files(session.connection, session.tenant, left)
    for one in found:
        if one.voucher_id in went:
            _put_in_place(one, folder, done)
        else:
            shutil.rmtree(_beside(one, folder))
    return went


def _put_in_place(voucher: Voucher, folder: Path, done: Written) -> None:
    beside = _beside(voucher, folder)
    try:
        files = write(voucher, beside)
        _keep(*files)
        placed = [each.replace(folder / each.name) for each in files]
        _keep(folder)
        shutil.rmtree(beside)
    except OSError as failed:
        done.beside.append((voucher, f"{failed.filename2 or failed.filename}: {failed.strerror}"))
        return
    done.files += placed
    done.vouchers += 1


def _beside(voucher: Voucher, folder: Path) -> Path:
    return folder / _BESIDE / str(voucher.voucher_id)


def _keep(*paths: Path) -> None:
    """What they hold outlasts a loss of power."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
