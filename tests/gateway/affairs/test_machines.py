import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.affairs.machine import Machine, Move, Side, machine_of
from gateway.affairs.machines import (
    CLAIM,
    COMPLAINT,
    FEEDBACK,
    MACHINES,
    PROMISE,
    RECTIFICATION,
)
from gateway.affairs.vendor_desk import PARTS
from gateway.errors import IllegalTransitionError
from gateway.store import migrate

ALL = (COMPLAINT, RECTIFICATION, FEEDBACK, PROMISE, CLAIM)
_ROW = re.compile(r"\('(complaint|rectification|feedback)', '(\w+)', (NULL|'\w+'), (NULL|'\w+')\)")


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.kind)
def test_every_state_is_reached_and_leads_to_an_end(machine: Machine) -> None:
    reached = {machine.initial}
    while True:
        more = {
            move.target
            for move in machine.moves.values()
            if move.target is not None and move.sources & reached
        }
        if more <= reached:
            break
        reached |= more

    assert reached == machine.states
    assert any(machine.is_final(state) for state in machine.states)


@given(
    machine=st.sampled_from(ALL),
    name=st.sampled_from(sorted({name for machine in ALL for name in machine.moves})),
    side=st.sampled_from(Side),
    data=st.data(),
)
def test_whatever_is_not_in_the_table_is_refused(
    machine: Machine, name: str, side: Side, data: st.DataObject
) -> None:
    state = data.draw(st.sampled_from(sorted(machine.states)))
    listed = machine.moves.get(name)

    if listed is not None and listed.side is side and state in listed.sources:
        assert machine.move(state, name, side) is listed
    else:
        with pytest.raises(IllegalTransitionError):
            machine.move(state, name, side)


def test_a_vendor_closes_decides_and_verifies_nothing() -> None:
    own = {(kind, name) for kind in MACHINES for name in _own_moves(kind)}

    assert own == {
        ("complaint", "submit_evidence"),
        ("complaint", "submit_statement"),
        ("rectification", "acknowledge"),
        ("rectification", "submit_plan"),
        ("rectification", "start"),
        ("rectification", "submit_evidence"),
        ("feedback", "acknowledge"),
        ("feedback", "answer"),
    }


def test_the_databases_list_of_vendors_moves_is_that_of_the_machines() -> None:
    directory = Path(migrate.__file__).parent / "migrations" / "versions"
    rows = _ROW.findall((directory / "0019_affairs.py").read_text())

    listed = {tuple(cell.strip("'") for cell in row) for row in rows}
    assert listed == {
        (kind, name, MACHINES[kind].moves[name].target or "NULL", PARTS.get(name, "NULL"))
        for kind in MACHINES
        for name in _own_moves(kind)
    }


def test_a_machine_has_no_two_moves_of_one_name() -> None:
    move = Move("go", Side.CLOCK, frozenset({"here"}), "there")

    with pytest.raises(ValueError, match="two moves go"):
        machine_of("thing", "here", (move, move))


def _own_moves(kind: str) -> list[str]:
    return [name for name, move in MACHINES[kind].moves.items() if move.side is Side.VENDOR]
