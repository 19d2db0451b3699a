"""Casegate: the one door between a lender and its outsourced collection vendors."""

__version__ = "0.1.0"
