"""`casegate ca …`."""

import getpass
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from cryptography.x509 import ReasonFlags

from gateway.cli.console import (
    DEFAULT_CONFIG,
    ConfigOption,
    JSONOption,
    actor,
    complain,
    open_office,
    out,
    print_json,
)
from gateway.cli.effects import ReasonOption, show_effect
from gateway.clock import SystemClock
from gateway.operations.issuers import add_issuer, list_issuers, publish_crl
from gateway.operations.issuing import issuing_certificate, load_authority
from gateway.operations.revocation import find_issuer
from keys.crl import RevokedCertificate
from keys.device_key import DeviceKey
from keys.hierarchy import (
    HierarchyFiles,
    inherited,
    make_issuer,
    make_root,
    open_root,
    renew_root_crl,
)
from keys.issuing_key import MIN_PASSPHRASE_BYTES, load_certificates, read_passphrase
from keys.secret import Secret
from keys.thumbprint import spki_digest

app = typer.Typer(help="The authority of vendors' certificates.", no_args_is_help=True)

DirectoryOption = Annotated[
    Path, typer.Option("--directory", help="Where the hierarchy is, or shall be.")
]
HostOption = Annotated[
    str, typer.Option("--host", help="The only host that the issuer may name (URI).")
]
URLOption = Annotated[
    str, typer.Option("--public-url", help="Where vendors reach CRL and OCSP; in certificates.")
]
RootPassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="The root's passphrase, mode 600; else asked on the terminal."
    ),
]
IssuingPassphraseOption = Annotated[
    str | None,
    typer.Option(
        "--issuing-passphrase",
        help="file:PATH or env:NAME of the issuing key's passphrase; else asked.",
    ),
]
PublicKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--public-key", help="PEM of a key pair that a device made; then no key is written."
    ),
]
DEFAULT_DIRECTORY = Path()
DEFAULT_HOST = "casegate.example"
DEFAULT_URL = "https://127.0.0.1:8445"


@app.callback()
def authorities() -> None:
    """The authority of vendors' certificates."""


@app.command("init")
def init(
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    host: HostOption = DEFAULT_HOST,
    public_url: URLOption = DEFAULT_URL,
    years: Annotated[int, typer.Option(min=1, max=40, help="Life of the root.")] = 20,
    passphrase_file: RootPassphraseOption = None,
    issuing_passphrase: IssuingPassphraseOption = None,
    public_key: PublicKeyOption = None,
    as_json: JSONOption = False,
) -> None:
    """Make a root and its first issuing authority; needs no database and overwrites nothing."""
    files = HierarchyFiles(directory)
    at = SystemClock().now()
    passphrase = _root_passphrase(passphrase_file, is_new=True)
    key = _issuing_key(public_key, issuing_passphrase)
    root = make_root(files, passphrase=passphrase, at=at, life=timedelta(days=365 * years))
    issuer = make_issuer(files, root, host=host, public_url=public_url, key=key, at=at)
    if as_json:
        print_json({"root": root.issuer_id.hex(), "issuer": spki_digest(issuer).hex()})
        return
    out.print(
        f"Made the root and issuing authority {spki_digest(issuer).hex()[:16]}.\n"
        f"Into the safe, and off this machine: {files.root_key} and {files.root_certificate},\n"
        "  twice, on media of their own; the root's passphrase elsewhere, with two people.\n"
        f"The service needs: {files.certificate}, {files.bundle}"
        f"{'' if public_key else f', {files.key} and its passphrase'}.\n"
        f"To be served with the lists: {files.root_crl}\n"
        "Now put the section [authority] into casegate.toml and run: casegate ca adopt",
        soft_wrap=True,
        markup=False,
    )


@app.command("issuer")
def issuer(
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    host: Annotated[
        str | None, typer.Option("--host", help="Another host than that of the issuer before.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="Another address than that one's.")
    ] = None,
    passphrase_file: RootPassphraseOption = None,
    issuing_passphrase: IssuingPassphraseOption = None,
    public_key: PublicKeyOption = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Adopt the new issuer in this installation at once."),
    ] = None,
    as_json: JSONOption = False,
) -> None:
    """Make the next issuing authority with the root from the safe; both stay trusted."""
    files = HierarchyFiles(directory)
    old_host, old_url = inherited(load_certificates(files.certificate)[0])
    root = open_root(files, _root_passphrase(passphrase_file, is_new=False))
    made = make_issuer(
        files,
        root,
        host=host or old_host,
        public_url=public_url or old_url,
        key=_issuing_key(public_key, issuing_passphrase),
        at=SystemClock().now(),
    )
    if config is not None:
        _adopt(config)
    if as_json:
        print_json({"issuer": spki_digest(made).hex(), "adopted": config is not None})
        return
    out.print(
        f"Made issuing authority {spki_digest(made).hex()[:16]}; the one before is retiring and"
        f" stays in {files.bundle}. The root goes back into the safe.",
        soft_wrap=True,
    )
    if config is None:
        out.print("At the installation, with these files in place, run: casegate ca adopt")


