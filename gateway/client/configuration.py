"""The client's settings: a small TOML file beside the certificate."""

import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.client.errors import SetupError

_KEYS = {"url", "ca", "certificate", "key", "timeout_seconds", "attempts"}
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Where the gateway is and who we are.

    Attributes:
        host: of the vendors' listener.
        port: of it.
        ca: PEM of the authorities that the gateway's certificate may be of.
        certificate: PEM of the client certificate, with its issuers after it.
        key: PEM of its private key, for the owner only.
        timeout_seconds: for connecting and for each wait for bytes.
        attempts: how often a request is made that gets no answer, or is told to come later.
    """

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    timeout_seconds: float = 30.0
    attempts: int = 5

    def tls(self) -> ssl.SSLContext:
        """TLS 1.3 with the certificate, against the lender's own authorities alone.

        Raises:
            SetupError: a file is missing, or key and certificate do not belong together.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.ca))
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(str(path) for path in (self.ca, self.certificate, self.key))
            raise SetupError(f"these do not make a TLS client: {names} ({error})") from error
        return context


def load_client_settings(path: Path) -> ClientSettings:
    """Reads the file; relative paths start at its directory.

    Raises:
        SetupError: it cannot be read, or a key is missing, unknown or wrong.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path} cannot be read ({error.strerror})") from error
    try:
        content = tomllib.loads(raw[:_MAX_BYTES].decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} is not TOML: {error}") from error
    unknown = sorted(set(content) - _KEYS)
    if unknown:
        raise SetupError(f"{path}: unknown key {unknown[0]}; known are {', '.join(sorted(_KEYS))}")
    place = urlsplit(str(content.get("url", "")))
    if place.scheme != "https" or not place.hostname or place.path.strip("/"):
        raise SetupError(f"{path}: url is the vendors' listener, as https://HOST:8443")
    base = path.resolve().parent
    try:
        settings = ClientSettings(
            place.hostname,
            place.port or 443,
            base / str(content.get("ca", "ca.pem")),
            base / str(content.get("certificate", "client.pem")),
            base / str(content.get("key", "client.key")),
            float(content.get("timeout_seconds", 30.0)),
            int(content.get("attempts", 5)),
        )
    except (TypeError, ValueError) as error:
        raise SetupError(f"{path}: timeout_seconds and attempts are numbers") from error
    if settings.timeout_seconds <= 0 or settings.attempts < 1:
        raise SetupError(f"{path}: timeout_seconds and attempts are above zero")
    return settings
