"""Makes a complete trial installation in a directory: keys, certificates, database, sample cases.

Layout (a contract for scripts, stable): `casegate.toml`, `ca/`, `vendors/<vendor_id>/` and
`staff/<role>/` each with client.pem, client.key and ca.pem, `policies/`, `truth.ndjson`.
"""

import importlib.resources
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.app import Office, load_policies, log_signer, read_key, release_profiles
from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.identity.principal import StaffRole
from gateway.operations.registration import (
    StaffOwner,
    VendorOwner,
    register_contract,
    register_credential,
    register_vendor,
)
from gateway.portfolio.reader import open_portfolio
from gateway.portfolio.rows import CaseRow, RowParser
from gateway.portfolio.sample import write_sample_portfolio
from gateway.portfolio.sealing import RowSealer
from gateway.settings import Settings, load_settings
from gateway.store.database import Database, connect, locate_database
from gateway.store.migrate import migrate
from keys.authority import CertificateAuthority, Issued, new_authority
from keys.kek import LocalKeyEncryptionKey, new_secret_key
from keys.profiles import Profile
from keys.secret import write_private_file
from policies.fields import load_field_catalog

CASES_A_VENDOR = 200
VENDORS = {"alpha": "阿尔法信息服务（样例）", "beta": "贝塔商务咨询（样例）"}
_ACTOR = "cli:sandbox"
_CA_LIFETIME = timedelta(days=3650)
_SERVER_LIFETIME = timedelta(days=397)

_TOML = """\
# Casegate: a trial installation. Paths start at this file's directory.
issuer = "https://localhost:{vendor_port}"
policies = "policies"

[vendor]
host = "127.0.0.1"
port = {vendor_port}
workers = 2

[company]
host = "127.0.0.1"
port = {company_port}
workers = 1

[tls]
server_certificate = "ca/server.pem"
server_key = "secrets/server.key"
vendor_ca = "ca/vendor-ca.pem"
staff_ca = "ca/staff-ca.pem"

[database]
# CASEGATE_DATABASE_URL wins over this; without a URL the embedded server is used (trials only).
embedded_directory = "var/postgres"
passwords = "secrets/database.json"

[keys]
kek = "file:secrets/kek.key"
pseudonym = "file:secrets/pseudonym.key"
index = "file:secrets/index.key"
token_signing = "secrets/token-signing.pem"
log_signing = "secrets/log-signing.pem"

[audit]
origin = "casegate.localhost/sandbox"
deadline_seconds = 2.0
export = "var/log"
"""

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Authorities:
    vendor: CertificateAuthority
    staff: CertificateAuthority
    server: CertificateAuthority


def make_sandbox(
    directory: Path,
    *,
    vendor_port: int,
    company_port: int,
    clock: Clock,
    cases: int = CASES_A_VENDOR,
    step: Step = lambda _text: None,
) -> Settings:
    """Makes the installation; `step` hears what is being done.

    Raises:
        ConfigurationError: the directory is not empty, or the database is in use already.
    """
    # Before anything is written: a named database must be free.
    named = os.environ.get("CASEGATE_DATABASE_URL")
    if named:
        _verify_unused(named)
    _claim(directory)
    now = clock.now()
    step("keys and certificates")
    _write_keys(directory)
    authorities = _write_authorities(directory, now)
    config = directory / "casegate.toml"
    config.write_text(_TOML.format(vendor_port=vendor_port, company_port=company_port))
    _copy_policies(directory / "policies")
    settings = load_settings(config)
    step("database, roles and tables")
    database = locate_database(settings)
    migrate(database)
    (directory / "log.vkey").write_text(log_signer(settings).verifier_key + "\n")
    step("vendors, contracts and staff")
    office = Office(database, clock)
    _register(directory, office, authorities, now)
    step(f"{cases} sample cases for each vendor")
    truth = directory / "truth.ndjson"
    write_private_file(truth, b"")
    for number, vendor_id in enumerate(VENDORS):
        portfolio = directory / "vendors" / vendor_id / "portfolio.csv"
        os.close(os.open(portfolio, os.O_CREAT | os.O_WRONLY, 0o600))
        write_sample_portfolio(cases, portfolio, seed=20260101 + number)
        report = office.import_file(
            portfolio,
            vendor_id,
            contract_of(vendor_id),
            actor=_ACTOR,
            rejects=portfolio.with_name("portfolio.rejected.csv"),
        )
        if report.assigned != cases:
            raise ConfigurationError(f"only {report.assigned} of {cases} sample cases went in")
        _write_truth(truth, portfolio, vendor_id, database)
        # The lender's file does not belong to the vendor.
        portfolio.rename(directory / f"portfolio-{vendor_id}.csv")
    return settings


def contract_of(vendor_id: str) -> str:
    """The sandbox's contract of a vendor."""
    return f"{vendor_id}-2026"


