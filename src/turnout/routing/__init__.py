"""Which deployment gets a request: pure functions of the request's features, the catalogue and a snapshot of health."""
