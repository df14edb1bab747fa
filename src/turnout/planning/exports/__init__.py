"""Usage and cost exports of providers, as they are downloaded, read into one kind of row. Nothing is fetched."""
