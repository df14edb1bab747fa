"""Turnout: one self-hosted endpoint before every language model.

The gateway is a program (`turnout up`, `turnout serve`), not a library. What ships for your own tests is
`turnout.double`, a scriptable upstream.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
