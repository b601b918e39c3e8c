"""What the pipeline tells its callers."""


class InputRefused(Exception):
    """The files given cannot be used as they are; nothing was done. The message says which and what would be right."""