def _claim(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ConfigurationError(f"{directory} is not empty; name a new directory")
    directory.chmod(0o755)  # the embedded server runs under a user of its own when we are root


def _write_keys(directory: Path) -> None:
    secrets = directory / "secrets"
    secrets.mkdir(mode=0o700)
    for name in ("kek.key", "pseudonym.key", "index.key"):
        write_private_file(secrets / name, new_secret_key())
    for name in ("token-signing.pem", "log-signing.pem"):
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private_file(secrets / name, pem)


def _write_authorities(directory: Path, now: datetime) -> _Authorities:
    folder = directory / "ca"
    folder.mkdir()

    def make(name: str, common_name: str) -> CertificateAuthority:
        authority = new_authority(common_name, not_before=now, not_after=now + _CA_LIFETIME)
        (folder / f"{name}.pem").write_bytes(authority.certificate_pem)
        return authority

    authorities = _Authorities(
        vendor=make("vendor-ca", "Casegate sandbox vendor CA"),
        staff=make("staff-ca", "Casegate sandbox staff CA"),
        server=make("server-ca", "Casegate sandbox server CA"),
    )
    server = authorities.server.issue(
        Profile.GATEWAY_SERVER,
        common_name="localhost",
        not_before=now,
        not_after=now + _SERVER_LIFETIME,
        dns_names=["localhost"],
        addresses=["127.0.0.1", "::1"],
    )
    (folder / "server.pem").write_bytes(server.certificate_pem)
    write_private_file(directory / "secrets" / "server.key", server.private_key_pem)
    return authorities


def _copy_policies(folder: Path) -> None:
    folder.mkdir()
    for file in (importlib.resources.files("policies") / "vendors").iterdir():
        if file.name.endswith(".yaml"):
            (folder / file.name).write_bytes(file.read_bytes())


def _verify_unused(url: str) -> None:
    with connect(url) as connection:
        row = connection.execute("SELECT to_regclass('casegate.vendor')").fetchone()
    if row is not None and row[0] is not None:
        raise ConfigurationError(
            "the database belongs to another installation; name an empty one in"
            " CASEGATE_DATABASE_URL, or unset it to use the embedded server"
        )


def _register(directory: Path, office: Office, authorities: _Authorities, now: datetime) -> None:
    policies = load_policies(office.database.settings)
    with office.connection() as connection:
        for vendor_id, name in VENDORS.items():
            contract_id = contract_of(vendor_id)
            policy = policies.policy(vendor_id, contract_id)
            assert policy is not None
            term = policy.term
            register_vendor(connection, vendor_id, name=name, actor=_ACTOR, at=now)
            register_contract(
                connection,
                contract_id,
                vendor_id=vendor_id,
                starts_at=term.begins,
                ends_at=term.ends,
                actor=_ACTOR,
                at=now,
            )
            issued = authorities.vendor.issue(
                Profile.VENDOR_CLIENT,
                common_name=vendor_id,
                not_before=now,
                not_after=term.ends,
                uris=[f"urn:casegate:vendor:{vendor_id}:{contract_id}"],
            )
            owner = VendorOwner(vendor_id, contract_id)
            register_credential(connection, issued.certificate, owner, actor=_ACTOR, at=now)
            _write_client(directory / "vendors" / vendor_id, issued, authorities.server)
        for role in StaffRole:
            issued = authorities.staff.issue(
                Profile.STAFF_CLIENT,
                common_name=f"sandbox {role.value}",
                not_before=now,
                not_after=now + timedelta(days=90),
                uris=[f"urn:casegate:staff:{role.value}"],
            )
            staff = StaffOwner(f"sandbox-{role.value}", role)
            register_credential(connection, issued.certificate, staff, actor=_ACTOR, at=now)
            _write_client(directory / "staff" / role.value, issued, authorities.server)


def _write_client(folder: Path, issued: Issued, server: CertificateAuthority) -> None:
    folder.mkdir(parents=True)
    (folder / "client.pem").write_bytes(issued.certificate_pem)
    write_private_file(folder / "client.key", issued.private_key_pem)
    (folder / "ca.pem").write_bytes(server.certificate_pem)


def _write_truth(truth: Path, portfolio: Path, vendor_id: str, database: Database) -> None:
    """Appends the unmasked records with the reference that the vendor knows each by."""
    settings = database.settings
    kek = LocalKeyEncryptionKey(read_key(settings, settings.keys.kek))
    contract_id = contract_of(vendor_id)
    pseudonyms = release_profiles(settings).pseudonym_key(vendor_id, contract_id)
    sealer = RowSealer(read_key(settings, settings.keys.index), kek, pseudonyms, contract_id)
    with connect(database.conninfo("company")) as connection:
        refs = {
            bytes(row[0]): row[1]
            for row in connection.execute(
                "SELECT r.source_mac, a.case_ref FROM casegate.assigned_case a"
                " JOIN casegate.case_record r USING (case_id) WHERE a.vendor_id = %s",
                (vendor_id,),
            )
        }
    with (
        open_portfolio(portfolio, load_field_catalog()) as file,
        truth.open("ab") as output,
    ):
        parser = RowParser(file.columns)
        for raw in file.rows():
            row = parser.parse(raw)
            assert isinstance(row, CaseRow)
            line = {
                "vendor_id": vendor_id,
                "contract_id": contract_of(vendor_id),
                "case_ref": refs[sealer.macs(row).source],
                **row.record,
            }
            output.write(orjson.dumps(line) + b"\n")
