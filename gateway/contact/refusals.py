"""What the database refuses of holds, consents and requests, as this room's errors."""

from gateway.errors import IdempotencyKeyReusedError, NotFoundError, RequestInvalidError
from gateway.store.refusals import refusals_of

# By the SQLSTATEs of migrations 0015b and 0015.
refusals = refusals_of(
    {
        "CG151": (NotFoundError, "no such case for this vendor"),
        "CG152": (IdempotencyKeyReusedError, "the key was used for another request"),
        "CG153": (RequestInvalidError, "contact_point: the case has no such number"),
        "CG154": (NotFoundError, "there is no such consent in force"),
        "CG155": (NotFoundError, "there is no such open hold"),
    }
)
