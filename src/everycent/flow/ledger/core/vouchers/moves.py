"""The life of a voucher: its states and the moves between them, all in this one table.

A column is where a voucher stands. A cell is where a move leads:

    a state  it goes there          =  it was so already, nothing changes
    -        not allowed            +  kept for the person who has to decide
                                    !  a contradiction: disputed, with the finding <move>_after_<column>

Nothing leads from accepted but a contradiction, and only one that is made is handed over: what is accepted is never
handed over again. A refused one is corrected, which makes its next revision.

What the other revisions of its number say goes before the table: one of them is accepted, so this one is not, too; and
a refused one that was corrected before is replaced.
"""

from collections.abc import Mapping
from types import MappingProxyType

from everycent.flow.ledger.contract import VoucherCame, VoucherMove, VoucherState

TABLE = """
                made      sent      accepted  refused   disputed  replaced
hand_over       sent      =         -         -         -         -
accept          -         accepted  =         !         +         !
refuse          -         refused   !         =         +         =
correct         -         -         -         replaced  -         -
judge_accepted  -         accepted  =         -         accepted  -
judge_refused   -         refused   -         =         refused   -
"""

_MARKS = MappingProxyType(
    {
        "=": VoucherCame.REPEATED,
        "+": VoucherCame.NOTED,
        "-": VoucherCame.NOT_ALLOWED,
        "!": VoucherCame.CONTRADICTED,
    }
)


def _read(table: str) -> Mapping[VoucherMove, Mapping[VoucherState, str]]:
    head, *rows = (line.split() for line in table.strip().splitlines())
    states = [VoucherState(name) for name in head]
    read = {VoucherMove(row[0]): MappingProxyType(dict(zip(states, row[1:], strict=True))) for row in rows}
    assert set(read) == set(VoucherMove), "each move has a row"
    assert set(states) == set(VoucherState), "each state has a column"
    assert {cell for row in read.values() for cell in row.values()} <= {*_MARKS, *VoucherState}
    return MappingProxyType(read)


#: By move, the state before -> a cell of the table.
MOVES = _read(TABLE)


def judge(
    state: VoucherState,
    move: VoucherMove,
    *,
    same_number: bool = True,
    other_accepted: bool = False,
    corrected: bool = False,
) -> tuple[VoucherState, VoucherCame]:
    """Where the move leads, and what came of it. Acceptance under another number than before, or beside another
    revision that is accepted (`other_accepted`), is a contradiction. `corrected`: it has a later revision."""
    cell = MOVES[move][state]
    came = _MARKS.get(cell, VoucherCame.MOVED)
    is_accepted_again = came is VoucherCame.REPEATED and state is VoucherState.ACCEPTED and not same_number
    if is_accepted_again or (cell == VoucherState.ACCEPTED and other_accepted):
        came = VoucherCame.CONTRADICTED if move is VoucherMove.ACCEPT else VoucherCame.NOT_ALLOWED
    if came is VoucherCame.CONTRADICTED:
        return VoucherState.DISPUTED, came
    if came is not VoucherCame.MOVED:
        return state, came
    return (VoucherState.REPLACED if cell == VoucherState.REFUSED and corrected else VoucherState(cell)), came


def allowed_from(move: VoucherMove) -> list[VoucherState]:
    """The states from which a move leads somewhere."""
    return [state for state, cell in MOVES[move].items() if cell not in _MARKS]
