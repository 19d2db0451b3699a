import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ReasonFlags

from keys.authority import CertificateAuthority, new_authority
from keys.crl import RevokedCertificate, crl_number, revoked_in, verify_crl
from keys.errors import CertificateError, KeyFileError, RevocationListError
from keys.hierarchy import (
    HierarchyFiles,
    inherited,
    issuers_on_disk,
    make_issuer,
    make_root,
    open_root,
    read_crl,
    renew_root_crl,
    retired_path,
)
from keys.issuing_key import load_certificates, load_issuing_key
from keys.profiles import Profile
from keys.secret import Secret
from tests.keys.outside import verdict
from tests.keys.trials import (
    DAY,
    HOST,
    NOW,
    PASSPHRASE,
    ROOT_PASSPHRASE,
    URL,
    Trial,
    next_issuer,
)


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial.make(tmp_path)


def test_keys_rest_encrypted_in_files_of_their_owner_alone(trial: Trial) -> None:
    files = trial.files

    assert stat.S_IMODE(files.root_key.parent.stat().st_mode) == 0o700
    for path in (files.root_key, files.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().splitlines()[0].strip("-") == "BEGIN ENCRYPTED PRIVATE KEY"


def test_the_bundle_has_the_issuer_and_the_root(trial: Trial) -> None:
    assert load_certificates(trial.files.bundle) == trial.trusted
    assert load_certificates(trial.files.certificate) == [trial.issuer.certificate]


def test_nothing_is_overwritten(trial: Trial) -> None:
    before = trial.files.root_key.read_bytes()

    with pytest.raises(KeyFileError, match="nothing is overwritten"):
        make_root(trial.files, passphrase=ROOT_PASSPHRASE, at=NOW)

    assert trial.files.root_key.read_bytes() == before


def test_the_root_opens_with_its_passphrase_and_with_no_other(trial: Trial) -> None:
    assert open_root(trial.files, ROOT_PASSPHRASE).certificate == trial.root.certificate
    with pytest.raises(KeyFileError, match="another passphrase"):
        open_root(trial.files, PASSPHRASE)


def test_a_root_in_the_safe_is_missed_in_plain_words(trial: Trial) -> None:
    trial.files.root_certificate.unlink()

    with pytest.raises(CertificateError, match=r"root\.pem cannot be read"):
        open_root(trial.files, ROOT_PASSPHRASE)


def test_after_a_rollover_certificates_of_both_issuers_are_accepted(
    trial: Trial, tmp_path: Path
) -> None:
    old = trial.vendor()
    issuer = next_issuer(trial.files, trial.root, NOW + DAY)
    new = Trial(trial.files, trial.root, issuer).vendor(NOW + DAY)
    trusted = load_certificates(trial.files.bundle)

    assert trusted == [issuer.certificate, trial.issuer.certificate, trial.root.certificate]
    assert issuer.certificate.subject != trial.issuer.certificate.subject
    for leaf in (old, new):
        assert verdict(tmp_path, leaf, trusted=trusted, at=NOW + 2 * DAY) == "OK"
    # The issuer before goes on signing its list: its key is kept under the name of a retiring one.
    kept = retired_path(trial.files.key, trial.issuer.issuer_id)
    assert load_issuing_key(kept, PASSPHRASE).public_key() == (
        trial.issuer.certificate.public_key()
    )


def test_the_next_issuer_inherits_host_and_address(trial: Trial) -> None:
    assert inherited(trial.issuer.certificate) == (HOST, URL)
    with pytest.raises(CertificateError, match="to inherit"):
        inherited(trial.root.certificate)


def test_an_issuer_whose_time_is_over_leaves_the_bundle(trial: Trial) -> None:
    later = trial.issuer.certificate.not_valid_after_utc

    issuer = next_issuer(trial.files, trial.root, later)

    assert issuers_on_disk(trial.files, later) == [issuer.certificate]
    assert load_certificates(trial.files.bundle) == [issuer.certificate, trial.root.certificate]


def test_an_issuer_for_a_key_of_a_device_writes_no_key(tmp_path: Path) -> None:
    files = HierarchyFiles(tmp_path)
    root = make_root(files, passphrase=ROOT_PASSPHRASE, at=NOW)
    public = ec.generate_private_key(ec.SECP256R1()).public_key()

    made = make_issuer(files, root, host=HOST, public_url=URL, key=public, at=NOW)

    assert made.public_key() == public
    assert not files.key.exists()
    with pytest.raises(CertificateError, match="make a new one"):
        make_issuer(files, root, host=HOST, public_url=URL, key=public, at=NOW)


def test_the_root_revokes_an_issuer_and_openssl_refuses_all_below_it(
    trial: Trial, tmp_path: Path
) -> None:
    leaf = trial.vendor()
    first = read_crl(trial.files.root_crl)
    entry = RevokedCertificate(
        trial.issuer.certificate.serial_number, NOW, ReasonFlags.ca_compromise
    )

    second = renew_root_crl(trial.files, trial.root, revoked=[entry], at=NOW + DAY)
    third = renew_root_crl(trial.files, trial.root, at=NOW + 2 * DAY)

    verify_crl(third, trial.root.certificate, NOW + 3 * DAY)
    assert [crl_number(crl) for crl in (first, second, third)] == [1, 2, 3]
    assert list(revoked_in(third).values()) == [entry]
    own = _own_list(trial.issuer)
    at = NOW + 3 * DAY
    assert verdict(tmp_path, leaf, trusted=trial.trusted, at=at, crls=[own, first]) == "OK"
    assert "revoked" in verdict(tmp_path, leaf, trusted=trial.trusted, at=at, crls=[own, third])


def test_a_list_that_is_another_root_s_or_none_is_not_continued(trial: Trial) -> None:
    stranger = new_authority("stranger", not_before=NOW, not_after=NOW + DAY, path_length=1)

    with pytest.raises(RevocationListError, match="another root"):
        renew_root_crl(trial.files, stranger, at=NOW)
    trial.files.root_crl.write_bytes(b"nothing")
    with pytest.raises(RevocationListError, match="no revocation list"):
        renew_root_crl(trial.files, trial.root, at=NOW)


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example/vendor/alpha",
        "https://sub.casegate.example/vendor/alpha",
        "https://casegate.example.evil.example/vendor/alpha",
        "https://xcasegate.example/vendor/alpha",
    ],
)
def test_openssl_refuses_a_foreign_host_under_the_issuer(
    trial: Trial, tmp_path: Path, uri: str
) -> None:
    leaf = trial.issuer.issue(
        Profile.VENDOR_CLIENT,
        common_name="vendor alpha stolen",
        not_before=NOW,
        not_after=NOW + DAY,
        uris=[uri],
    ).certificate

    assert "permitted subtree violation" in verdict(tmp_path, leaf, trusted=trial.trusted, at=NOW)


