"""Every SQL text that the serving process runs. No value is ever joined into one; all travel as parameters.

The inserts are what SQLAlchemy compiles `tables` to; `tests/ledger/test_tables.py` fails when they differ. They stand
here as text so that a server starts without importing SQLAlchemy.
"""

from __future__ import annotations

INSERT_REQUEST = (
    "INSERT INTO requests (id, received_ms, key_id, endpoint, asked, route, deployment, reason, stream, status,"
    " outcome, error_code, duration_ms, ttft_ms, catalogue_version, session, dropped, team, end_user,"
    " tags) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
"""A request. An id that is there already is left alone, so that a write whose outcome is unknown can be repeated."""

INSERT_ATTEMPT = (
    "INSERT INTO attempts (request_id, number, deployment, provider, model, dialect, lane, started_ms, duration_ms,"
    " first_byte_ms, status, outcome, error_code, upstream_request_id, input_tokens, cached_tokens,"
    " cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, estimated, service_tier)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
"""An attempt of a request; repeated as INSERT_REQUEST."""

INSERT_KEY = (
    "INSERT INTO keys (id, hash, old_hash, old_until_ms, name, role, routes, rpm, tpm, concurrency, created_ms,"
    " expires_ms, revoked_ms, tags, team) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""A new key. The hash, never the text."""

SELECT_KEYS = (
    "SELECT keys.id, keys.hash, keys.old_hash, keys.old_until_ms, keys.name, keys.role, keys.routes, keys.rpm,"
    " keys.tpm, keys.concurrency, keys.created_ms, keys.expires_ms, keys.revoked_ms, keys.tags, keys.team"
    " FROM keys ORDER BY keys.created_ms, keys.id"
)
"""All keys, in the column order of INSERT_KEY."""

REVOKE_KEY = (
    "UPDATE keys SET old_hash=NULL, old_until_ms=NULL, revoked_ms=? WHERE keys.id = ? AND keys.revoked_ms IS NULL"
)
"""Takes a key out of use. Its row stays, because records name it."""

ROTATE_KEY = "UPDATE keys SET hash=?, old_hash=?, old_until_ms=? WHERE keys.id = ? AND keys.revoked_ms IS NULL"
"""Gives a key a new secret; the old one may go on for a while."""

INSERT_AUDIT = "INSERT INTO audit (at_ms, actor, action, object, detail, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?)"
"""One more link of the audit chain."""

SELECT_AUDIT_TAIL = "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1"
"""The hash that the next audit entry follows."""

SELECT_AUDIT = "SELECT seq, at_ms, actor, action, object, detail, prev_hash, hash FROM audit ORDER BY seq"
"""The audit chain from its oldest kept entry."""

DELETE_REQUESTS = "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE received_ms < ? LIMIT ?)"
"""A chunk of old requests; their attempts go with them (ON DELETE CASCADE)."""

DELETE_AUDIT = "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ms < ? ORDER BY seq LIMIT ?)"
"""A chunk of old audit entries, from the chain's old end."""

DELETE_KEYS = (
    "DELETE FROM keys WHERE id IN"
    " (SELECT id FROM keys WHERE min(ifnull(revoked_ms, expires_ms), ifnull(expires_ms, revoked_ms)) < ? LIMIT ?)"
)
"""A chunk of keys that have been revoked or expired for long."""

SELECT_VERSION = "SELECT version_num FROM alembic_version"
"""The schema revision of the file."""

SELECT_META = "SELECT value FROM meta WHERE name = ?"
"""A fact about the file itself."""

UPSERT_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
"""Sets a fact about the file; also the smallest real write, which proves that the disk takes writes."""
