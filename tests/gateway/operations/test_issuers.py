import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from pydantic import ValidationError

from gateway.errors import AlreadyExistsError, ConfigurationError, NotFoundError
from gateway.operations.issuers import (
    CLOCK_SKEW,
    CRL_LIFE,
    CRL_RENEWAL,
    PublishedCRL,
    add_issuer,
    due_crl,
    list_issuers,
    newest_crl,
    publish_crl,
    status_of,
)
from gateway.operations.issuing import load_authorities, load_authority
from gateway.operations.registration import VendorOwner, register_credential
from gateway.operations.revocation import revoke_certificate
from gateway.sections import AuthoritySettings, DeviceKeySettings
from gateway.settings import Settings
from keys.authority import CertificateAuthority
from keys.crl import RevokedCertificate, crl_number, revoked_in, verify_crl
from keys.device_key import DeviceKey
from keys.errors import KeyFileError
from keys.hierarchy import HierarchyFiles, make_issuer, make_root
from keys.secret import write_private_file
from tests.gateway.store.lender import ACTOR, START, Lender
from tests.keys.softhsm import MODULE, PIN, soft_device
from tests.keys.trials import HOST, PASSPHRASE, ROOT_PASSPHRASE, URL, Trial, next_issuer

HOUR = timedelta(hours=1)


@pytest.fixture
def lender(postgres_url: str, tmp_path: Path) -> Lender:
    return Lender.fresh(postgres_url, tmp_path)


@pytest.fixture
def trial(lender: Lender, tmp_path: Path) -> Trial:
    """A hierarchy in the lender's directory, its issuer on record."""
    trial = Trial.make(tmp_path, START)
    with lender.role() as connection:
        add_issuer(connection, trial.issuer.certificate, actor=ACTOR, at=START)
    return trial


def _enrol(lender: Lender, trial: Trial, at: timedelta = timedelta(0)) -> x509.Certificate:
    certificate = trial.vendor(START + at)
    with lender.role() as connection:
        register_credential(
            connection,
            certificate,
            VendorOwner("alpha", "alpha-2026", "ref-1", "dialer"),
            issuer_id=trial.issuer.issuer_id,
            actor=ACTOR,
            at=START,
        )
    return certificate


def _publish(lender: Lender, authority: CertificateAuthority, at: timedelta) -> PublishedCRL:
    with lender.role() as connection:
        return publish_crl(connection, authority, START + at)


def _told(crl: PublishedCRL) -> dict[int, RevokedCertificate]:
    return revoked_in(x509.load_der_x509_crl(crl.der))


def _is_due(lender: Lender, trial: Trial, at: timedelta) -> bool:
    with lender.role("enrolment") as connection:
        return due_crl(connection, trial.issuer.issuer_id, START + at)


def _set(lender: Lender, certificate: x509.Certificate, status: str) -> None:
    serial = f"{certificate.serial_number:x}"
    with lender.owner() as connection:
        connection.execute(
            "UPDATE casegate.credential SET status = %s WHERE serial_number = %s",
            (status, serial),
        )


def _revoke(lender: Lender, certificate: x509.Certificate, reason: ReasonFlags) -> None:
    rows = lender.query(
        "SELECT thumbprint FROM casegate.credential WHERE serial_number = %s",
        (f"{certificate.serial_number:x}",),
    )
    thumbprint = rows[0][0]
    assert isinstance(thumbprint, bytes)
    with lender.role() as connection:
        revoke_certificate(connection, thumbprint, reason=reason, actor=ACTOR, at=START + HOUR)


def test_a_rollover_makes_one_active_and_one_retiring_issuer(lender: Lender, trial: Trial) -> None:
    _enrol(lender, trial)
    newer = next_issuer(trial.files, trial.root, START + HOUR)
    with lender.role() as connection:
        for _twice in range(2):
            add_issuer(connection, newer.certificate, actor=ACTOR, at=START + HOUR)
        found = list_issuers(connection, START + HOUR)

    assert [(one.issuer_id, one.status, one.live) for one in found] == [
        (newer.issuer_id, "active", 0),
        (trial.issuer.issuer_id, "retiring", 1),
    ]
    with lender.role() as connection, pytest.raises(AlreadyExistsError, match="retiring"):
        add_issuer(connection, trial.issuer.certificate, actor=ACTOR, at=START + HOUR)


def test_what_a_certificate_is_registered_with_is_kept(lender: Lender, trial: Trial) -> None:
    certificate = _enrol(lender, trial)

    assert lender.query(
        "SELECT credential_ref, system, scope, issuer_id, replaces, certificate"
        " FROM casegate.credential WHERE issuer_id IS NOT NULL"
    ) == [
        (
            "ref-1",
            "dialer",
            "full",
            trial.issuer.issuer_id,
            None,
            certificate.public_bytes(Encoding.DER),
        )
    ]


