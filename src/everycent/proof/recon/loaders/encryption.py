"""Whom an encrypted connection trusts: the system's authorities, or those of a file that the environment names."""

from pathlib import Path

from everycent.proof.recon.chain import LinkFailed, Surroundings


def roots_of(roots: str | None, around: Surroundings) -> bytes | None:
    """The authorities (PEM) whose path the variable `roots` of the environment holds; None: the system's.

    Raises LinkFailed.
    """
    if roots is None:
        return None
    try:
        return Path(around.variable(roots)).read_bytes()
    except OSError as error:
        raise LinkFailed(f"the file of authorities that {roots} names cannot be read: {error.strerror}") from None
