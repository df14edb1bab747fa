"""What happened, durably: requests, attempts, keys. SQLite through SQLAlchemy Core, one writer."""
