# For bare Alembic; hgaurora reads hgaurora.toml instead.

[alembic]
script_location = ${script_location}
prepend_sys_path = .
path_separator = os
file_template = %%(rev)s_%%(slug)s

# Without a password in it: libpq takes that from PGPASSWORD or ~/.pgpass.
# sqlalchemy.url = postgresql://localhost/shop

[loggers]
keys = root, sqlalchemy, alembic

[handlers]
keys = console

[formatters]
keys = generic

[logger_root]
level = WARNING
handlers = console

[logger_sqlalchemy]
level = WARNING
handlers =
qualname = sqlalchemy.engine

[logger_alembic]
level = INFO
handlers =
qualname = alembic

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = generic

[formatter_generic]
format = %(levelname)-5.5s [%(name)s] %(message)s
datefmt = %H:%M:%S
