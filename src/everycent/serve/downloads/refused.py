"""Why a statement is not written as PDF."""


class NoFont(Exception):
    """No font is found that can write the text; the message says what would help."""


class PdfNotInstalled(Exception):
    """What writes PDFs is not installed; the message says what to install."""
