"""The configuration as the server would load it, for commands that only look."""

from __future__ import annotations

import os
from pathlib import Path

from turnout.catalogue.load import wanted_local_model
from turnout.catalogue.reload import Loaded, loaded_from
from turnout.core.settings import find_config, read_settings


def load_config(config: Path | None) -> Loaded:
    """Settings and catalogue from the file and this process's environment. Raises ConfigProblems."""
    settings = read_settings(find_config(config, os.environ), os.environ)
    return loaded_from(settings, os.environ, local_model=wanted_local_model(settings))