@app.command("adopt")
def adopt(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Make the issuer that the settings name the active one, and publish its first list."""
    issuer_id, number = _adopt(config)
    if as_json:
        print_json({"issuer": issuer_id.hex(), "crl": number})
    else:
        out.print(f"Issuer {issuer_id.hex()[:16]} is active; its list number {number} is out.")


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JSONOption = False) -> None:
    """Show the issuing authorities on record."""
    office = open_office(config)
    with office.connection() as connection:
        found = list_issuers(connection, office.clock.now())
    if as_json:
        print_json(
            [
                {
                    "issuer": one.issuer_id.hex(),
                    "status": one.status,
                    "ends": one.certificate.not_valid_after_utc.isoformat(),
                    "live": one.live,
                }
                for one in found
            ]
        )
        return
    for one in found:
        out.print(
            f"{one.issuer_id.hex()[:16]}  {one.status:<8}"
            f"  until {one.certificate.not_valid_after_utc:%Y-%m-%d}"
            f"  {one.live} live certificates"
        )


@app.command("root-crl")
def root_crl(
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    passphrase_file: RootPassphraseOption = None,
    as_json: JSONOption = False,
) -> None:
    """Sign the root's list of revoked issuers anew; it lives 400 days."""
    files = HierarchyFiles(directory)
    root = open_root(files, _root_passphrase(passphrase_file, is_new=False))
    crl = renew_root_crl(files, root, at=SystemClock().now())
    until = f"{crl.next_update_utc:%Y-%m-%d}"
    if as_json:
        print_json({"file": str(files.root_crl), "revoked": len(crl), "until": until})
    else:
        out.print(f"{files.root_crl}: {len(crl)} revoked issuers, until {until}", soft_wrap=True)


@app.command("public-key")
def public_key_(
    module: Annotated[Path, typer.Option("--module", help="The device's PKCS#11 library.")],
    token: Annotated[str, typer.Option("--token", help="Label of the token.")],
    key: Annotated[str, typer.Option("--key", help="Label of the key pair.")],
    pin: Annotated[str, typer.Option("--pin", help="file:PATH or env:NAME of the PIN.")],
) -> None:
    """Print the public half of a device's key pair, for `--public-key`."""
    device = DeviceKey(module, token=token, label=key, pin=read_passphrase(pin, Path()))
    public = device.public_key()
    device.close()
    out.out(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), end="")


@app.command("revoke-issuer")
def revoke_issuer(
    issuer: Annotated[str, typer.Argument(help="The first 16 digits of its id, or more.")],
    reason: ReasonOption = ReasonFlags.ca_compromise,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", help="With the root here: its list names the issuer, too."),
    ] = None,
    passphrase_file: RootPassphraseOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JSONOption = False,
) -> None:
    """Revoke an issuing authority with every certificate that it gave, on every worker."""
    office = open_office(config)
    effect = office.shutting_out().revoke_issuer(issuer, reason, actor=actor())
    show_effect(effect, f"issuer {issuer[:16]} revoked", as_json=as_json)
    if directory is None:
        complain(
            "the root's list does not name it yet: with the root from the safe, run this again"
            " with --directory DIR; then make the next one: casegate ca issuer"
        )
        raise typer.Exit(0 if effect.is_complete else 1)
    at = office.clock.now()
    with office.connection() as connection:
        issuer_id = find_issuer(connection, issuer)
        found = [one for one in list_issuers(connection, at) if one.issuer_id == issuer_id]
    files = HierarchyFiles(directory)
    root = open_root(files, _root_passphrase(passphrase_file, is_new=False))
    entry = RevokedCertificate(found[0].certificate.serial_number, at, reason)
    renew_root_crl(files, root, revoked=[entry], at=at)
    raise typer.Exit(0 if effect.is_complete else 1)


def _adopt(config: Path) -> tuple[bytes, int]:
    office = open_office(config)
    settings, at = office.database.settings, office.clock.now()
    certificate = issuing_certificate(settings)
    authority = load_authority(settings)
    with office.connection() as connection:
        issuer_id = add_issuer(connection, certificate, actor=actor(), at=at)
        return issuer_id, publish_crl(connection, authority, at, actor=actor()).number


def _root_passphrase(file: Path | None, *, is_new: bool) -> Secret:
    if file is None:
        return _ask("Passphrase of the root: ", is_new=is_new)
    given = read_passphrase(f"file:{file}", Path())
    return _long_enough(given) if is_new else given


def _issuing_key(
    public_key: Path | None, reference: str | None
) -> Secret | ec.EllipticCurvePublicKey:
    if public_key is None and reference is None:
        return _ask("Passphrase of the issuing key: ", is_new=True)
    if public_key is None:
        assert reference is not None
        return _long_enough(read_passphrase(reference, Path()))
    try:
        found = load_pem_public_key(public_key.read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, ec.EllipticCurvePublicKey):
        raise typer.BadParameter("PEM of an elliptic-curve public key", param_hint="--public-key")
    return found


def _ask(prompt: str, *, is_new: bool) -> Secret:
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "without a terminal, name the files of the passphrases",
            param_hint="--passphrase-file",
        )
    first = Secret(getpass.getpass(prompt).encode())
    if not is_new:
        return first
    if getpass.getpass("Again: ").encode() != first.reveal():
        raise typer.BadParameter("the two are not the same", param_hint="passphrase")
    return _long_enough(first)


def _long_enough(passphrase: Secret) -> Secret:
    if len(passphrase.reveal()) < MIN_PASSPHRASE_BYTES:
        raise typer.BadParameter(
            f"take at least {MIN_PASSPHRASE_BYTES} characters", param_hint="passphrase"
        )
    return passphrase
