"""The pages and their files: planner map, API reference, assets."""

from __future__ import annotations

import html
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from api.headers import ASK_AGAIN, KEEP, is_known, not_modified
from layers.tiles import etag_of
from maps.pages import find_asset, find_page, guess_type, is_hashed

router = APIRouter(include_in_schema=False)

DOCS_FOLDER = "docs"
OPENAPI_PATH = "/docs/openapi.json"
# Swagger UI reads its settings from here: an inline script would need a weaker content security policy.
DOCS_SCRIPT = """\
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "docs/openapi.json",
    dom_id: "#reference",
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
  });
});
"""
DOCS_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


@router.get("/")
async def get_planner_map(request: Request) -> Response:
    """Return the planner map."""
    return _send(request, find_page("index.html").name)


@router.get("/docs")
async def get_docs(request: Request) -> HTMLResponse:
    """Return the API reference, drawn by our own copy of Swagger UI."""
    find_asset(f"{DOCS_FOLDER}/swagger-ui-bundle.js")
    page = DOCS_PAGE.format(title=html.escape(f"{request.app.title}: API"))
    return HTMLResponse(page, headers={"Cache-Control": ASK_AGAIN})


@router.get(OPENAPI_PATH)
async def get_openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document, headers={"Cache-Control": ASK_AGAIN})


@router.get("/docs/start.js")
async def get_docs_script() -> Response:
    """Return the script that starts the API reference."""
    return Response(DOCS_SCRIPT, media_type="text/javascript", headers={"Cache-Control": ASK_AGAIN})


@router.get("/{path:path}")
async def get_file(request: Request, path: str) -> Response:
    """Return a file of the built front end; everything else is not found."""
    return _send(request, path)


def _send(request: Request, name: str) -> Response:
    path = find_asset(name)
    lifetime = KEEP if is_hashed(name) else ASK_AGAIN
    found = path.stat()
    etag = etag_of(name, found.st_mtime_ns, found.st_size)
    if is_known(request, etag):
        return not_modified(etag, lifetime=lifetime)
    headers = {"ETag": etag, "Cache-Control": lifetime}
    return FileResponse(path, media_type=guess_type(path), headers=headers, stat_result=found)