@pytest.mark.parametrize(
    ("dns_names", "addresses"),
    [(["gateway.example"], []), ([HOST], []), ([], ["127.0.0.1"]), ([], ["::1"])],
)
def test_openssl_refuses_a_server_of_any_name_under_the_issuer(
    trial: Trial, tmp_path: Path, dns_names: list[str], addresses: list[str]
) -> None:
    leaf = trial.issuer.issue(
        Profile.GATEWAY_SERVER,
        common_name="stolen key",
        not_before=NOW,
        not_after=NOW + DAY,
        dns_names=dns_names,
        addresses=addresses,
    ).certificate

    assert "excluded subtree violation" in verdict(tmp_path, leaf, trusted=trial.trusted, at=NOW)


def test_openssl_refuses_a_further_authority_under_the_issuer(
    trial: Trial, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sub = trial.issuer.new_issuer(
        "below",
        public_key=key.public_key(),
        uri_host=HOST,
        not_before=NOW,
        not_after=NOW + DAY,
    )
    leaf = Trial(trial.files, trial.root, CertificateAuthority(sub, key)).vendor()

    found = verdict(tmp_path, leaf, trusted=[sub, *trial.trusted], at=NOW)

    assert "path length constraint exceeded" in found


def test_a_rollover_that_fails_leaves_the_old_one_in_place(trial: Trial) -> None:
    unusable = Secret(b"")

    with pytest.raises(ValueError, match=r".+"):
        make_issuer(trial.files, trial.root, host=HOST, public_url=URL, key=unusable, at=NOW + DAY)

    assert load_certificates(trial.files.certificate) == [trial.issuer.certificate]
    assert trial.files.key.exists()


def _own_list(issuer: CertificateAuthority) -> x509.CertificateRevocationList:
    return (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + 30 * DAY)
        .add_extension(issuer.key_identifier, critical=False)
        .add_extension(x509.CRLNumber(1), critical=False)
        .sign(issuer.key, SHA256())
    )
