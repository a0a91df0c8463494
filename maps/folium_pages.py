"""One page about a run, made with folium, that opens from a file with the network off."""

from __future__ import annotations

import html
import json
from dataclasses import asdict, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import folium
from branca.element import Element, Figure, MacroElement
from jinja2 import Template

from layers.catalog import BANDS
from layers.query.catalogue import title_level
from maps.inline_links import inline_links, link_to_server
from maps.style import BASE_STYLES, COVERED, GAP, LAND, NOBODY, UNKNOWN, people_classes, share_classes

if TYPE_CHECKING:
    from layers.catalog import FacilityType, Pack
    from layers.query.layer import LayerState
    from layers.query.runs import RunColumn
    from layers.query.share import ShareData

NEEDED = frozenset({"leaflet", "leaflet_css"})
FACILITY_COLOUR = "#0f63b8"
FIRST_AREAS_MAX = 250
BASE_TITLES = {
    "water": "水系 water",
    "railway": "铁路 railway",
    "compounds": "小区 compounds",
    "streets-minor": "支路小径 minor streets",
    "streets-mid": "一般道路 streets",
    "streets-major": "主要道路 major streets",
}
METHOD = (
    "沿路网步行:楼栋到最近设施不超过时限为达标,正好等于也算;超过或不可达为缺口;未接入路网为未知。三者之和等于总人数。",
    "Walks follow the street network. Covered: the nearest facility is within the limit, the exact second included.",
    "Gap: farther or none. Unknown: the building lies near no street. The three add up to everybody counted.",
    "人数为该类设施的服务对象,缺少年龄段时按全体居民计。图形已简化,数字未简化。",
    "People are those the type is for; where age bands are missing, everybody. Shapes are simplified, figures are not.",
)
EVERYBODY = "全体居民 everybody"
NO_AGES = "全体居民(未载入年龄) everybody (no ages are loaded)"
SOME_AGES = "未载入年龄处按全体居民 everybody where no ages are loaded"


class SharePage(MacroElement):
    """Starts the page's own script with the map, its layer control and the data."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        startSharePage(
            {{ this._parent.get_name() }},
            {{ this.control.get_name() }},
            JSON.parse(document.getElementById("onemap-data").textContent)
        );
        {% endmacro %}
        """
    )

    def __init__(self, control: folium.LayerControl) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # branca has no types
        self._name = "SharePage"
        self.control = control


@dataclass(frozen=True, slots=True)
class PageTexts:
    """What the page says of itself.

    Attributes
    ----------
    title, subtitle
        Head of the page.
    method
        How the figures came about, one line a fact.
    sources
        One line a layer.
    """

    title: str
    subtitle: str
    method: tuple[str, ...]
    sources: tuple[str, ...]


def make_share_page(data: ShareData, *, pack: Pack, offline: bool = True) -> str:
    """Return a page about a run as HTML.

    Parameters
    ----------
    data
        What it shows.
    pack
        Names and clauses of the types.
    offline
        Whether scripts are inside, so that the page opens from a file; else they are linked from ``/folium`` of the
        server that hands the page out.

    Raises
    ------
    NotReady
        The front end was not built.
    DataError
        A link of folium has no copy.
    """
    texts = write_texts(data, pack)
    figure = Figure()
    extent = find_extent(data)
    middle = [0.0, 0.0] if extent is None else [(extent[1] + extent[3]) / 2, (extent[0] + extent[2]) / 2]
    page = folium.Map(location=middle, tiles=None, zoom_start=13, prefer_canvas=True, zoom_control="bottomright")
    # markers with icons would need a megabyte of fonts; this page has none
    page.default_js = [link for link in page.default_js if link[0] in NEEDED]
    page.default_css = [link for link in page.default_css if link[0] in NEEDED]
    figure.add_child(page)
    _add_base(page, data)
    control = folium.LayerControl(position="topright", collapsed=True)
    page.add_child(control)
    page.add_child(SharePage(control))
    _add_head(figure, texts, describe_data(data, pack, texts, extent))
    text = figure.render()
    return inline_links(text) if offline else link_to_server(text)


def _add_base(page: folium.Map, data: ShareData) -> None:
    for name, look in BASE_STYLES.items():
        if name not in data.base:
            continue
        shape = {"type": "Feature", "properties": {}, "geometry": data.base[name]}
        layer = folium.GeoJson(
            shape,
            name=BASE_TITLES[name],
            style_function=lambda _feature, look=look: dict(look),
            smooth_factor=1.0,
            interactive=False,
        )
        page.add_child(layer)


def _add_head(figure: Figure, texts: PageTexts, content: dict[str, Any]) -> None:
    folder = resources.files("maps") / "share"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = (folder / "page.js").read_text(encoding="utf-8")
    figure.title = html.escape(texts.title)
    figure.header.add_child(Element(_as_template(f"<style>{style}</style>")), name="share_style")
    figure.header.add_child(Element(_as_template(f"<script>{script}</script>")), name="share_script")
    block = f'<script type="application/json" id="onemap-data">{dump_data(content)}</script>'
    figure.html.add_child(Element(_as_template(block)), name="share_data")


def _as_template(text: str) -> str:
    """Return a text that branca's templates leave as it is."""
    return "{% raw %}" + text + "{% endraw %}"


