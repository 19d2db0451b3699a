"""A vendor's client: a small typed library, and the command `casegate-vendor` on top of it."""
