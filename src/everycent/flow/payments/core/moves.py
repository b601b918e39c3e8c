"""The life of an instruction: its states and the moves between them, all in this one table.

A column is where an instruction stands; a parked one is `unresolved` (nobody can tell what became of it, a late answer
still decides it) or `disputed` (answers contradict each other, only a person decides it). A cell is where a move leads:

    a state  it goes there          =  it was so already, nothing changes
    ready    created or approved,   <  it comes late, what is known goes further: nothing changes
             as it was before       +  kept for the person who has to decide
    -        not allowed            !  a contradiction: parked, with the finding <move>_after_<column>

What changes nothing (= and <) is a contradiction, too, where the bank booked it once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from everycent.flow.payments.contract import OTHER_AMOUNT, UNRESOLVED, Booking, Came, InstructionState, Move

TABLE = """
                waiting  created    approved   filed      submitted  processing  unknown    unresolved  disputed   succeeded  failed  returned
find_account    created  =          =          =          =          =           =          =           =          =          =       =
release         -        approved   =          -          -          -           -          -           -          -          -       -
decline         -        created    -          -          -          -           -          -           -          -          -       -
file            -        filed      filed      =          -          -           -          -           -          -          -       -
begin           -        submitted  submitted  -          -          -           -          -           -          -          -       -
send_again      -        -          -          -          -          -           submitted  -           -          -          -       -
unsend          -        =          =          -          ready      <           <          <           <          <          <       <
lose            -        -          -          -          unknown    <           =          <           <          <          <       <
accept          !        !          !          processing processing =           processing processing  +          <          <       <
pay             !        !          !          succeeded  succeeded  succeeded   succeeded  succeeded   +          =          !       <
refuse          !        !          !          failed     failed     failed      failed     failed      +          !          =       !
return          !        !          !          returned   returned   returned    returned   returned    +          returned   !       =
deny            =        =          =          -          <          !           =          =           +          <          =       <
park            -        -          -          unresolved -          unresolved  unresolved =           =          -          -       -
cancel          failed   failed     failed     -          -          -           -          -           -          -          =       -
judge_paid      -        -          -          -          -          -           -          succeeded   succeeded  =          -       -
judge_failed    -        -          -          -          -          -           -          failed      failed     -          =       -
judge_returned  -        -          -          -          -          -           -          returned    returned   -          -       =
"""  # noqa: E501 - a table is read by its columns

_DISPUTED, _READY = "disputed", "ready"
_MARKS = MappingProxyType(
    {
        "=": Came.REPEATED,
        "<": Came.OVERTAKEN,
        "+": Came.NOTED,
        "-": Came.NOT_ALLOWED,
        "!": Came.CONTRADICTED,
    }
)


def _read(table: str) -> Mapping[Move, Mapping[str, str]]:
    head, *rows = (line.split() for line in table.strip().splitlines())
    read = {Move(row[0]): MappingProxyType(dict(zip(head, row[1:], strict=True))) for row in rows}
    assert set(read) == set(Move), "each move has a row"
    places = {state.value for state in InstructionState if state is not InstructionState.PARKED}
    assert {*head} == {*places, UNRESOLVED, _DISPUTED}, "each state has a column"
    assert {cell for row in read.values() for cell in row.values()} <= {*places, *_MARKS, UNRESOLVED, _READY}
    return MappingProxyType(read)


#: By move, the place before -> a cell of the table.
MOVES = _read(TABLE)

_BOOKINGS = MappingProxyType(
    {
        InstructionState.SUCCEEDED: Booking.PAID,
        InstructionState.FAILED: Booking.BACK,
        InstructionState.RETURNED: Booking.BACK,
    }
)


@dataclass(frozen=True)
class Standing:
    """Where an instruction stands. `released`: whoever has to said that it may be sent."""

    state: InstructionState
    booking: Booking = Booking.IN_FLIGHT
    finding: str | None = None
    released: bool = False

    @property
    def place(self) -> str:
        """Its column of the table."""
        if self.state is not InstructionState.PARKED:
            return self.state.value
        return UNRESOLVED if self.finding == UNRESOLVED else _DISPUTED


def judge(
    standing: Standing, move: Move, *, same_amount: bool = True, once_more: bool = False
) -> tuple[Standing, Came]:
    """Where the move leads, and what came of it. An answer of another amount is a contradiction of its own.
    `once_more`: the bank booked the same before, under another reference."""
    assert (standing.state is InstructionState.PARKED) == (standing.finding is not None), standing
    cell = MOVES[move][standing.place]
    if not same_amount and standing.place != _DISPUTED:
        return _parked(standing, OTHER_AMOUNT), Came.CONTRADICTED
    came = _MARKS.get(cell, Came.MOVED)
    if once_more and came in (Came.REPEATED, Came.OVERTAKEN):
        came = Came.CONTRADICTED
    if came is Came.CONTRADICTED:
        return _parked(standing, f"{move}_after_{standing.place}"), came
    if came is not Came.MOVED:
        return standing, came
    if cell == UNRESOLVED:
        return _parked(standing, UNRESOLVED), came
    if cell == _READY:
        cell = InstructionState.APPROVED if standing.released else InstructionState.CREATED
    state = InstructionState(cell)
    released = standing.released or move is Move.RELEASE
    return Standing(state, _BOOKINGS.get(state, standing.booking), None, released), came


def _parked(standing: Standing, finding: str) -> Standing:
    """The money stays booked where it is until a person has decided."""
    return Standing(InstructionState.PARKED, standing.booking, finding, standing.released)


def allowed_from(move: Move) -> list[str]:
    """The places from which a move leads somewhere."""
    return [place for place, cell in MOVES[move].items() if cell not in _MARKS]
