"""The use case the product exists for: decide, fetch, mask, log, and only then hand over."""
