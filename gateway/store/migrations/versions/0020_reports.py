"""Reports with their calendar, detection of breaches.

Revision ID: 0020
"""

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes what the sentence above says."""


def downgrade() -> None:
    """There is no way back: what was logged stays."""
