import subprocess
import sys

from everycent.base.engine.kernels.compiling import kernel


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


def test_numba_is_loaded_by_the_first_call_and_not_before() -> None:
    program = (
        "import sys\n"
        "import everycent.base.engine.kernels.allotment, everycent.flow.intake.readers.csv_scan\n"
        "assert 'numba' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
