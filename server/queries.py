"""What the server says about itself when a peer asks (QUERY, message 6)."""

import json
import platform

from server import __version__
from server.errors import ProtocolError
from server.wire.encode import response
from server.wire.messages import Query


def answer(query: Query) -> bytes:
    """The RESPONSE to a query; names that Gadgetron's tools use are answered in their way.

    Raises ProtocolError when the reserved field is not 0.
    """
    if query.reserved:
        raise ProtocolError(f"a query's reserved field is 0, got {query.reserved}")
    return response(query.correlation, _ANSWERS.get(query.text, "Unknown query"))


def _info() -> str:
    return f"Scanside {__version__} (Python {platform.python_version()}, {platform.machine()})"


def _json() -> str:
    return json.dumps({"name": "scanside", "version": __version__})


_ANSWERS = {
    "gadgetron::info": _info(),
    "gadgetron::version": f"scanside {__version__}",
    "gadgetron::build": _info(),
    "ismrmrd::version": "1",
    "scanside::info": _json(),
}
