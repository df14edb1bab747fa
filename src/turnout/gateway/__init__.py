"""The HTTP data plane: a raw ASGI application for the model endpoints, Starlette for the rest."""