def dump_data(content: dict[str, Any]) -> str:
    """Return data as JSON that can stand inside a script element and inside a template."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=float)
    # "<" could end the script element, "%}" the template's raw block; in JSON these signs stand in texts only
    for sign in "<>&%":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def find_extent(data: ShareData) -> tuple[float, float, float, float] | None:
    """Return the box of the buildings, degrees; None where it is not known."""
    return next((state.extent for state in data.sources if state.id == "buildings"), None)


def describe_data(
    data: ShareData, pack: Pack, texts: PageTexts, extent: tuple[float, float, float, float] | None
) -> dict[str, Any]:
    """Return what the page's script reads."""
    features = [
        {
            "type": "Feature",
            "properties": {name: area[name] for name in ("code", "level", "name")},
            "geometry": area["geometry"],
        }
        for area in data.areas
    ]
    return {
        **asdict(texts),
        "extent": extent,
        "first_column": find_first_column(data),
        "first_level": find_first_level(data),
        "profiles": len({column.profile for column in data.columns}),
        "columns": [describe_column(column, number, data, pack) for number, column in enumerate(data.columns)],
        "levels": [
            {"level": level, "title_zh": title_level(level)[0], "title_en": title_level(level)[1]}
            for level in data.levels
        ],
        "areas": {"type": "FeatureCollection", "features": features},
        "figures": data.figures,
        "totals": [{name: total[name] for name in ("people", "covered", "gap", "unknown")} for total in data.totals],
        "worst": data.worst,
        "facilities": data.facilities,
        "share_classes": asdict(share_classes()),
        "colours": {
            "nobody": NOBODY,
            "covered": COVERED,
            "gap": GAP,
            "unknown": UNKNOWN,
            "facility": FACILITY_COLOUR,
            "land": LAND,
        },
    }


def find_first_level(data: ShareData) -> int:
    """Return the place of the level to start with: the deepest whose areas can still be told apart."""
    counts = [sum(area["level"] == level for area in data.areas) for level in data.levels]
    return max((place for place, count in enumerate(counts) if count <= FIRST_AREAS_MAX), default=0)


def find_first_column(data: ShareData) -> int:
    """Return the place of the column to start with: of those with sites the one with most people in the gap."""
    places = range(len(data.columns))
    return max(places, key=lambda place: (data.columns[place].facilities > 0, data.totals[place]["gap"]), default=0)


def describe_column(column: RunColumn, number: int, data: ShareData, pack: Pack) -> dict[str, Any]:
    """Return one type and profile as the page names it, with classes of people for every level."""
    names = {item.code: item for item in pack.types}
    kind = names.get(column.type)
    most = [
        max(
            (data.figures[area["code"]][number][2] for area in data.areas if _has(data, area, level, number)), default=0
        )
        for level in data.levels
    ]
    return {
        "type": column.type,
        "profile": column.profile,
        "name_zh": column.type if kind is None else kind.name_zh,
        "name_en": "" if kind is None else kind.name_en,
        "category": "" if kind is None else kind.category,
        "clause": "" if kind is None else f"{kind.source} ({kind.certainty})",
        "limit_min": f"{column.limit_s / 60:.3g}",
        "demand_group": describe_group(column, kind),
        "facilities": column.facilities,
        "people_classes": [asdict(people_classes(count)) for count in most],
    }


def describe_group(column: RunColumn, kind: FacilityType | None) -> str:
    """Return who is counted in words: where no ages are loaded everybody, whomever the type is for."""
    group = column.demand_group
    if column.people_basis == "all" or group == "all":
        return NO_AGES if set(group.split("+")) <= set(BANDS) else EVERYBODY
    own = group if kind is None or not kind.demand_group else kind.demand_group
    return f"{own}, {SOME_AGES}" if column.people_basis == "mixed" else own


def _has(data: ShareData, area: dict[str, Any], level: str, number: int) -> bool:
    return area["level"] == level and bool(data.figures.get(area["code"], [[]] * (number + 1))[number])


def write_texts(data: ShareData, pack: Pack) -> PageTexts:
    """Return the page's title, date, method and sources in Chinese and English."""
    run = data.run
    made = f"{run.created_at:%Y-%m-%d %H:%M} UTC"
    name = run.name or f"#{run.id}"
    profiles = ", ".join(dict.fromkeys(column.profile for column in data.columns))
    method = [
        f"分析 Run {name}, {made}; 标准包 standards pack {pack.name} {run.pack_version}.",
        f"程序 Code {run.code_version}; 步行方式 profiles {profiles}; 长度坐标系 lengths in {run.metric_crs}.",
        *METHOD,
        f"结果校验 Result {run.result_sha256[:16]}.",
    ]
    basis = sorted({column.type for column in data.columns if column.people_basis == "all"})
    if basis:
        method.append(f"按全体居民计的类型 Types weighed by everybody: {', '.join(basis)}.")
    empty = sorted({column.type for column in data.columns if column.facilities == 0})
    if empty:
        method.append(f"未载入设施的类型 Types with none loaded: {', '.join(empty)}.")
    if data.left_out:
        method.append(f"因篇幅未列 Left out for size: {', '.join(data.left_out)}.")
    return PageTexts(
        title="步行可达缺口一张图 · Who lives beyond a walk",
        subtitle=f"{name} · {made} · OneMap",
        method=tuple(method),
        sources=tuple(_write_source(state) for state in data.sources),
    )


def _write_source(state: LayerState) -> str:
    unit = "row" if state.rows == 1 else "rows"
    return (
        f"{state.id}: {state.source or '—'}, {state.rows:,} 条 {unit}, 版本 version {state.version}, "
        f"{state.changed_at:%Y-%m-%d}, {state.datum or '—'}"
    )
