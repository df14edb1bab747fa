"""The line that Claude Code puts at the head of its system prompt."""

BILLING_LINE = "x-anthropic-billing-header:"
"""Claude Code's attribution line: it changes with each request and would spoil any prompt cache but Anthropic's."""
