/* The page to share: areas coloured by one type and measure, its facilities and the worst buildings. Texts of the data go
   into the page as text only. */
"use strict";

function startSharePage(map, control, data) {
  const state = { column: data.first_column, level: data.first_level, measure: "share" };
  const NONE_LOADED = "未载入 none loaded";
  const make = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const number = (value) => Math.round(value).toLocaleString("en-US");
  const percent = (part, whole) => (whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : "—");
  const minutes = (seconds) => (seconds === null ? "—" : (seconds / 60).toFixed(1));
  const colourOf = (classes, value) => classes.colours[classes.breaks.filter((bound) => value >= bound).length];
  const column = () => data.columns[state.column];
  const figuresOf = (code) => (data.figures[code] || [])[state.column] || null;

  const isShown = (feature) => feature.properties.level === data.levels[state.level].level;
  const classesOf = () => (state.measure === "share" ? data.share_classes : column().people_classes[state.level]);
  const lookOf = (feature) => {
    const counts = figuresOf(feature.properties.code);
    let fill = data.colours.nobody;
    if (counts && counts[0] > 0) {
      const value = state.measure === "share" ? counts[1] / counts[0] : counts[2];
      fill = state.measure === "people" && value === 0 ? data.colours.nobody : colourOf(classesOf(), value);
    }
    return { color: "#5d6a78", weight: 1, fillColor: fill, fillOpacity: 0.62 };
  };
  const describe = (properties) => {
    const counts = figuresOf(properties.code);
    const node = make("div", {}, make("b", {}, properties.name || properties.code));
    if (counts) {
      node.append(
        make("div", {}, `居民 people ${number(counts[0])}`),
        make("div", {}, `达标 covered ${number(counts[1])} (${percent(counts[1], counts[0])})`),
        make("div", {}, `缺口 in the gap ${number(counts[2])}`),
        make("div", {}, `未知 unknown ${number(counts[3])}`),
      );
    }
    return node;
  };

  const areas = L.geoJSON(null, {
    filter: isShown,
    style: lookOf,
    onEachFeature: (feature, layer) => layer.bindTooltip(() => describe(feature.properties), { sticky: true }),
  }).addTo(map);
  const facilities = L.layerGroup().addTo(map);
  const worst = L.layerGroup().addTo(map);
  control.addOverlay(areas, "区域 areas");
  control.addOverlay(facilities, "设施 facilities");
  control.addOverlay(worst, "缺口最大的楼栋 buildings most in need");

  L.control.scale({ position: "bottomright", imperial: false }).addTo(map);

  const select = (name, title, options, chosen, onChange) => {
    const field = make("select", { name });
    options.forEach(([value, text, group]) => {
      const option = make("option", { value }, text);
      let parent = field;
      if (group) {
        parent = [...field.children].find((child) => child.label === group);
        if (!parent) field.append((parent = make("optgroup", { label: group })));
      }
      parent.append(option);
    });
    field.value = String(chosen);
    field.addEventListener("change", () => { onChange(field.value); draw(); });
    return make("label", {}, title, field);
  };

  const summary = make("div", { id: "om-summary", "aria-live": "polite" });
  const legend = make("ul", { id: "om-legend", class: "om-legend" });
  const table = make("table", { id: "om-worst" });
  const options = data.columns.map((item, place) => [
    String(place),
    `${item.name_zh} ${item.name_en} · ${item.limit_min} min${data.profiles > 1 ? ` · ${item.profile}` : ""}${item.facilities === 0 ? ` · ${NONE_LOADED}` : ""}`,
    item.category,
  ]);
  const panel = make(
    "section",
    { class: "om-panel", "aria-label": "OneMap" },
    make("h1", {}, data.title),
    make("p", { class: "om-muted" }, data.subtitle),
    select("type", "设施 Facility type", options, state.column, (value) => { state.column = Number(value); }),
    make(
      "div",
      { class: "om-row" },
      select("measure", "指标 Measure", [["share", "达标比例 share covered"], ["people", "缺口人数 people in the gap"]], "share", (value) => { state.measure = value; }),
      data.levels.length > 0
        ? select("level", "层级 Level", data.levels.map((item, place) => [String(place), `${item.title_zh} ${item.title_en}`]), state.level, (value) => { state.level = Number(value); })
        : make("span"),
    ),
    summary,
    make("h2", {}, "图例 Legend"),
    legend,
    make("h2", {}, "缺口最大的楼栋 Buildings most in need"),
    table,
    make("details", {}, make("summary", {}, "数字从何而来 How the figures came about"), ...data.method.map((line) => make("p", { class: "om-muted" }, line))),
    make("details", {}, make("summary", {}, "数据来源 Sources"), ...data.sources.map((line) => make("p", { class: "om-muted" }, line))),
  );
  document.body.append(panel);
  L.DomEvent.disableClickPropagation(panel).disableScrollPropagation(panel);

  function drawSummary() {
    const total = data.totals[state.column];
    const bar = make("div", { class: "om-bar", role: "img", "aria-label": percent(total.covered, total.people) });
    for (const [name, colour] of [["covered", data.colours.covered], ["gap", data.colours.gap], ["unknown", data.colours.unknown]]) {
      const part = make("span");
      part.style.background = colour;
      part.style.width = `${total.people > 0 ? (100 * total[name]) / total.people : 0}%`;
      bar.append(part);
    }
    const item = column();
    summary.replaceChildren(
      make("div", { class: "om-big" }, make("b", { id: "om-gap" }, number(total.gap)), make("span", {}, `人步行 ${item.limit_min} 分钟不可达 people beyond a ${item.limit_min}-minute walk`)),
      bar,
      make("p", { class: "om-muted" }, `对象 for ${item.demand_group} · ${number(total.people)} 人 people · 达标 covered ${percent(total.covered, total.people)} · 未知 unknown ${number(total.unknown)}`),
      ...(item.facilities === 0 ? [make("p", { id: "om-none" }, `${NONE_LOADED}: 没有人被覆盖 so nobody is covered`)] : []),
      make("p", { class: "om-muted" }, item.clause),
    );
  }

  function drawLegend() {
    const swatch = (colour, kind = "om-swatch") => {
      const node = make("span", { class: kind });
      node.style.background = colour;
      return node;
    };
    const classes = classesOf();
    const show = state.measure === "share" ? (value) => `${Math.round(100 * value)} %` : number;
    const rows = data.levels.length === 0 ? [] : classes.colours.map((colour, place) => {
      const low = place === 0 ? null : show(classes.breaks[place - 1]);
      const high = place === classes.breaks.length ? null : show(classes.breaks[place]);
      const text = low === null ? (high === null ? "> 0" : `< ${high}`) : high === null ? `≥ ${low}` : `${low} – ${high}`;
      return make("li", {}, swatch(colour), text);
    });
    legend.replaceChildren(
      ...rows,
      ...(data.levels.length > 0 ? [make("li", {}, swatch(data.colours.nobody), state.measure === "share" ? "无此类居民 nobody of this group" : "无缺口 no gap")] : []),
      make("li", {}, swatch(data.colours.facility, "om-dot"), "设施 facility"),
      make("li", {}, swatch(data.colours.gap, "om-dot"), "缺口最大的楼栋 building most in need"),
    );
  }

  function drawPoints() {
    facilities.clearLayers();
    for (const [lon, lat, name] of data.facilities[column().type] || []) {
      L.circleMarker([lat, lon], { radius: 5, color: "#ffffff", weight: 1.5, fillColor: data.colours.facility, fillOpacity: 1 })
        .bindTooltip(() => make("span", {}, name || column().name_zh))
        .addTo(facilities);
    }
    worst.clearLayers();
    const head = make("tr", {}, make("th", {}, "楼栋 building"), make("th", { class: "om-number" }, "人 people"), make("th", { class: "om-number" }, "分钟 min"));
    const rows = data.worst[state.column].map((row) => {
      const name = row.name || row.address || row.source_id;
      L.circleMarker([row.lat, row.lon], { radius: 5, color: "#ffffff", weight: 1.5, fillColor: data.colours.gap, fillOpacity: 1 })
        .bindTooltip(() => make("span", {}, `${name}: ${number(row.people || 0)} 人 people, ${minutes(row.reach_s)} min`))
        .addTo(worst);
      const button = make("button", { type: "button" }, name);
      button.addEventListener("click", () => map.setView([row.lat, row.lon], 16));
      return make("tr", {}, make("td", {}, button), make("td", { class: "om-number" }, number(row.people || 0)), make("td", { class: "om-number" }, minutes(row.reach_s)));
    });
    table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  }

  function draw() {
    areas.clearLayers();
    if (data.levels.length > 0) areas.addData(data.areas);
    drawSummary();
    drawLegend();
    drawPoints();
  }

  draw();
  if (data.extent) {
    const [west, south, east, north] = data.extent;
    const wide = window.innerWidth > 640;
    map.fitBounds([[south, west], [north, east]], { paddingTopLeft: [wide ? 364 : 8, 8], paddingBottomRight: [8, wide ? 8 : window.innerHeight * 0.48] });
  }
  document.documentElement.dataset.ready = "yes";
}
