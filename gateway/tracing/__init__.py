"""Traces leaked rows to the vendors that were given them."""
