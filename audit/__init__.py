"""The tamper-evident log: formats, store, signed heads, and a verifier for all of them."""
