"""A signing key that never leaves its device (PKCS#11): an elliptic-curve key like any other."""

import threading
from pathlib import Path
from typing import Any, NoReturn

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11.util.ec import encode_ec_public_key
from typing_extensions import override

from keys.errors import DeviceError
from keys.secret import Secret


class DeviceKey(ec.EllipticCurvePrivateKey):
    """A private key in a PKCS#11 token; only signing leaves the process.

    One session at a time, under a lock, so that threads may share the key. When the device fails
    (it was unplugged, its daemon restarted), the session is opened anew and the signature tried
    once more. Made in the process that uses it: a session does not survive a fork.
    """

    def __init__(self, module: Path, *, token: str, label: str, pin: Secret) -> None:
        """Opens a session and reads the public key.

        Raises:
            DeviceError: the module does not load, there is no such token or elliptic-curve key,
                or the PIN is wrong.
        """
        self._module = module
        self._token = token
        self._label = label
        self._pin = pin
        self._lock = threading.Lock()
        self._session: Any = None
        self._private: Any = None
        with self._lock:
            self._public = self._open()

    @override
    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA over data, DER (RFC 3279, 2.2.3); hashed here, signed in the device.

        Raises:
            DeviceError: the device failed twice.
        """
        if not isinstance(signature_algorithm, ec.ECDSA):
            raise UnsupportedAlgorithm("a device key signs with ECDSA")
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            digest = bytes(data)
        else:
            state = Hash(algorithm)
            state.update(data)
            digest = state.finalize()
        with self._lock:
            raw = self._sign_digest(digest)
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )

    def close(self) -> None:
        """Ends the session; the next signature opens one."""
        with self._lock:
            self._forget()

    @override
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half, as read from the device."""
        return self._public

    @property
    @override
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    @override
    def key_size(self) -> int:
        return self._public.key_size

    @override
    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        _refuse("an issuing key only signs")

    @override
    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _refuse("a device key does not leave its device")

    @override
    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> bytes:
        _refuse("a device key does not leave its device")

    @override
    def __copy__(self) -> "DeviceKey":
        return self

    @override
    def __deepcopy__(self, memo: dict[Any, Any]) -> "DeviceKey":
        return self

    @override
    def __repr__(self) -> str:
        return f"DeviceKey({self._token}/{self._label})"

    def _sign_digest(self, digest: bytes) -> bytes:
        try:
            if self._private is None:
                self._open()
            return bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        except pkcs11.PKCS11Error:
            self._forget()
        try:
            self._open()
            return bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        except pkcs11.PKCS11Error as error:
            self._forget()
            raise DeviceError(f"the key device failed twice ({type(error).__name__})") from None

    def _open(self) -> ec.EllipticCurvePublicKey:
        try:
            token = pkcs11.lib(str(self._module)).get_token(token_label=self._token)
            self._session = self._logged_in(token)
            wanted = {"key_type": pkcs11.KeyType.EC, "label": self._label}
            public = self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **wanted)
            self._private = self._session.get_key(
                object_class=pkcs11.ObjectClass.PRIVATE_KEY, **wanted
            )
            key = load_der_public_key(encode_ec_public_key(public))
        except (pkcs11.PKCS11Error, RuntimeError, ValueError, UnsupportedAlgorithm) as error:
            self._forget()
            what = "its PIN is wrong" if isinstance(error, pkcs11.PinIncorrect) else "see its name"
            raise DeviceError(
                f"key {self._label} of token {self._token} cannot be used:"
                f" {type(error).__name__} ({what})"
            ) from None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            _refuse("an issuing key is an elliptic-curve key")
        return key

    def _logged_in(self, token: pkcs11.Token) -> pkcs11.Session:
        try:
            return token.open(user_pin=self._pin.reveal().decode())
        except pkcs11.UserAlreadyLoggedIn:
            # Login belongs to the process: another key of this token has done it.
            return token.open()

    def _forget(self) -> None:
        session, self._session, self._private = self._session, None, None
        if session is not None:
            try:
                session.close()
            except pkcs11.PKCS11Error:
                return


def _refuse(reason: str) -> NoReturn:
    raise DeviceError(reason)