def test_a_list_has_what_is_revoked_with_its_reason_and_lives_a_day(
    lender: Lender, trial: Trial
) -> None:
    revoked, _good = _enrol(lender, trial), _enrol(lender, trial)
    _revoke(lender, revoked, ReasonFlags.key_compromise)

    published = _publish(lender, trial.issuer, 2 * HOUR)

    crl = x509.load_der_x509_crl(published.der)
    verify_crl(crl, trial.issuer.certificate, START + 2 * HOUR)
    assert crl.next_update_utc == START + 2 * HOUR + CRL_LIFE
    assert crl.last_update_utc == START + 2 * HOUR - CLOCK_SKEW
    assert list(_told(published).values()) == [
        RevokedCertificate(revoked.serial_number, START + HOUR, ReasonFlags.key_compromise)
    ]
    with lender.role("enrolment") as connection:
        assert newest_crl(connection, trial.issuer.issuer_id) == published


def test_every_list_is_in_the_log_and_has_the_next_number(lender: Lender, trial: Trial) -> None:
    before = lender.query("SELECT size FROM audit.tail")[0][0]
    published = [_publish(lender, trial.issuer, number * HOUR) for number in range(3)]

    assert isinstance(before, int)
    assert lender.query("SELECT size FROM audit.tail") == [(before + 3,)]
    assert [one.number for one in published] == [1, 2, 3]
    assert [crl_number(x509.load_der_x509_crl(one.der)) for one in published] == [1, 2, 3]


def test_callers_at_once_get_different_numbers(lender: Lender, trial: Trial) -> None:
    numbers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: numbers.append(_publish(lender, trial.issuer, HOUR).number)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == [1, 2, 3, 4]


def test_a_list_is_due_at_first_after_six_hours_and_at_each_revocation(
    lender: Lender, trial: Trial
) -> None:
    certificate = _enrol(lender, trial)
    assert _is_due(lender, trial, timedelta(0))

    _publish(lender, trial.issuer, timedelta(0))
    assert not _is_due(lender, trial, CRL_RENEWAL - HOUR)
    assert _is_due(lender, trial, CRL_RENEWAL)

    _revoke(lender, certificate, ReasonFlags.superseded)
    assert _is_due(lender, trial, HOUR)
    _publish(lender, trial.issuer, HOUR)
    assert not _is_due(lender, trial, HOUR)


def test_a_suspension_is_a_hold_and_leaves_the_list_when_it_is_lifted(
    lender: Lender, trial: Trial
) -> None:
    certificate = _enrol(lender, trial)
    _publish(lender, trial.issuer, timedelta(0))
    _set(lender, certificate, "suspended")
    assert _is_due(lender, trial, HOUR)

    held = _publish(lender, trial.issuer, HOUR)
    again = _publish(lender, trial.issuer, 2 * HOUR)
    assert not _is_due(lender, trial, 2 * HOUR)
    _set(lender, certificate, "active")
    assert _is_due(lender, trial, 2 * HOUR)
    lifted = _publish(lender, trial.issuer, 3 * HOUR)

    entry = RevokedCertificate(
        certificate.serial_number, START + HOUR, ReasonFlags.certificate_hold
    )
    assert list(_told(held).values()) == list(_told(again).values()) == [entry]
    assert _told(lifted) == {}


def test_a_suspended_vendor_holds_all_its_certificates(lender: Lender, trial: Trial) -> None:
    certificates = [_enrol(lender, trial) for _ in range(2)]
    with lender.owner() as connection:
        connection.execute(
            "UPDATE casegate.vendor SET status = 'suspended' WHERE vendor_id = 'alpha'"
        )

    told = _told(_publish(lender, trial.issuer, HOUR))

    assert {one.serial_number for one in certificates} == set(told)
    assert {one.reason for one in told.values()} == {ReasonFlags.certificate_hold}


def test_a_hold_that_becomes_a_revocation_changes_its_reason(lender: Lender, trial: Trial) -> None:
    certificate = _enrol(lender, trial)
    _set(lender, certificate, "suspended")
    _publish(lender, trial.issuer, timedelta(0))
    _revoke(lender, certificate, ReasonFlags.key_compromise)

    assert _is_due(lender, trial, HOUR)
    told = _told(_publish(lender, trial.issuer, HOUR))
    assert [one.reason for one in told.values()] == [ReasonFlags.key_compromise]


def test_an_ended_certificate_is_in_one_more_list_and_then_in_none(
    lender: Lender, trial: Trial
) -> None:
    certificate = _enrol(lender, trial)
    _revoke(lender, certificate, ReasonFlags.superseded)
    _publish(lender, trial.issuer, timedelta(days=89))

    first = _publish(lender, trial.issuer, timedelta(days=91))
    is_due = _is_due(lender, trial, timedelta(days=91))
    second = _publish(lender, trial.issuer, timedelta(days=92))

    assert certificate.serial_number in _told(first)
    assert not is_due
    assert _told(second) == {}
    assert not _is_due(lender, trial, timedelta(days=92))


def test_a_list_of_an_issuer_that_is_not_on_record_is_refused(
    lender: Lender, tmp_path: Path
) -> None:
    stranger = Trial.make(tmp_path / "elsewhere", START).issuer

    with pytest.raises(NotFoundError, match="ca adopt"):
        _publish(lender, stranger, timedelta(0))


