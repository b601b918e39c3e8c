import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from everycent.base.engine.kernels.compiling import kernel, uncounted


def test_a_kernel_runs_where_nothing_can_be_kept_on_disk() -> None:
    """Numba finds no place for a function without a file, as on a machine that is read-only throughout."""
    scope: dict[str, object] = {}
    exec("def double(minor): return minor + minor", scope)
    double = scope["double"]
    assert callable(double)
    assert kernel(double)(21) == 42


def test_a_kernel_calls_the_kernels_of_its_file() -> None:
    scope: dict[str, object] = {"kernel": kernel}
    exec(
        "@kernel\ndef halved(minor):\n    return minor // 2\n\n"
        "@kernel\ndef quartered(minor):\n    return halved(halved(minor))\n",
        scope,
    )
    quartered = scope["quartered"]
    assert callable(quartered)
    assert (quartered(42), quartered(8)) == (10, 2)


def test_an_uncounted_kernel_may_fill_an_array_but_create_none() -> None:
    scope: dict[str, object] = {"uncounted": uncounted}
    exec(
        "@uncounted\ndef doubled(minor, out):\n    for at in range(len(minor)):\n        out[at] = 2 * minor[at]\n\n"
        "@uncounted\ndef copied(minor, out):\n    out[:] = minor.copy()\n",
        scope,
    )
    doubled, copied = scope["doubled"], scope["copied"]
    assert callable(doubled) and callable(copied)
    minor = np.array([3, -4])
    out = np.zeros_like(minor)
    doubled(minor, out)
    assert out.tolist() == [6, -8]
    with pytest.raises(Exception, match="NRT required"):
        copied(minor, out)


def test_an_interpreted_kernel_calls_the_kernels_of_its_file_and_compiles_none() -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from everycent.base.engine.kernels.compiling import interpreted\n"
        "from everycent.flow.intake.readers import csv_scan\n"
        "def rows(scan, text):\n"
        "    data, (a, b, c, d) = np.frombuffer(text, np.uint8), (np.zeros(9, np.int64) for _ in range(4))\n"
        "    e = np.zeros(9, np.uint8)\n"
        "    done = scan(data, 0, 1, True, ord(','), True, 2, a, b, c, d, e)\n"
        "    return tuple(map(int, done)), [each.tolist() for each in (a, b, c, d, e)]\n"
        'text = b\'a,b\\r\\n"1\\n",2\\n"broken,3\\n4,5,6\\n\\n7,8\'\n'
        "plain = rows(interpreted(csv_scan.scan_rows), text)\n"
        "assert 'numba' not in sys.modules and plain[0][0] == 5, plain\n"
        "assert rows(csv_scan.scan_rows, text) == plain\n"
        "assert interpreted(csv_scan.scan_rows) is csv_scan.scan_rows\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_numba_is_loaded_by_the_first_call_and_not_before() -> None:
    program = (
        "import sys\n"
        "import everycent.base.engine.kernels.allotment, everycent.flow.intake.readers.csv_scan\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


_LOOP = """
import numpy as np

from parts.shares import half
from parts.types import Row
from everycent.base.engine.kernels.compiling import kernel


@kernel
def shared(row):
    return half(row.amount[0])


print(int(shared(Row(np.array([41]), np.array([7])))))
"""
_SHARES = "from everycent.base.engine.kernels.compiling import kernel\n\n\n@kernel\ndef half(minor):\n    return {}\n"
_TYPES = "from typing import Any, NamedTuple\n\n\nclass {0}(NamedTuple):\n    {1}: Any\n    {2}: Any\n\n\nRow = {0}\n"


def _run(folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    environment.pop("NUMBA_CACHE_DIR", None)
    # Python takes a source for unchanged that has the size and the second of the one that it compiled before
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", "parts.loop"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_upgrade_in_place_leaves_no_machine_code_behind_that_is_used(tmp_path: Path) -> None:
    """A kernel's own file stays as it is, but what it calls does something else, and a type that it takes has another
    name and order."""
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "__init__.py").touch()
    (parts / "loop.py").write_text(_LOOP)
    (parts / "shares.py").write_text(_SHARES.format("minor // 2"))
    (parts / "types.py").write_text(_TYPES.format("Old", "amount", "weight"))
    assert _run(tmp_path) == "20"
    [kept] = (parts / "__pycache__").glob("kernels-*")
    assert list(kept.rglob("*.nbc")), "machine code was kept"
    (parts / "shares.py").write_text(_SHARES.format("minor - 1"))
    (parts / "types.py").write_text(_TYPES.format("New", "weight", "amount"))
    assert _run(tmp_path) == "6"
    [other] = (parts / "__pycache__").glob("kernels-*")
    assert other != kept and not kept.exists(), "what is stale is taken away"
    assert _run(tmp_path) == "6"
