from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.x509 import ReasonFlags

from gateway.errors import NotFoundError
from gateway.operations import effect as effects
from gateway.operations.effect import RevocationEffect
from tests.gateway.store.lender import ACTOR, Lender

REASON = ReasonFlags.key_compromise


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


def _vendor(lender: Lender, vendor: str = "alpha") -> RevocationEffect:
    return lender.office().revoke_vendor(vendor, REASON, actor=ACTOR)


def _certificate(lender: Lender, thumbprint: bytes) -> RevocationEffect:
    return lender.office().revoke_certificate(thumbprint, REASON, actor=ACTOR)


def _epoch(lender: Lender) -> object:
    return lender.query("SELECT epoch FROM casegate.trust")[0][0]


def _states(lender: Lender) -> dict[str, object]:
    rows = lender.query(
        "SELECT coalesce(vendor_id, staff_id), status, revoked_at, revocation_reason"
        " FROM casegate.credential"
    )
    return {str(row[0]): row[1:] for row in rows}


def _worker(lender: Lender, epoch: int | None = None, closed: int = 0) -> None:
    """A live worker that has acknowledged an epoch, or not yet."""
    name = uuid4()
    lender.query(
        "INSERT INTO casegate.worker (worker_id, listener, host, pid, epoch)"
        " VALUES (%s, 'vendor', 'here', 1, 1) RETURNING 1",
        (name,),
    )
    if epoch is not None:
        lender.query(
            "INSERT INTO casegate.trust_acknowledgement (worker_id, epoch, connections_closed)"
            " VALUES (%s, %s, %s) RETURNING 1",
            (name, epoch, closed),
        )


def test_revoking_a_vendor_takes_its_certificates_and_nobody_elses(lender: Lender) -> None:
    effect = _vendor(lender)

    assert effect.credentials == 1
    assert _states(lender) == {
        "alpha": ("revoked", lender.clock.at, "keyCompromise"),
        "beta": ("active", None, None),
        "qian": ("active", None, None),
    }
    assert lender.query("SELECT vendor_id FROM casegate.vendor WHERE status = 'revoked'") == [
        ("alpha",)
    ]


def test_with_no_worker_running_a_revocation_is_complete_at_once(lender: Lender) -> None:
    effect = _vendor(lender)

    assert (effect.workers, effect.acknowledged, effect.seconds) == (0, 0, None)
    assert effect.is_complete


@pytest.mark.parametrize("name", ["alpha", "auditor"])
def test_one_certificate_is_revoked_alone_whoever_holds_it(lender: Lender, name: str) -> None:
    _certificate(lender, lender.thumbprints[name])

    revoked = lender.query("SELECT thumbprint FROM casegate.credential WHERE status = 'revoked'")
    assert revoked == [(lender.thumbprints[name],)]
    assert lender.query("SELECT 1 FROM casegate.vendor WHERE status <> 'active'") == []


@pytest.mark.parametrize(
    "again",
    [_vendor, lambda lender: _certificate(lender, lender.thumbprints["alpha"])],
    ids=["vendor", "certificate"],
)
def test_revoking_again_keeps_the_first_time_and_reason(
    lender: Lender, again: Callable[[Lender], RevocationEffect]
) -> None:
    lender.office().revoke_vendor("alpha", ReasonFlags.cessation_of_operation, actor=ACTOR)
    before = _states(lender)
    lender.clock.at = lender.clock.at.replace(year=2027)

    effect = again(lender)

    assert _states(lender) == before
    assert effect.is_complete


def test_each_revocation_raises_the_epoch_and_is_in_the_log(lender: Lender) -> None:
    epoch = _epoch(lender)
    first, second = _vendor(lender), _certificate(lender, lender.thumbprints["beta"])

    assert isinstance(epoch, int)
    assert second.log_index > first.log_index
    now = _epoch(lender)
    assert isinstance(now, int)
    assert now >= epoch + 2


@pytest.mark.parametrize(
    "revoke",
    [lambda lender: _vendor(lender, "nobody"), lambda lender: _certificate(lender, bytes(32))],
    ids=["vendor", "certificate"],
)
def test_what_is_unknown_is_not_found_and_leaves_no_trace(
    lender: Lender, revoke: Callable[[Lender], RevocationEffect]
) -> None:
    before = (_epoch(lender), lender.query("SELECT size FROM audit.tail"), _states(lender))

    with pytest.raises(NotFoundError):
        revoke(lender)

    assert (_epoch(lender), lender.query("SELECT size FROM audit.tail"), _states(lender)) == before


def test_the_effect_counts_acknowledgements_and_cut_connections(lender: Lender) -> None:
    _worker(lender, epoch=10_000, closed=3)
    _worker(lender, epoch=10_000, closed=4)

    effect = _vendor(lender)

    assert (effect.workers, effect.acknowledged, effect.connections_closed) == (2, 2, 7)
    assert effect.is_complete
    assert effect.seconds is not None


def test_a_worker_that_does_not_answer_leaves_the_revocation_incomplete(
    lender: Lender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "ACKNOWLEDGE_TIME", timedelta(seconds=0.1))
    _worker(lender, epoch=10_000)
    _worker(lender)

    effect = _vendor(lender)

    assert (effect.workers, effect.acknowledged) == (2, 1)
    assert not effect.is_complete
    assert _states(lender)["alpha"] != ("active", None, None)


def test_a_worker_that_has_long_been_silent_is_not_waited_for(lender: Lender) -> None:
    _worker(lender)
    lender.query("UPDATE casegate.worker SET heard_at = now() - interval '10 seconds' RETURNING 1")

    assert _vendor(lender).workers == 0
