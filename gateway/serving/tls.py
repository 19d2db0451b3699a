"""The TLS context of a listener: TLS 1.3, and a client certificate where one is asked for."""

import ssl
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.settings import Settings
from keys.errors import KeyFileError
from keys.secret import read_private_file


def server_context(
    settings: Settings, client_authorities: Path | None, hop_authorities: Path | None = None
) -> ssl.SSLContext:
    """Builds the context (RFC 8446); without authorities it asks for no client certificate.

    `hop_authorities` are those of a proxy's own certificate, beside the clients'.

    No session tickets: a resumed session would skip the certificate, and with it the moment at
    which an expired or unknown one is refused.

    Raises:
        ConfigurationError: a file is missing, malformed, or a key readable by others.
    """
    certificate = settings.resolve(settings.tls.server_certificate)
    key = settings.resolve(settings.tls.server_key)
    try:
        read_private_file(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.load_cert_chain(certificate, key)
        if client_authorities is not None:
            context.load_verify_locations(client_authorities)
        if hop_authorities is not None:
            context.load_verify_locations(hop_authorities)
    except KeyFileError as error:
        raise ConfigurationError(str(error)) from error
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"TLS files cannot be used ({certificate}, {key}, {client_authorities});"
            " check that each is PEM and that key and certificate belong together"
        ) from error
    if client_authorities is None:
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context
