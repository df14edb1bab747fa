"""Which providers, models, deployments and routes there are, as frozen values read from data files."""
