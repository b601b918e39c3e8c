"""`everycent payments simulate`: a made-up bank's answers, so that a payment's whole life can be tried out."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.demo.bank import Fate, answered


def simulate_command(files: Sequence[Path], folder: Path, *, as_json: bool) -> int:
    """Writes the answers; 2 where a file is no payment file."""
    written: list[Path] = []
    fates: Counter[Fate] = Counter()
    for file in files:
        try:
            answers, orders = answered(file, folder)
        except (OSError, ValueError) as error:
            err.print(f"everycent: {error}", markup=False)
            return exits.REFUSED
        written += answers
        fates.update(order.fate for order in orders)
    if as_json:
        print_json({"files": [str(path) for path in written], "payments": {fate: fates[fate] for fate in Fate}})
        return exits.OK
    print_table("A made-up bank", ["became of it", "payments"], [[fate, f"{fates[fate]:,}"] for fate in Fate],
                right=frozenset({1}))  # fmt: skip
    for path in written:
        out.print(str(path), markup=False)
    return exits.OK
