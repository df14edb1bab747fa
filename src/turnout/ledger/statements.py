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

DELETE_KEYS = "DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE revoked_ms < ? OR expires_ms < ? LIMIT ?)"
"""A chunk of keys that have been revoked or expired for long."""

DELETE_POSTINGS = (
    "DELETE FROM postings WHERE (request_id, number, kind) IN"
    " (SELECT request_id, number, kind FROM postings WHERE started_ms < ? LIMIT ?)"
)
"""A chunk of old postings."""

DELETE_SPEND = (
    "DELETE FROM spend WHERE (hour_ms, key_id, team, tags, route, deployment, provider, model) IN"
    " (SELECT hour_ms, key_id, team, tags, route, deployment, provider, model FROM spend WHERE hour_ms < ? LIMIT ?)"
)
"""A chunk of old sums."""

DELETE_ACCOUNTS = (
    "DELETE FROM accounts WHERE (budget, subject, opens_ms) IN"
    " (SELECT budget, subject, opens_ms FROM accounts WHERE closes_ms < ? AND held_nano = 0 LIMIT ?)"
)
"""A chunk of accounts whose window closed long ago. Those without an end stay, and those with an open hold."""

DELETE_CORRECTIONS = "DELETE FROM corrections WHERE id IN (SELECT id FROM corrections WHERE at_ms < ? LIMIT ?)"
"""A chunk of old corrections; the audit has them too."""

DELETE_FEEDBACK = (
    "DELETE FROM feedback WHERE (request_id, name) IN (SELECT request_id, name FROM feedback WHERE at_ms < ? LIMIT ?)"
)
"""A chunk of old feedback."""

DELETE_INSTANCES = (
    "DELETE FROM instances WHERE id IN (SELECT id FROM instances WHERE seen_ms < ?"
    " AND NOT EXISTS (SELECT 1 FROM holds WHERE owner = instances.id) LIMIT ?)"
)
"""A chunk of processes that ended long ago, and of which nothing is open."""

SELECT_VERSION = "SELECT version_num FROM alembic_version"
"""The schema revision of the file."""

SELECT_META = "SELECT value FROM meta WHERE name = ?"
"""A fact about the file itself."""

INSERT_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
"""A fact that whoever comes first decides."""

BUMP_KEYS_VERSION = (
    "INSERT INTO meta (name, value) VALUES ('keys_version', '1') ON CONFLICT (name)"
    " DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)"
)
"""Tells other processes that keys have changed."""

UPSERT_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
"""Sets a fact about the file; also the smallest real write, which proves that the disk takes writes."""

