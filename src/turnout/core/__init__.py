"""The vocabulary: errors, clock, ids, secrets, settings. Imports nothing else of Turnout."""
