"""What Ray reads from the environment when it is imported: whether it asks for a token, and where that lies."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

AUTH_MODE, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"


# On Linux Ray puts the machine's own address in place of a loopback address, wherever one is named, unless its clusters
# are switched off, as they are on other systems.
LOOPBACK_STAYS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

# Bytes of an argument that go with its call. By Ray's own limit of 100 KB a batch of 8 pictures (1.6 MB) goes into the
# object store of one node and is fetched by the other: 8 to 9 ms there and back, against 5 with the call.
WITH_THE_CALL = {"RAY_max_direct_call_object_size": "8000000"}

# Of a node: Ray's proxy for ray:// forks while its own gRPC is at work, and gRPC's handlers for that hang the new
# process now and then: of 10 bots that joined 3 were told after 40 s that they cannot, without these handlers 0 of 35.
NO_FORK_HANDLERS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}


def prepare(environment: MutableMapping[str, str], address: str, token_file: Path | None) -> None:
    """Sets what Ray reads from the environment when it is imported: where the token lies, that it reports no use, and
    that a loopback `address` (host:port) is meant as it stands.

    Without a token file it stays as Ray finds it: RAY_AUTH_MODE, RAY_AUTH_TOKEN, ~/.ray/auth_token, RAY_USE_TLS.
    """
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    environment.update(WITH_THE_CALL)
    if address.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]"):
        environment.update(LOOPBACK_STAYS)
    if token_file is not None:
        environment[AUTH_MODE] = "token"
        environment[TOKEN_PATH] = str(token_file)
        environment.pop("RAY_AUTH_TOKEN", None)
