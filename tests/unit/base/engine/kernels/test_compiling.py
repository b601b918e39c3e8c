from everycent.base.engine.kernels.compiling import kernel


def test_a_kernel_runs_where_nothing_can_be_kept_on_disk() -> None:
    """Numba finds no place for a function without a file, as on a machine that is read-only throughout."""
    scope: dict[str, object] = {}
    exec("def double(minor): return minor + minor", scope)
    double = scope["double"]
    assert callable(double)
    assert kernel(double)(21) == 42