INSERT_HOLD = (
    "INSERT INTO holds (request_id, number, owner, started_ms, expires_ms, held_nano, sunk_nano, accounts, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""Money set aside for a call."""

SELECT_HOLD = "SELECT owner FROM holds WHERE request_id = ? AND number = ?"
"""Whether a hold is open."""

DELETE_HOLDS = "DELETE FROM holds WHERE (request_id, number) IN (VALUES (?, ?)) RETURNING request_id, number"
"""Ends holds. Who gets a row back is the one who ended it."""

_OPEN_HOLDS = (
    "SELECT holds.request_id, holds.number, holds.owner, holds.started_ms, holds.expires_ms, holds.held_nano,"
    " holds.sunk_nano, holds.accounts, holds.detail FROM holds LEFT JOIN instances ON instances.id = holds.owner"
)
_DEAD = "(holds.owner <> ? AND (instances.seen_ms IS NULL OR instances.seen_ms < ?)"
_OVERDUE = "holds.expires_ms < ? ORDER BY holds.request_id, holds.number LIMIT ?"

SELECT_ORPHANS = f"{_OPEN_HOLDS} WHERE {_DEAD}) OR {_OVERDUE}"
"""Holds of processes that are gone, and those that are overdue; in INSERT_HOLD's column order."""

SELECT_ORPHANS_OF_OTHERS = f"{_OPEN_HOLDS} WHERE {_DEAD} AND substr(holds.request_id, 1, 6) <> 'lease_') OR {_OVERDUE}"
"""The same without the leases of processes that are only silent: one that has lost the database may be spending its
lease at this moment, and what it spent is booked when it is back."""

INSERT_POSTING = (
    "INSERT INTO postings (request_id, number, kind, posted_ms, started_ms, key_id, team, end_user, tags, route,"
    " deployment, provider, model, channel, tier, region, input_tokens, cached_tokens, cache_write_tokens,"
    " cache_write_1h_tokens, output_tokens, reasoning_tokens, held_nano, cost_nano, price_row, catalogue_version,"
    " estimated, flags, neutral_tokens, content, accounts)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
"""How a hold ended. No ON CONFLICT: a second one would be a defect, and must not pass."""

SELECT_POSTING = "SELECT kind, cost_nano FROM postings WHERE request_id = ? AND number = ?"
"""How a call was ended before."""

ADD_SPEND = (
    "INSERT INTO spend (hour_ms, key_id, team, tags, route, deployment, provider, model, calls, unpriced, estimated,"
    " input_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,"
    " cost_nano, estimated_nano) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (hour_ms, key_id, team, tags, route, deployment, provider, model) DO UPDATE SET"
    " calls = spend.calls + excluded.calls, unpriced = spend.unpriced + excluded.unpriced,"
    " estimated = spend.estimated + excluded.estimated, input_tokens = spend.input_tokens + excluded.input_tokens,"
    " cached_tokens = spend.cached_tokens + excluded.cached_tokens,"
    " cache_write_tokens = spend.cache_write_tokens + excluded.cache_write_tokens,"
    " cache_write_1h_tokens = spend.cache_write_1h_tokens + excluded.cache_write_1h_tokens,"
    " output_tokens = spend.output_tokens + excluded.output_tokens,"
    " reasoning_tokens = spend.reasoning_tokens + excluded.reasoning_tokens,"
    " cost_nano = spend.cost_nano + excluded.cost_nano,"
    " estimated_nano = spend.estimated_nano + excluded.estimated_nano"
)
"""Adds to the sums of an hour."""

SELECT_ACCOUNT = (
    "SELECT limit_nano, held_nano, spent_nano, over_nano, unpriced, closes_ms FROM accounts"
    " WHERE budget = ? AND subject = ? AND opens_ms = ?"
)
"""A budget's account. A store that several processes write adds its FOR UPDATE."""

INSERT_ACCOUNT = (
    "INSERT INTO accounts (budget, subject, opens_ms, closes_ms, limit_nano, held_nano, spent_nano, over_nano,"
    " unpriced) VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0) ON CONFLICT DO NOTHING"
)
"""A budget's account in a window that has just begun for it."""

UPDATE_ACCOUNT = (
    "UPDATE accounts SET limit_nano = ?, held_nano = ?, spent_nano = ?, over_nano = ?, unpriced = ?, closes_ms = ?"
    " WHERE budget = ? AND subject = ? AND opens_ms = ?"
)
"""An account after its changes; its row is locked, so whole values are set."""

UPSERT_INSTANCE = (
    "INSERT INTO instances (id, started_ms, seen_ms) VALUES (?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET seen_ms = excluded.seen_ms"
)
"""This process lives."""

DELETE_INSTANCE = "DELETE FROM instances WHERE id = ?"
"""This process has ended; what it still holds may be given up at once."""

SELECT_OPEN_ACCOUNTS = (
    "SELECT accounts.budget, accounts.subject, accounts.opens_ms, accounts.held_nano, accounts.spent_nano,"
    " accounts.over_nano, accounts.unpriced FROM accounts"
    " WHERE accounts.closes_ms > ? OR accounts.closes_ms IS NULL ORDER BY accounts.budget, accounts.subject"
)
"""Accounts whose window has not ended, for a report."""

INSERT_CORRECTION = (
    "INSERT INTO corrections (id, at_ms, budget, subject, opens_ms, amount_nano, reason, actor)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
"""What an administrator added to a budget's spending, or took off."""

SELECT_REQUEST_KEY = "SELECT key_id FROM requests WHERE id = ?"
"""Whose request it was."""

SELECT_FEEDBACK_NAMES = "SELECT name FROM feedback WHERE request_id = ?"
"""What was said of a request before."""

UPSERT_FEEDBACK = (
    "INSERT INTO feedback (request_id, name, at_ms, key_id, value_micro) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (request_id, name) DO UPDATE SET at_ms = excluded.at_ms, value_micro = excluded.value_micro"
)
"""What an answer was worth; said again, the later word holds."""
