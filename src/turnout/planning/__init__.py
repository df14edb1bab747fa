"""Questions about money, asked before or after the traffic and never in a request: what if, is it worth it, is it
billed right."""
