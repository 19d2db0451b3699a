"""Makes a complete trial installation in a directory: keys, certificates, database, sample cases.

Layout (a contract for scripts, stable): `casegate.toml`, `ca/`, `vendors/<vendor_id>/` and
`staff/<role>/` each with client.pem, client.key and ca.pem, `policies/`, `truth.ndjson`. The root
of the vendors' certificates is under `offline/` with its passphrase beside it: for trials only.
"""

import os
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.clock import Clock
from gateway.errors import ConfigurationError
from gateway.identity.principal import StaffRole
from gateway.installation import (
    load_policies,
    log_signer,
    read_key,
    release_profiles,
    write_report_key,
)
from gateway.office import Office
from gateway.operations.issuers import add_issuer, publish_crl
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
from gateway.trial.authorities import (
    PUBLIC_URL,
    TRUST_HOST,
    TrialAuthorities,
    write_authorities,
    write_client,
)
from gateway.trial.call_centre import open_call_centre
from keys.kek import LocalKeyEncryptionKey, new_secret_key
from keys.profiles import Profile
from keys.secret import write_private_file
from keys.vendor_certificate import VendorSubject, staff_uri
from policies.fields import load_field_catalog
from policies.library import FOLDERS
from policies.load import PARAMETERS_FILE, packaged_directory

CASES_A_VENDOR = 200
VENDORS = {"alpha": "阿尔法信息服务（样例）", "beta": "贝塔商务咨询（样例）"}
_ACTOR = "cli:sandbox"
# Made up: what a company has to decide before anything is activated.
_SAMPLE_DECISIONS = {
    "service.satisfaction_min_pct": "90",
    "writeoff.min_effort_months": "6",
    "writeoff.min_effort_attempts": "30",
    "writeoff.min_effort_contacts": "3",
    "routing.special": "customer-care, deputy compliance",
    "routing.complaint": "consumer-protection, deputy compliance",
    "routing.repay": "finance, deputy operations",
    "routing.guidance": "collection-office, deputy operations",
}

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

[authority]
certificate = "ca/issuing.pem"
issuing_key = "secrets/issuing.key"
passphrase = "file:secrets/issuing.passphrase"
trust_host = "{trust_host}"
public_url = "{public_url}"

