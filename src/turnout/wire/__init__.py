"""Dialects: bytes to neutral values and back. No socket, clock, logger or `async` in here."""
