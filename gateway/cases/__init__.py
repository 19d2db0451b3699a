"""Unmasked case data: the sealed record and the two ways to read it. Few may import it."""
