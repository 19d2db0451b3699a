"""A small state machine: which move leads where, from what, and who may make it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import IllegalTransitionError


class Side(StrEnum):
    """Who moves."""

    COMPANY = "company"
    VENDOR = "vendor"
    CLOCK = "clock"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Move:
    """A move; `target` None leaves the state as it is.

    `takes_two` names the severities for which a second person approves first ("*": all), and
    `takes_other` those for which somebody else than who opened the affair moves.
    """

    name: str
    side: Side
    sources: frozenset[str]
    target: str | None
    takes_two: frozenset[str] = frozenset()
    takes_other: frozenset[str] = frozenset()

    def begins_at(self, state: str, side: Side) -> bool:
        """Whether a side may make it from a state."""
        return self.side is side and state in self.sources


@dataclass(frozen=True, slots=True)
class Machine:
    """The moves of one kind of thing, by name; `initial` is where it begins."""

    kind: str
    initial: str
    moves: Mapping[str, Move]

    def move(self, state: str, name: str, side: Side) -> Move:
        """The move that a side wants to make from a state.

        Raises:
            IllegalTransitionError: there is no such move, it is another side's, or it does not
                begin in this state.
        """
        move = self.moves.get(name)
        if move is None or not move.begins_at(state, side):
            onward = [each.name for each in self.moves.values() if each.begins_at(state, side)]
            led = (
                f"from here: {', '.join(onward)}" if onward else "nothing can be done with it now"
            )
            raise IllegalTransitionError(
                f"{name} does not begin where a {self.kind} is {state}; {led}"
            )
        return move

    def is_final(self, state: str) -> bool:
        """Whether no move leads on from a state."""
        return all(state not in move.sources for move in self.moves.values())

    @property
    def states(self) -> frozenset[str]:
        """Every state that a thing of this kind can be in."""
        named = {self.initial}
        for move in self.moves.values():
            named |= move.sources | ({move.target} if move.target else set())
        return frozenset(named)


def machine_of(kind: str, initial: str, moves: Iterable[Move]) -> Machine:
    """A machine of moves, each of another name.

    Raises:
        ValueError: two moves have one name.
    """
    by_name: dict[str, Move] = {}
    for move in moves:
        if move.name in by_name:
            raise ValueError(f"{kind} has two moves {move.name}")
        by_name[move.name] = move
    return Machine(kind, initial, by_name)
