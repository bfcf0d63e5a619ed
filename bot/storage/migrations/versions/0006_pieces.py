"""How many pieces of its item a complaint is about."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("cases", sa.Column("pieces", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("cases", "pieces")
