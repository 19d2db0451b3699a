"""A publisher process beside the appends: signs the head twice a second until told to end."""

import select
import sys
from datetime import UTC, datetime
from time import monotonic

import orjson
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.note import Ed25519Signer
from audit.publisher import Publisher

ORIGIN = "audit.example.com/gw/bench"
_ROUND_SECONDS = 0.5


def main() -> None:
    """One order, one line when ready; at the next line it signs what is left and answers."""
    order = orjson.loads(sys.stdin.buffer.readline())
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(order["seed"]))
    heads = 0
    with psycopg.connect(order["url"], autocommit=True) as connection:
        publisher = Publisher(connection, Ed25519Signer(ORIGIN, key), ORIGIN)
        publisher.publish_once(datetime.now(UTC))
        _say("ready")
        while not select.select([sys.stdin], [], [], _ROUND_SECONDS)[0]:
            heads += publisher.publish_once(datetime.now(UTC)) is not None
        begin = monotonic()
        publisher.publish_once(datetime.now(UTC))
        _say({"heads": heads, "behind_s": monotonic() - begin})


def _say(answer: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
