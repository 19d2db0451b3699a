from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.crl import RevokedCertificate, build_crl, crl_number, revoked_in, verify_crl
from keys.errors import RevocationListError
from tests.keys.outside import crl_findings, openssl, verdict
from tests.keys.trials import DAY, NOW, Trial

TOLD = [reason for reason in ReasonFlags if reason is not ReasonFlags.remove_from_crl]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial.make(tmp_path_factory.mktemp("hierarchy"))


def _list(
    trial: Trial, *entries: RevokedCertificate, number: int = 1, at: datetime = NOW
) -> x509.CertificateRevocationList:
    return build_crl(trial.issuer, entries, number=number, this_update=at, next_update=at + DAY)


def _entry(certificate: x509.Certificate, reason: ReasonFlags) -> RevokedCertificate:
    return RevokedCertificate(certificate.serial_number, NOW, reason)


def test_openssl_accepts_the_list_and_reads_its_number(trial: Trial, tmp_path: Path) -> None:
    crl = _list(trial, _entry(trial.vendor(), ReasonFlags.key_compromise), number=4711)
    (tmp_path / "list.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    trusted = trial.files.bundle

    checked = openssl(tmp_path, "crl", "-in", "list.pem", "-CAfile", str(trusted), "-noout")
    read = openssl(tmp_path, "crl", "-in", "list.pem", "-noout", "-crlnumber", "-nextupdate")

    assert (checked.returncode, checked.stderr.strip()) == (0, "verify OK")
    assert "crlNumber=0x1267" in read.stdout
    assert "nextUpdate=May  2 00:00:00 2026 GMT" in read.stdout


def test_openssl_refuses_an_altered_list(trial: Trial, tmp_path: Path) -> None:
    der = bytearray(_list(trial).public_bytes(Encoding.DER))
    der[-1] ^= 1
    (tmp_path / "list.der").write_bytes(der)

    arguments = ["crl", "-inform", "DER", "-in", "list.der", "-noout"]
    checked = openssl(tmp_path, *arguments, "-CAfile", str(trial.files.bundle))

    assert "verify failure" in checked.stderr


@pytest.mark.parametrize("reason", TOLD)
def test_openssl_refuses_a_certificate_in_the_list_and_no_other(
    trial: Trial, tmp_path: Path, reason: ReasonFlags
) -> None:
    revoked, other = trial.vendor(), trial.vendor()
    root = x509.load_der_x509_crl(trial.files.root_crl.read_bytes())
    crls = [_list(trial, _entry(revoked, reason)), root]

    assert "revoked" in verdict(tmp_path, revoked, trusted=trial.trusted, at=NOW, crls=crls)
    assert verdict(tmp_path, other, trusted=trial.trusted, at=NOW, crls=crls) == "OK"


def test_openssl_refuses_everybody_once_the_list_is_over(trial: Trial, tmp_path: Path) -> None:
    root = x509.load_der_x509_crl(trial.files.root_crl.read_bytes())

    found = verdict(
        tmp_path,
        trial.vendor(),
        trusted=trial.trusted,
        at=NOW + 2 * DAY,
        crls=[_list(trial), root],
    )

    assert "CRL has expired" in found


def test_pkilint_has_nothing_to_say(trial: Trial, tmp_path: Path) -> None:
    full = _list(trial, *(_entry(trial.vendor(), reason) for reason in TOLD))
    root = x509.load_der_x509_crl(trial.files.root_crl.read_bytes())

    assert crl_findings(tmp_path, full, "CRL") == ""
    assert crl_findings(tmp_path, _list(trial), "CRL") == ""
    assert crl_findings(tmp_path, root, "ARL") == ""


@settings(max_examples=40, deadline=None)
@given(
    entries=st.dictionaries(
        st.integers(min_value=1, max_value=2**159 - 1), st.sampled_from(TOLD), max_size=20
    ),
    number=st.integers(min_value=1, max_value=2**63 - 1),
)
def test_what_goes_in_comes_out(
    trial: Trial, entries: dict[int, ReasonFlags], number: int
) -> None:
    expected = {
        serial: RevokedCertificate(serial, NOW, reason) for serial, reason in entries.items()
    }

    crl = _list(trial, *expected.values(), number=number)

    assert revoked_in(crl) == expected
    assert crl_number(crl) == number
    verify_crl(crl, trial.issuer.certificate, NOW)


def test_a_list_without_a_reason_leaves_the_extension_out(trial: Trial) -> None:
    crl = _list(trial, RevokedCertificate(7, NOW))

    assert [len(entry.extensions) for entry in crl] == [0]


@pytest.mark.parametrize("at", [NOW - timedelta(seconds=1), NOW + DAY, NOW + 2 * DAY])
def test_a_list_is_current_from_its_update_until_the_next(trial: Trial, at: datetime) -> None:
    with pytest.raises(RevocationListError, match="not current"):
        verify_crl(_list(trial), trial.issuer.certificate, at)


def test_the_list_of_another_authority_is_refused(trial: Trial) -> None:
    with pytest.raises(RevocationListError, match="another authority"):
        verify_crl(_list(trial), trial.root.certificate, NOW)


def test_an_altered_list_is_refused(trial: Trial) -> None:
    der = bytearray(_list(trial).public_bytes(Encoding.DER))
    der[-1] ^= 1

    with pytest.raises(RevocationListError, match="another authority"):
        verify_crl(x509.load_der_x509_crl(bytes(der)), trial.issuer.certificate, NOW)


def test_a_list_without_a_number_is_refused(trial: Trial) -> None:
    bare = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(trial.issuer.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + DAY)
        .sign(trial.issuer.key, SHA256())
    )

    with pytest.raises(RevocationListError, match="no number"):
        verify_crl(bare, trial.issuer.certificate, NOW)


def test_a_serial_twice_an_empty_life_and_a_reason_of_differences_are_refused(
    trial: Trial,
) -> None:
    with pytest.raises(RevocationListError, match="twice"):
        _list(trial, RevokedCertificate(7, NOW), RevokedCertificate(7, NOW))
    with pytest.raises(RevocationListError, match="no full list"):
        _list(trial, RevokedCertificate(7, NOW, ReasonFlags.remove_from_crl))
    with pytest.raises(RevocationListError, match="end after it begins"):
        build_crl(trial.issuer, [], number=1, this_update=NOW, next_update=NOW)
