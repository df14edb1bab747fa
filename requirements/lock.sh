#!/usr/bin/env bash
# Writes the three lock files from pyproject.toml. Needs uv. Run it after changing a dependency, and read the diff.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --quiet --output-file "requirements/$1" "${@:2}"
}
compile core.lock
compile run.lock --extra local --group build
compile dev.lock --extra local --extra otel --group build --group dev
