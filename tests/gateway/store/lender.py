"""A lender's database without listeners: migrated, keys made, two vendors under contract."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg import sql
from psycopg.conninfo import make_conninfo

from audit.publisher import Publisher
from gateway.identity.principal import StaffRole
from gateway.installation import log_signer
from gateway.office import Office
from gateway.operations.registration import (
    StaffOwner,
    VendorOwner,
    register_contract,
    register_credential,
    register_vendor,
)
from gateway.portfolio.importing import ImportReport, Progress
from gateway.portfolio.rejects import rejects_path
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.migrate import migrate
from keys.authority import CertificateAuthority, new_authority
from keys.kek import new_secret_key
from keys.profiles import Profile
from keys.secret import write_private_file

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
ACTOR = "cli:tester"
HEADER = "案件编号,客户姓名,身份证号码,手机号码,逾期总金额,逾期天数,家庭地址"


def case_row(number: int, **changes: str) -> str:
    """A sound CSV row under HEADER; `changes` by the field's name."""
    cells: dict[str, str] = {
        "source_case_no": f"ZX2026{number:06d}",
        "full_name": "张三丰",
        "id_number": "11010519491231002X",
        "mobile_phone": f"138{number:08d}",
        "total_due": "5123.45",
        "days_past_due": "45",
        "home_address": "浙江省杭州市西湖区文三路90号",
        **changes,
    }
    return ",".join(cells.values())


@dataclass
class SetClock:
    """A clock that stands where a test puts it."""

    at: datetime = START
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@dataclass
class Lender:
    """What tests of the rooms over a real database start from."""

    database: Database
    authority: CertificateAuthority
    clock: SetClock = field(default_factory=SetClock)
    thumbprints: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def make(cls, url: str, directory: Path) -> "Lender":
        """Migrates an empty database and registers alpha, beta and one auditor."""
        settings = _settings(url, directory)
        _write_keys(settings)
        database = Database(url, settings)
        migrate(database)
        authority = new_authority("test", not_before=START, not_after=START + timedelta(days=1000))
        lender = cls(database, authority)
        lender._register()
        return lender

    @classmethod
    def fresh(cls, server_url: str, directory: Path) -> "Lender":
        """The same in a database of its own on a running server: a copy of one that was made."""
        template = _TEMPLATES.get(server_url)
        if template is None:
            made = cls.migrated(server_url, directory / "template")
            passwords = made.database.settings.resolve(made.database.settings.database.passwords)
            template = _TEMPLATES[server_url] = _Template(made, passwords.read_bytes())
        name = f"lender_{uuid4().hex[:12]}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(template.lender.database.name)
                )
            )
        url = make_conninfo(server_url, dbname=name)
        settings = _settings(url, directory, roles=template.lender.database.name)
        _write_keys(settings)
        write_private_file(settings.resolve(settings.database.passwords), template.passwords)
        copied = template.lender
        return cls(Database(url, settings), copied.authority, thumbprints=dict(copied.thumbprints))

    @classmethod
    def migrated(cls, server_url: str, directory: Path) -> "Lender":
        """In a database of its own that is no copy: for tests of the migrations themselves."""
        name = f"lender_{uuid4().hex[:12]}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return cls.make(make_conninfo(server_url, dbname=name), directory)

    def office(self) -> Office:
        return Office(self.database, self.clock)

    @contextmanager
    def owner(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def role(self, purpose: str = "company") -> Iterator[psycopg.Connection]:
        with self.office().connection(purpose) as connection:
            yield connection

    def query(self, text: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """As the owner, past row-level security."""
        with self.owner() as connection:
            return list(connection.execute(text.encode(), parameters))

    def put(self, path: Path, content: str | bytes, vendor: str = "alpha") -> ImportReport:
        """Writes a file and imports it for a vendor's contract."""
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.bring(path, vendor)

    def bring(
        self,
        path: Path,
        vendor: str = "alpha",
        contract: str | None = None,
        progress: Progress = lambda _read, _size, _rows: None,
    ) -> ImportReport:
        """Imports a file that is there."""
        return self.office().import_file(
            path,
            vendor,
            contract or f"{vendor}-2026",
            actor=ACTOR,
            rejects=rejects_path(path),
            progress=progress,
        )

    def sign(self) -> str:
        """Signs the end of the log; returns the verifier key."""
        signer = log_signer(self.database.settings)
        with self.role("publisher") as connection:
            Publisher(connection, signer, self.origin).publish_once(self.clock.now())
        return signer.verifier_key

    @property
    def origin(self) -> str:
        return self.database.settings.audit.origin

    def _register(self) -> None:
        with self.role() as connection:
            for vendor in ("alpha", "beta"):
                register_vendor(connection, vendor, name=vendor.title(), actor=ACTOR, at=START)
                register_contract(
                    connection,
                    f"{vendor}-2026",
                    vendor_id=vendor,
                    starts_at=START - timedelta(days=100),
                    ends_at=START + timedelta(days=100),
                    actor=ACTOR,
                    at=START,
                )
            owners: Mapping[str, tuple[Profile, VendorOwner | StaffOwner]] = {
                "alpha": (Profile.VENDOR_CLIENT, VendorOwner("alpha", "alpha-2026")),
                "beta": (Profile.VENDOR_CLIENT, VendorOwner("beta", "beta-2026")),
                "auditor": (Profile.STAFF_CLIENT, StaffOwner("qian", StaffRole.AUDITOR)),
            }
            for name, (profile, owner) in owners.items():
                issued = self.authority.issue(
                    profile,
                    common_name=name,
                    uris=[f"https://casegate.example/{name}"],
                    not_before=START,
                    not_after=START + timedelta(days=60),
                )
                self.thumbprints[name] = register_credential(
                    connection, issued.certificate, owner, actor=ACTOR, at=START
                )


@dataclass(frozen=True)
class _Template:
    """A lender whose database is copied, for its migrations take longer than a copy."""

    lender: Lender
    passwords: bytes


_TEMPLATES: dict[str, _Template] = {}


def _settings(url: str, directory: Path, *, roles: str | None = None) -> Settings:
    return Settings.model_validate(
        {
            "issuer": "https://gateway.example",
            "vendor": {"port": 8443},
            "company": {"port": 8444},
            "tls": {
                "server_certificate": "server.pem",
                "server_key": "server.key",
                "vendor_ca": "vendor-ca.pem",
                "staff_ca": "staff-ca.pem",
            },
            "database": {"url": url, "roles": roles},
            "directory": directory,
        }
    )


def _write_keys(settings: Settings) -> None:
    for name in ("kek", "pseudonym", "index"):
        write_private_file(settings.resolve(Path(f"secrets/{name}.key")), new_secret_key())
    for path in (settings.keys.token_signing, settings.keys.log_signing):
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        write_private_file(settings.resolve(path), pem)
