"""Which errors are expected, and so become a message and an exit code instead of a trace."""

from pathlib import Path

from everycent.base.money.currency import UnknownCurrency
from everycent.base.money.cycle import PastTheCalendar
from everycent.base.platform.batches import BatchAlreadyCommitted
from everycent.base.platform.bulk import UnstorableText
from everycent.base.platform.database import DatabaseUnreachable
from everycent.base.platform.details import LakeFileMissing
from everycent.base.platform.lake import StorageFailed
from everycent.base.platform.migrate import DatabaseIsNewer
from everycent.base.platform.scratch import ScratchRefused
from everycent.base.platform.server_home import ServerFailed
from everycent.base.platform.settings import SettingsError
from everycent.base.platform.tasks import TaskChanged
from everycent.flow.intake.contract import SourceError
from everycent.flow.intake.service import UnknownFormat, UnknownStep
from everycent.flow.ledger.contract import (
    NoSuchTransfer,
    NoSuchVoucher,
    NotSealedYet,
    SendersBusy,
    VouchersRefused,
)
from everycent.flow.model.contract import ModelRefused
from everycent.flow.parties.service import NumberAltered
from everycent.flow.payments.contract import ComeBackRefused, InstructionAltered
from everycent.flow.payments.service import ChannelBusy, ChannelNotSet, ReceiptRefused
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.rating.contract import AmbiguousFactor
from everycent.proof.explain.contract import NothingFound, SeveralFound
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.jobs.store import JobRefused
from everycent.proof.recon.service import BadSketch, CutRefused, NothingToCompare, QueueFull
from everycent.serve.cli import exits
from everycent.serve.downloads.refused import NoFont, PdfNotInstalled


class NotSaid(Exception):
    """What is asked cannot be answered as it was said; the message says what would be right."""


class NothingStored(Exception):
    """What is asked about is not in the database; the message says what is."""


#: A path that was given leads nowhere, or somewhere that may not be read or written.
_WRONG_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
#: Nothing was done, for what was given cannot be used.
REFUSALS = (
    BadSketch,
    ChannelNotSet,
    ComeBackRefused,
    ModelRefused,
    InputRefused,
    JobRefused,
    SourceError,
    SettingsError,
    DatabaseIsNewer,
    NoFont,
    NothingStored,
    NoSuchTransfer,
    NoSuchVoucher,
    NotSealedYet,
    NothingFound,
    NothingToCompare,
    NotDone,
    NotSaid,
    PastTheCalendar,
    SeveralFound,
    UnknownFormat,
    UnknownStep,
    TaskChanged,
    UnknownCurrency,
    AmbiguousFactor,
    InstructionAltered,
    NumberAltered,
    PdfNotInstalled,
    ReceiptRefused,
    UnstorableText,
    VouchersRefused,
    ScratchRefused,
    *_WRONG_PATH,
)
#: Nothing was done, for a resource was missing; the same command may go through later.
UNAVAILABLE = (
    ServerFailed,
    DatabaseUnreachable,
    StorageFailed,
    LakeFileMissing,
    BatchAlreadyCommitted,
    ChannelBusy,
    CutRefused,
    QueueFull,
    SendersBusy,
    MemoryError,
    OSError,
)


def exit_code(error: Exception) -> int | None:
    """The exit code of an expected refusal; None for a bug."""
    if isinstance(error, REFUSALS):
        return exits.REFUSED
    return exits.UNAVAILABLE if isinstance(error, UNAVAILABLE) else None


def message(error: Exception) -> str:
    """What a person reads; the operating system's errors as `path: what is wrong; what would be right`."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror.lower()}{_right_path(error)}"
    return str(error)


def _right_path(error: OSError) -> str:
    """What would be right where a path is wrong."""
    folder = Path(str(error.filename or "")).parent
    match error:
        case FileNotFoundError() if error.filename and not folder.is_dir():
            return f"; the folder {folder} is not there: make it, or name another"
        case FileNotFoundError():
            return "; name one that is there"
        case IsADirectoryError():
            return "; name a file in it"
        case NotADirectoryError() | FileExistsError():
            return "; a file stands where a folder is needed: name another path"
        case PermissionError():
            return "; name a path that you may use, or have its rights changed"
    return ""
