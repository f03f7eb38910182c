"""How Alembic runs the migrations in this folder.

The url is that of ``alembic -x url=postgresql://host/database ...``, or else ``sqlalchemy.url`` of alembic.ini.
Each migration is one transaction, as under hgaurora: what was done before a failure stays, and is recorded.
"""

from logging.config import fileConfig

from alembic import context
from sqlalchemy import URL, MetaData, create_engine, make_url, pool
from sqlalchemy.exc import ArgumentError

config = context.config

if config.config_file_name is not None:
    fileConfig(config.config_file_name, disable_existing_loggers=False)

# For "alembic revision --autogenerate": the MetaData of the application's models.
target_metadata: MetaData | None = None


def database_url() -> URL:
    """The url to use; ``postgresql://`` stands for psycopg 3, which hgaurora uses too."""
    text = context.get_x_argument(as_dictionary=True).get("url") or config.get_main_option("sqlalchemy.url")
    if not text:
        raise SystemExit("no database: use alembic -x url=postgresql://host/database, or set sqlalchemy.url")
    try:
        url = make_url(text)
    except ArgumentError:  # its message repeats the text, which may hold a password
        raise SystemExit("the database url can not be read: it is such as postgresql://host/database") from None
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def run_offline() -> None:
    """Write the SQL (``alembic upgrade head --sql``)."""
    context.configure(
        url=database_url(),
        target_metadata=target_metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run the migrations on the database."""
    engine = create_engine(database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
