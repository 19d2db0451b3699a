from pathlib import Path

import pytest

from keys.errors import KeyFileError
from keys.key_slot import KeySlot
from keys.secret import write_private_file


@pytest.fixture
def slot(tmp_path: Path) -> KeySlot:
    write_private_file(tmp_path / "kek.key", b"one")
    write_private_file(tmp_path / "other.key", b"not ours")
    write_private_file(tmp_path / "kek.retiring-x.pem", b"not ours either")
    return KeySlot(tmp_path / "kek.key")


def _contents(slot: KeySlot) -> list[bytes]:
    return [path.read_bytes() for path in slot.known()]


def test_the_active_key_comes_first_in_every_step_of_a_rotation(slot: KeySlot) -> None:
    steps = [_contents(slot)]
    slot.announce(b"two")
    steps.append(_contents(slot))
    slot.promote("1")
    steps.append(_contents(slot))
    slot.announce(b"three")
    steps.append(_contents(slot))
    slot.promote("2")
    slot.set_aside("1")
    steps.append(_contents(slot))

    assert steps == [
        [b"one"],
        [b"one", b"two"],
        [b"two", b"one"],
        [b"two", b"three", b"one"],
        [b"three", b"two"],
    ]


def test_every_change_of_the_files_changes_the_stamp(slot: KeySlot) -> None:
    stamps = [slot.stamp()]
    assert slot.stamp() == stamps[0]
    slot.announce(b"two")
    stamps.append(slot.stamp())
    slot.promote("1")
    stamps.append(slot.stamp())
    slot.set_aside("1")
    stamps.append(slot.stamp())

    assert len(set(stamps)) == 4


def test_a_key_that_is_announced_already_stays(slot: KeySlot) -> None:
    slot.announce(b"two")
    slot.announce(b"three")

    assert slot.announced.read_bytes() == b"two"


def test_a_promotion_that_was_killed_between_its_steps_is_done_again(slot: KeySlot) -> None:
    slot.announce(b"two")
    slot.active.with_name("kek.retiring-1.key").hardlink_to(slot.active)
    assert _contents(slot) == [b"one", b"two", b"one"]
    slot.promote("1")

    assert _contents(slot) == [b"two", b"one"]


def test_what_a_killed_announcement_left_does_not_stand_in_the_way(slot: KeySlot) -> None:
    slot.active.with_name("kek.fresh.key").write_bytes(b"ha")
    assert _contents(slot) == [b"one"]
    slot.announce(b"two")

    assert _contents(slot) == [b"one", b"two"]


def test_a_destroyed_key_leaves_no_file(slot: KeySlot) -> None:
    slot.announce(b"two")
    slot.promote("1")
    slot.destroy("1")

    assert [path.name for path in slot.active.parent.glob("*1*")] == []
    assert _contents(slot) == [b"two"]


def test_nothing_is_promoted_or_ended_that_is_not_there(slot: KeySlot) -> None:
    with pytest.raises(KeyFileError, match="cannot be replaced"):
        slot.promote("1")
    for end in (slot.set_aside, slot.destroy):
        with pytest.raises(KeyFileError, match="no key 9 retires"):
            end("9")
    assert slot.active.read_bytes() == b"one"


def test_the_files_of_all_steps_belong_to_their_owner_alone(slot: KeySlot) -> None:
    slot.announce(b"two")
    slot.promote("1")
    slot.announce(b"three")

    assert {path.stat().st_mode & 0o777 for path in slot.known()} == {0o600}
