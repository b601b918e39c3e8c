import subprocess
import sys

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


def test_numba_is_loaded_by_the_first_call_and_not_before() -> None:
    program = (
        "import sys\n"
        "import everycent.base.engine.kernels.allotment, everycent.flow.intake.readers.csv_scan\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
