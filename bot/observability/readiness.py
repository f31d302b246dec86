"""What a running bot says of itself over HTTP: /readyz, asked as a container's health check asks it."""

from __future__ import annotations

import http.client
import ipaddress
import json

from bot.config.values import listen_address
from bot.observability.health import Condition

ASK_S = 4.0  # less than the five seconds that an engine gives a health check


class NoAnswer(Exception):
    """Nothing answers there. The message says why."""


def readiness(listen: str) -> Condition:
    """The answer of /readyz at `web.listen`. An address that stands for all of the machine's is asked on loopback.

    Raises NoAnswer.
    """
    host, port = listen_address(listen)
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    connection = http.client.HTTPConnection(host, port, timeout=ASK_S)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        checks = json.loads(response.read())["checks"]
        reasons = [check["reason"] for check in checks.values() if check["reason"]]
        healthy = response.status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswer(f"{listen} gives no answer to /readyz ({error}); look at the bot's log") from error
    finally:
        connection.close()
    return Condition(
        healthy, "; ".join(dict.fromkeys(reasons)) or ("ready" if healthy else f"/readyz answers {response.status}")
    )
