"""Who to call: transports, their faults, and the health of deployments."""
