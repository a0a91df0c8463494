"""Headers that every answer carries, and those by which answers are kept: ETag, 304, lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Everything comes from this host; nothing is inline. MapLibre draws from blobs, Swagger UI from data images.
SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self' blob:",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
CONTENT_SECURITY_POLICY = "; ".join(f"{directive} {allowed}" for directive, allowed in SOURCES.items())
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), payment=(), usb=()",
}
ASK_AGAIN = "no-cache"
KEEP = "public, max-age=31536000, immutable"


class SecurityHeaders:
    """Add the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers)


def is_known(request: Request, etag: str) -> bool:
    """Return whether the caller already holds this version."""
    given = request.headers.get("if-none-match")
    if given is None:
        return False
    known = {part.strip().removeprefix("W/") for part in given.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def not_modified(etag: str, *, lifetime: str = ASK_AGAIN) -> Response:
    """Return 304 with the headers that 200 would have."""
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": lifetime})
