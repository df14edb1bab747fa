"""Questions about money that are asked before or after the traffic, never in a request: what if, is it worth it, does the bill agree."""
