"""Runs scim2-server, empty and in memory, until it is told to end: --port-file FILE [--token TOKEN]"""

from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider
from serving import run


def make_app(_url: str, token: str) -> BearerTokenApplication:
    return BearerTokenApplication(
        InMemoryStorage(), load_default_provider(), bearer_tokens=[token]
    )


if __name__ == "__main__":
    run("/v2", make_app)
