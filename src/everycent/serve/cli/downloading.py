"""`everycent statement download`: statements as files for their parties."""

import re
from collections.abc import Sequence
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.session import open_session
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.terminal import out, print_json
from everycent.serve.downloads.document import Document, gather
from everycent.serve.downloads.pdf import write_pdf
from everycent.serve.downloads.sheets import write_csv, write_xlsx
from everycent.serve.downloads.words import LANGUAGES
from everycent.serve.wiring import migrations

_FORMS = ("csv", "xlsx", "pdf")
#: What a file's name may not have on some system, and what is a folder's.
_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


def download_command(
    ids: Sequence[str], forms: Sequence[str], folder: Path, language: str, font: Path | None, *, as_json: bool
) -> int:
    """Writes each statement in each form. Nothing is written where one of them is not there."""
    for form in forms:
        if form not in _FORMS:
            raise NotSaid(f"--format {form}: write one of {', '.join(_FORMS)}")
    if language not in LANGUAGES:
        raise NotSaid(f"--language {language}: write one of {', '.join(LANGUAGES)}")
    with open_session(Settings.load(), migrations()) as session:
        where = (session.connection, session.details, session.engine, session.tenant)
        found = {statement_id: gather(*where, statement_id) for statement_id in dict.fromkeys(ids)}
    documents = [document for document in found.values() if document is not None]
    missing = [statement_id for statement_id, document in found.items() if document is None]
    if missing:
        raise NothingStored(f"there is no statement '{missing[0]}'; `everycent statement list` shows their ids")
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _write(document, form, folder, language, font) for document in documents for form in dict.fromkeys(forms)
    ]
    if as_json:
        print_json({"written": [str(path) for path in written]})
    for path in () if as_json else written:
        out.print(f"written: {path}", markup=False)
    return exits.OK


def _write(document: Document, form: str, folder: Path, language: str, font: Path | None) -> Path:
    path = folder / f"{_NOT_IN_A_NAME.sub('_', document.statement_id)}.{form}"
    match form:
        case "csv":
            write_csv(document, path)
        case "xlsx":
            write_xlsx(document, path, language)
        case _:
            write_pdf(document, path, language, font)
    return path
