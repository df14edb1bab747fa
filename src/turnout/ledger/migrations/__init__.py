"""Alembic's folder: the steps from an empty file to the present tables."""
