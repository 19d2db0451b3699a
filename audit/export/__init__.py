"""Exports: a log, or a filtered part of one, in files that an outsider verifies without us."""
