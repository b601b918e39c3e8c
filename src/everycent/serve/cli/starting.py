"""What a command does before it begins, so that a small one ends soon."""

import sys

import pyarrow as pa


class _NoPandas:
    """A finder of modules that finds everything but pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """None: others may find it. Raises ImportError for pandas."""
        if name == "pandas":
            raise ImportError("pandas is not loaded now")


def without_pandas() -> None:
    """Lets Arrow make its first array without loading pandas, which takes a second where it is installed: nothing that
    a command compares is a pandas object. Who imports pandas later gets it."""
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_NoPandas)
