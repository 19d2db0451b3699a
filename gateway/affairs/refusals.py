"""What the database refuses of affairs and claims, as errors that callers know."""

from gateway.errors import IdempotencyKeyReusedError, IllegalTransitionError, NotFoundError
from gateway.store.refusals import refusals_of

# By the SQLSTATEs of migrations 0015, 0019 and 0022; 23503 is a broken foreign key.
refusals = refusals_of(
    {
        "23503": (NotFoundError, "there is no such vendor under this contract"),
        "CG151": (NotFoundError, "no such case for this vendor"),
        "CG152": (IdempotencyKeyReusedError, "the key was used for another request"),
        "CG191": (NotFoundError, "there is no such thing of this vendor"),
        "CG192": (IllegalTransitionError, "its state does not lead there"),
        "CG193": (NotFoundError, "there is no such promise of this case"),
        "CG194": (NotFoundError, "there is no such agent of this vendor"),
        "CG221": (IllegalTransitionError, "it has as many files as it takes: 20, of 100 MiB"),
    }
)