def test_status_answers_come_from_the_record(lender: Lender, trial: Trial) -> None:
    good, revoked, held = (_enrol(lender, trial) for _ in range(3))
    _revoke(lender, revoked, ReasonFlags.key_compromise)
    _set(lender, held, "suspended")
    issuer, at = trial.issuer.issuer_id, START + 2 * HOUR

    with lender.role("enrolment") as connection:
        assert status_of(connection, issuer, good.serial_number, at) is True
        assert status_of(connection, issuer, 12345, at) is None
        assert status_of(connection, b"\x00" * 32, good.serial_number, at) is None
        assert status_of(connection, issuer, revoked.serial_number, at) == RevokedCertificate(
            revoked.serial_number, START + HOUR, ReasonFlags.key_compromise
        )
        assert status_of(connection, issuer, held.serial_number, at) == RevokedCertificate(
            held.serial_number, at, ReasonFlags.certificate_hold
        )


def _with_authority(lender: Lender) -> Settings:
    own = AuthoritySettings(
        issuing_key=Path("secrets/issuing.key"),
        passphrase="file:secrets/issuing.passphrase",
        trust_host=HOST,
        public_url=URL,
    )
    directory = lender.database.settings.directory
    write_private_file(directory / "secrets" / "issuing.passphrase", PASSPHRASE.reveal())
    return _settings(directory, own)


def _settings(directory: Path, own: AuthoritySettings) -> Settings:
    return Settings.model_validate(
        {
            "issuer": "https://gateway.example",
            "vendor": {"port": 8443},
            "company": {"port": 8444},
            "tls": dict.fromkeys(
                ("server_certificate", "server_key", "vendor_ca", "staff_ca"), "unused.pem"
            ),
            "authority": own.model_dump(),
            "directory": directory,
        }
    )


def test_settings_open_the_active_authority_and_those_retiring(
    lender: Lender, trial: Trial
) -> None:
    settings = _with_authority(lender)
    newer = next_issuer(trial.files, trial.root, START + HOUR)

    active = load_authority(settings)
    found = load_authorities(settings)

    assert active.certificate == newer.certificate
    assert [one.issuer_id for one in found] == [newer.issuer_id, trial.issuer.issuer_id]
    assert active.points is not None
    assert active.points.crl_url == f"{URL}/crl/{newer.issuer_id.hex()}.crl"
    # A key that went into another safe is no fault: its list just ends.
    next(trial.files.key.parent.glob("issuing-*.key")).unlink()
    assert [one.issuer_id for one in load_authorities(settings)] == [newer.issuer_id]


@pytest.mark.skipif(MODULE is None, reason="SoftHSM is not installed: apt-get install softhsm2")
def test_settings_open_authorities_whose_keys_are_in_a_device(tmp_path: Path) -> None:
    device = soft_device()
    files = HierarchyFiles(tmp_path)
    root = make_root(files, passphrase=ROOT_PASSPHRASE, at=START)
    made = []
    for label in ("issuing", "next"):
        key = DeviceKey(device.module, token="casegate", label=label, pin=PIN)
        made.append(
            make_issuer(files, root, host=HOST, public_url=URL, key=key.public_key(), at=START)
        )
        key.close()
    own = AuthoritySettings(
        pkcs11=DeviceKeySettings(
            module=device.module,
            token="casegate",
            key="next",
            pin="env:CASEGATE_PIN",
            retiring=("issuing",),
        ),
        trust_host=HOST,
        public_url=URL,
    )
    settings = _settings(tmp_path, own)

    found = load_authorities(settings, {"CASEGATE_PIN": PIN.reveal().decode()})

    assert [one.certificate for one in found] == made[::-1]
    assert not files.key.exists()
    for authority in found:
        leaf = Trial(files, root, authority).vendor(START)
        leaf.verify_directly_issued_by(authority.certificate)
        authority.key.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"issuing_key": "secrets/issuing.key"},
        {"issuing_key": "k", "passphrase": "plain words"},
        {"issuing_key": "k", "passphrase": "env:P", "trust_host": "https://casegate.example"},
        {"issuing_key": "k", "passphrase": "env:P", "public_url": "https://x.example/"},
        {
            "issuing_key": "k",
            "passphrase": "env:P",
            "pkcs11": {"module": "m", "token": "t", "key": "k", "pin": "env:PIN"},
        },
    ],
    ids=["no key", "no passphrase", "no reference", "host", "address", "two keys"],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AuthoritySettings.model_validate({"trust_host": HOST, "public_url": URL, **changes})


def test_without_an_authority_the_way_out_is_told(lender: Lender) -> None:
    with pytest.raises(ConfigurationError, match="casegate ca init"):
        load_authority(lender.database.settings)


def test_a_passphrase_of_another_key_is_told(lender: Lender, trial: Trial) -> None:
    settings = _with_authority(lender)
    (settings.directory / "secrets" / "issuing.passphrase").write_text("another\n")

    with pytest.raises(KeyFileError, match="another passphrase"):
        load_authority(settings)
    assert trial.files.key.exists()
