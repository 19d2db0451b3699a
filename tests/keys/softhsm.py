"""A key device in software, for the whole run: its library reads its configuration once."""

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pkcs11
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

from keys.secret import Secret

_MODULES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
]
MODULE = next((path for path in _MODULES if path.exists()), None)
PIN = Secret(b"482917")


@dataclass(frozen=True)
class SoftDevice:
    """The token `casegate`, on it the key pairs `issuing` and `next`."""

    module: Path


@cache
def soft_device() -> SoftDevice:
    """Makes it; SoftHSM must be there."""
    assert MODULE is not None
    folder = Path(tempfile.mkdtemp(prefix="casegate-softhsm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pin = PIN.reveal().decode()
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--free", "--label", "casegate"),
            *("--pin", pin, "--so-pin", "99999999"),
        ],
        check=True,
        capture_output=True,
    )
    token = pkcs11.lib(str(MODULE)).get_token(token_label="casegate")
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    with token.open(rw=True, user_pin=pin) as session:
        for label in ("issuing", "next"):
            parameters = session.create_domain_parameters(KeyType.EC, curve, local=True)
            parameters.generate_keypair(store=True, label=label)
    return SoftDevice(MODULE)