[audit]
origin = "casegate.localhost/sandbox"
deadline_seconds = 2.0
export = "var/log"
"""

# Only where a port for it is named.
_ENROLMENT_TOML = """
[enrolment]
host = "127.0.0.1"
port = {enrolment_port}
"""

_TRIAL_TOML = """
# A trial's wall clock; without this section it is the machine's.
[trial]
clock = {clock}
since = {since}
"""

Step = Callable[[str], None]


def make_sandbox(
    directory: Path,
    *,
    vendor_port: int,
    company_port: int,
    enrolment_port: int | None = None,
    clock: Clock,
    cases: int = CASES_A_VENDOR,
    morning: datetime | None = None,
    step: Step = lambda _text: None,
) -> Settings:
    """Makes the installation; `step` hears what is being done.

    With a `morning`, which lies ahead, the installation's wall clock stands there now.

    Raises:
        ConfigurationError: the directory is not empty, or the database is in use already.
    """
    # Before anything is written: a named database must be free.
    named = os.environ.get("CASEGATE_DATABASE_URL")
    if named:
        _verify_unused(named)
    _claim(directory)
    now = clock.now()
    step("keys and certificates (the root's passphrase lies beside it: FOR TRIALS ONLY)")
    _write_keys(directory)
    public_url = f"https://localhost:{enrolment_port}" if enrolment_port else PUBLIC_URL
    authorities = write_authorities(directory, now, public_url)
    config = directory / "casegate.toml"
    config.write_text(
        (_TOML + (_ENROLMENT_TOML if enrolment_port else "")).format(
            vendor_port=vendor_port,
            company_port=company_port,
            enrolment_port=enrolment_port,
            trust_host=TRUST_HOST,
            public_url=public_url,
        )
        + (_TRIAL_TOML.format(clock=morning.isoformat(), since=now.isoformat()) if morning else "")
    )
    _copy_policies(directory / "policies")
    settings = load_settings(config)
    step("database, roles and tables")
    database = locate_database(settings)
    migrate(database)
    (directory / "log.vkey").write_text(log_signer(settings).verifier_key + "\n")
    write_report_key(settings)
    step("vendors, contracts and staff")
    office = Office(database, settings.make_clock() if morning else clock)
    _register(directory, office, authorities, now)
    step("policies, proposed and approved by two made-up persons")
    activate_policies(office)
    step("law packs, a script, agents and numbers to call from, by made-up persons")
    open_call_centre(office, [(vendor_id, contract_of(vendor_id)) for vendor_id in VENDORS])
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


def activate_policies(office: Office) -> None:
    """Puts the files' policies in force, and ends those without a file; for trials and tests.

    The persons are made up: one proposes, another approves, and the log names both.
    """
    desk = office.scopes()
    in_force = {(policy.vendor, policy.contract): policy.digest for policy in desk.in_force()}
    for loaded in desk.files():
        policy = loaded.policy
        if in_force.pop((policy.vendor, policy.contract), None) == policy.digest:
            continue
        proposal = desk.propose(loaded, actor="staff:sandbox-operator")
        desk.approve(proposal, role=StaffRole.COMPLIANCE, actor="staff:sandbox-compliance")
        desk.activate(loaded, actor=_ACTOR)
    for vendor, contract in in_force:
        desk.withdraw(vendor, contract, actor=_ACTOR)


def _claim(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ConfigurationError(f"{directory} is not empty; name a new directory")
    directory.chmod(0o755)  # the embedded server runs under a user of its own when we are root


def _write_keys(directory: Path) -> None:
    folder = directory / "secrets"
    folder.mkdir(mode=0o700)
    for name in ("kek.key", "pseudonym.key", "index.key"):
        write_private_file(folder / name, new_secret_key())
    for name in ("token-signing.pem", "log-signing.pem", "report-signing.pem"):
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private_file(folder / name, pem)


def _copy_policies(folder: Path) -> None:
    """The packaged vendors' files with what they stand on, and every parameter decided."""
    packaged = packaged_directory()
    copied = {"vendors": folder} | {name: folder / name for name in (*FOLDERS, "examples")}
    for name, target in copied.items():
        target.mkdir()
        for file in packaged.joinpath(name).iterdir():
            if file.name.endswith(".yaml"):
                (target / file.name).write_bytes(file.read_bytes())
    parameters = packaged.joinpath(PARAMETERS_FILE).read_text()
    for name, value in _SAMPLE_DECISIONS.items():
        parameters = parameters.replace(f"{name}: null", f"{name}: {value}")
    (folder / PARAMETERS_FILE).write_text(parameters)


def _verify_unused(url: str) -> None:
    with connect(url) as connection:
        row = connection.execute("SELECT to_regclass('casegate.vendor')").fetchone()
    if row is not None and row[0] is not None:
        raise ConfigurationError(
            "the database belongs to another installation; name an empty one in"
            " CASEGATE_DATABASE_URL, or unset it to use the embedded server"
        )


def _register(
    directory: Path, office: Office, authorities: TrialAuthorities, now: datetime
) -> None:
    policies = load_policies(office.database.settings)
    with office.connection() as connection:
        add_issuer(connection, authorities.vendor.certificate, actor=_ACTOR, at=now)
        publish_crl(connection, authorities.vendor, now, actor=_ACTOR)
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
            subject = VendorSubject(vendor_id, contract_id, secrets.token_hex(8))
            issued = authorities.vendor.issue(
                Profile.VENDOR_CLIENT,
                common_name=subject.common_name,
                not_before=now,
                not_after=term.ends,
                uris=[subject.uri(TRUST_HOST)],
            )
            register_credential(
                connection,
                issued.certificate,
                VendorOwner(vendor_id, contract_id, subject.credential_ref),
                issuer_id=authorities.vendor.issuer_id,
                actor=_ACTOR,
                at=now,
            )
            folder = directory / "vendors" / vendor_id
            write_client(folder, issued, authorities.server, authorities.vendor)
        for role in StaffRole:
            issued = authorities.staff.issue(
                Profile.STAFF_CLIENT,
                common_name=f"sandbox {role.value}",
                not_before=now,
                not_after=now + timedelta(days=90),
                uris=[staff_uri(TRUST_HOST, role.value, f"sandbox-{role.value}")],
            )
            staff = StaffOwner(f"sandbox-{role.value}", role)
            register_credential(connection, issued.certificate, staff, actor=_ACTOR, at=now)
            write_client(directory / "staff" / role.value, issued, authorities.server)


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
