"""The bot's answers to interactions, and the webhook that carries what follows."""

from typing import TYPE_CHECKING, Any, Final

from sandbox import errors
from sandbox.interactions import Interaction
from sandbox.rest.call import NOTHING, Call, Route
from sandbox.wire import Json
from sandbox.wire.interactions import callback_response
from sandbox.wire.messages import message as shown

if TYPE_CHECKING:
    from sandbox.rest.api import Api


async def callback(api: "Api", call: Call) -> Any:
    """The first answer, within 3 seconds."""
    on = api.interactions.to_answer(call.id("interaction_id"), call.ids["interaction_token"])
    api.interactions.callback(on, call.json(), call.uploads)
    return callback_response(on, api.links) if call.flag("with_response") else NOTHING


def _on(api: "Api", call: Call) -> Interaction:
    if call.id("webhook_id") != api.world.application.id:
        raise errors.unknown_webhook()
    return api.interactions.by_token(call.ids["webhook_token"])


def _which(call: Call) -> str:
    return call.ids.get("message_id", "@original")


async def get(api: "Api", call: Call) -> Json:
    on = _on(api, call)
    return shown(api.interactions.message(on, _which(call)), api.links)


async def edit(api: "Api", call: Call) -> Json:
    on = _on(api, call)
    message = api.interactions.message(on, _which(call))
    api.interactions.edit(on, message, call.json(), call.uploads)
    return shown(message, api.links)


async def delete(api: "Api", call: Call) -> Any:
    on = _on(api, call)
    api.interactions.delete(api.interactions.message(on, _which(call)))
    return NOTHING


async def follow_up(api: "Api", call: Call) -> Any:
    on = _on(api, call)
    message = api.interactions.follow_up(on, call.json(), call.uploads)
    return shown(message, api.links) if call.flag("wait") else NOTHING


_WEBHOOK: Final = "/webhooks/{webhook_id}/{webhook_token}"
ROUTES: Final = (
    Route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", callback, open=True),
    Route("POST", _WEBHOOK, follow_up, open=True),
    *(
        Route(method, _WEBHOOK + path, handler, open=True)
        for path in ("/messages/@original", "/messages/{message_id}")
        for method, handler in (("GET", get), ("PATCH", edit), ("DELETE", delete))
    ),
)
