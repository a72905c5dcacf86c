"""Access tokens, for code that talks to VZaps on its own (API.md section 2)."""

from __future__ import annotations

from ..transport import Transport


class Auth:
    """``client.auth``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get_access_token(self) -> str:
        """A valid access token, as plain text. Every other call gets its own: this one is for your own HTTP code.

        Raises VZapsAuthenticationError when VZaps refuses the credentials.
        """
        return self._transport.tokens.current().token.reveal()
