"""Pages that need nothing but themselves: links to script and style hosts replaced by our own copies.

Folium writes links to a dozen files on other hosts. The build of the front end copies those files from npm and writes
one table, ``folium/manifest.json``: last part of the address to copy. A link that the table does not know is an error,
so that no page quietly needs the network.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from geo.errors import DataError, NotFound, NotReady
from maps.pages import BUILD_HINT, find_asset, guess_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = "folium"
MANIFEST = f"{FOLDER}/manifest.json"
SCRIPT = re.compile(r'<script[^>]*\ssrc="(?P<url>[^"]*)"[^>]*>\s*</script>')
STYLE = re.compile(r'<link[^>]*\shref="(?P<url>[^"]*)"[^>]*>')
# data are texts of people, who may write addresses; they fetch nothing
DATA = re.compile(r'<script type="application/json"[^>]*>.*?</script>', re.DOTALL)
# names of XML languages look like addresses
FOREIGN = re.compile(r"""(?:https?:|["'])//(?!www\.w3\.org/)[\w.-]+""")
CSS_URL = re.compile(r"""url\(\s*["']?(?P<url>[^"')]+?)["']?\s*\)""")
# one font format is enough for every browser that runs the rest
CARRIED = frozenset({".png", ".svg", ".gif", ".jpg", ".woff2"})


def read_manifest() -> dict[str, str]:
    """Return the table of copies: last part of an address to the file below the copies' folder.

    Raises
    ------
    NotReady
        The front end was not built.
    """
    try:
        path = find_asset(MANIFEST)
    except NotFound:
        raise NotReady("Making a page to share: the copies of its scripts are missing", hint=BUILD_HINT) from None
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def inline_links(page: str) -> str:
    """Return a page with every linked script and style sheet inside, so that it opens from a file.

    Raises
    ------
    DataError
        The page links to a file that the table does not know.
    NotReady
        The front end was not built.
    """

    def inline_script(path: Path) -> str:
        # inside a script only this ends it
        text = path.read_text(encoding="utf-8").replace("</script", "<\\/script")
        return f"<script>{text}</script>"

    return _replace_links(page, script=inline_script, style=lambda path: f"<style>{_inline_css(path)}</style>")


def link_to_server(page: str) -> str:
    """Return a page whose links lead to the copies that our server has below its root.

    Raises
    ------
    DataError
        The page links to a file that the table does not know.
    NotReady
        The front end was not built.
    """

    def address(path: Path) -> str:
        root = find_asset(MANIFEST).parent
        return f"/{FOLDER}/{path.relative_to(root).as_posix()}"

    return _replace_links(
        page,
        script=lambda path: f'<script src="{address(path)}"></script>',
        style=lambda path: f'<link rel="stylesheet" href="{address(path)}">',
    )


def _replace_links(page: str, *, script: Callable[[Path], str], style: Callable[[Path], str]) -> str:
    table = read_manifest()
    left = FOREIGN.search(STYLE.sub("", SCRIPT.sub("", DATA.sub("", page))))
    if left is not None:
        raise DataError(f"Making a page to share: it names {left[0][:120]}, which would need the network")

    def put(make: Callable[[Path], str]) -> Callable[[re.Match[str]], str]:
        return lambda match: make(_find_copy(match["url"], table))

    return STYLE.sub(put(style), SCRIPT.sub(put(script), page))


def _find_copy(url: str, table: dict[str, str]) -> Path:
    name = url.partition("?")[0].rpartition("/")[2]
    if name not in table:
        raise DataError(
            f"Making a page to share: it links to {url[:120]}, of which there is no copy",
            hint="Copies are listed in the front end's table of folium files.",
        )
    return find_asset(f"{FOLDER}/{table[name]}")


def _inline_css(path: Path) -> str:
    """Return a style sheet with its pictures and fonts inside; other files it names are left out."""

    def carry(match: re.Match[str]) -> str:
        url = re.split("[?#]", match["url"])[0]
        if url.startswith("data:") or not url:
            return match[0]
        source = path.parent / url
        if source.suffix not in CARRIED or not source.is_file():
            return "url(data:,)"
        data = base64.b64encode(source.read_bytes()).decode("ascii")
        return f"url(data:{guess_type(source)};base64,{data})"

    return CSS_URL.sub(carry, path.read_text(encoding="utf-8")).replace("</style", "<\\/style")
