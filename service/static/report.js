"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const translucent = (name, alpha) => colour(name) + Math.round(alpha * 255).toString(16).padStart(2, "0");
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const DASHES = { selected: [], random: [8, 5], "top-relevance": [2, 4], pool: [6, 3] };

  function axes(xLabel, yLabel) {
    const look = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
      grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 } };
    return [{ ...look, label: xLabel, labelSize: 22, size: 34 }, { ...look, label: yLabel, labelSize: 20, size: 60, values: (u, splits) => splits.map((value) => fine.format(value)) }];
  }

  function line(series) {
    if (series.style === "listed") return { show: false, scale: "listed" };
    const only = series.style === "points";
    return {
      label: series.label, stroke: colour(series.colour), width: only ? 0 : 2, dash: DASHES[series.colour], spanGaps: true,
      fill: series.style === "steps" ? translucent(series.colour, 0.18) : undefined,
      paths: only ? () => null : series.style === "steps" ? uPlot.paths.stepped({ align: 1 }) : undefined,
      points: { show: only || series.style === "dots", size: only ? 13 : 7, fill: colour(only ? series.colour : "card") },
    };
  }

  function size(host) { return { width: host.clientWidth, height: host.clientHeight }; }

  function plot(host, chart) {
    const time = false;
    const options = {
      ...size(host), legend: { show: false }, cursor: { y: false, points: { size: 7 } },
      scales: { x: { time, distr: chart.log ? 3 : 1 } }, axes: axes(chart.x_label, chart.y_label),
      series: [{}, ...chart.series.map(line)],
      hooks: { setCursor: [(u) => readOut(u, host, chart)] },
    };
    return new uPlot(options, [chart.x, ...chart.series.map((one) => one.values)], host);
  }

  function readOut(u, host, chart) {
    const tip = tipOf(host), at = u.cursor.idx;
    tip.hidden = at === null || at === undefined || u.cursor.left < 0;
    if (tip.hidden) return;
    const shown = chart.series.filter((one) => one.values[at] !== null && one.values[at] !== undefined);
    tip.replaceChildren(make("div", `${chart.x_label}: ${number.format(chart.x[at])}`),
      ...shown.map((one) => make("div", `${one.label}: ${number.format(one.values[at])}`)));
    place(tip, host, u.bbox.left / devicePixelRatio + u.cursor.left, 8);
  }

  function tipOf(host) {
    let tip = host.querySelector(".tip");
    if (!tip) { tip = make("div", "", "tip"); tip.hidden = true; host.append(tip); }
    return tip;
  }

  function place(tip, host, left, top) {
    const right = left > host.clientWidth / 2;
    tip.style.left = right ? "auto" : `${left + 12}px`;
    tip.style.right = right ? `${host.clientWidth - left + 12}px` : "auto";
    tip.style.top = `${top}px`;
  }

  /* The map: points are painted by hand, which stays quick with 14,000 of them. */
  const map = data.map, shown = { pool: true, target: true, selected: true };
  let inspected = 0;

  function range(axis) {
    const values = ["pool", "target", "selected"].flatMap((kind) => map[kind][axis]);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const margin = (high - low || 1) * 0.04;
    return [low - margin, high + margin];
  }

  function paint(u) {
    const c = u.ctx, ratio = devicePixelRatio;
    c.save();
    c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    const radius = { pool: 1.7, target: 4.2, selected: map.selected.x.length > 2000 ? 1.9 : 2.9 };
    for (const kind of ["pool", "selected", "target"]) {
      if (!shown[kind]) continue;
      c.fillStyle = translucent(kind, kind === "pool" ? 0.45 : kind === "selected" ? 0.75 : 1);
      c.strokeStyle = colour("card");
      map[kind].x.forEach((x, at) => mark(c, kind, u.valToPos(x, "x", true), u.valToPos(map[kind].y[at], "y", true), radius[kind] * ratio));
    }
    if (inspected && map.selected.x[inspected - 1] !== undefined) {
      c.strokeStyle = colour("text"); c.lineWidth = 2 * ratio; c.beginPath();
      c.arc(u.valToPos(map.selected.x[inspected - 1], "x", true), u.valToPos(map.selected.y[inspected - 1], "y", true), 8 * ratio, 0, 7);
      c.stroke();
    }
    c.restore();
  }

  function mark(c, kind, x, y, r) {
    c.beginPath();
    if (kind === "target") { c.moveTo(x, y - r); c.lineTo(x + r, y); c.lineTo(x, y + r); c.lineTo(x - r, y); c.closePath(); c.stroke(); }
    else c.arc(x, y, r, 0, 7);
    c.fill();
  }

  function plotMap(host) {
    const x = range("x"), y = range("y");
    const options = {
      ...size(host), legend: { show: false }, cursor: { drag: { x: true, y: true, uni: 20 }, points: { show: false } },
      scales: { x: { time: false, range: (u, low, high) => (low === null ? x : [low, high]) }, y: { range: (u, low, high) => (low === null ? y : [low, high]) } },
      axes: axes("first component", "second component"),
      series: [{}, { paths: () => null, points: { show: false } }], hooks: { draw: [paint], setCursor: [hover] },
    };
    const u = new uPlot(options, [x, y], host);
    u.over.addEventListener("click", () => { const near = under(u); if (near && near.kind === "selected") inspect(near.at + 1); });
    return u;
  }

  function under(u) {
    let best = null, least = 12;
    for (const kind of ["target", "selected", "pool"]) {
      if (!shown[kind]) continue;
      map[kind].x.forEach((x, at) => {
        const far = Math.hypot(u.valToPos(x, "x") - u.cursor.left, u.valToPos(map[kind].y[at], "y") - u.cursor.top);
        if (far < least) { least = far; best = { kind, at }; }
      });
    }
    return best;
  }

  function hover(u) {
    const host = u.root.parentElement, tip = tipOf(host), near = u.cursor.left < 0 ? null : under(u);
    tip.hidden = !near;
    if (!near) return;
    const name = near.kind === "selected" ? `rank ${near.at + 1}: ` : near.kind === "target" ? "target: " : "";
    tip.textContent = name + (near.kind === "selected" ? data.tables.items.rows[near.at][1] : map[near.kind].id[near.at]);
    place(tip, host, u.bbox.left / devicePixelRatio + u.cursor.left, u.cursor.top);
  }

  function inspect(rank) {
    const item = data.tables.items.rows[rank - 1];
    if (!item) return;
    inspected = rank;
    document.getElementById("rank").value = rank;
    document.getElementById("what").textContent = `${item[1]} · score ${number.format(item[2])} · serves ${item[3] || "no target in particular"}`;
    document.getElementById("record").textContent = item[4];
    if (charts.has("map")) charts.get("map").redraw(false);
  }

  /* Tables that page through all rows of the embedded data; cells are text, never markup. */
  function pagedTable(host) {
    const table = data.tables[host.dataset.table], body = make("tbody"), status = make("span", "", "quiet");
    const head = make("tr"), scroll = make("div", undefined, "scroll"), pager = make("div", undefined, "pager");
    table.columns.forEach((column) => { const cell = make("th", column.label, column.kind); cell.scope = "col"; head.append(cell); });
    const whole = make("table"), top = make("thead");
    whole.append(make("caption", host.dataset.caption), top, body); top.append(head); scroll.append(whole);
    scroll.tabIndex = 0; scroll.setAttribute("role", "region"); scroll.setAttribute("aria-label", host.dataset.caption);
    const filter = make("input"); filter.type = "search"; filter.placeholder = "Filter"; filter.setAttribute("aria-label", `Filter: ${host.dataset.caption}`);
    const back = make("button", "Previous"), next = make("button", "Next");
    back.type = next.type = "button";
    let page = 0, rows = table.rows;
    const show = () => {
      const pages = Math.max(1, Math.ceil(rows.length / 20)); page = Math.min(Math.max(page, 0), pages - 1);
      body.replaceChildren(...rows.slice(page * 20, page * 20 + 20).map((row) => {
        const line = make("tr");
        row.forEach((cell, at) => line.append(make("td", typeof cell === "number" ? number.format(cell) : cell ?? "", table.columns[at].kind)));
        return line;
      }));
      status.textContent = `${number.format(rows.length)} rows, page ${page + 1} of ${pages}`;
      back.disabled = page === 0; next.disabled = page === pages - 1;
    };
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase();
      rows = wanted ? table.rows.filter((row) => row.some((cell) => String(cell ?? "").toLowerCase().includes(wanted))) : table.rows;
      page = 0; show();
    });
    back.addEventListener("click", () => { page -= 1; show(); });
    next.addEventListener("click", () => { page += 1; show(); });
    pager.append(filter, back, next, status); host.replaceChildren(scroll, pager); show();
  }

  const charts = new Map();
  function drawAll() {
    charts.forEach((u) => u.destroy()); charts.clear();
    document.querySelectorAll("[data-chart]").forEach((host) => {
      const name = host.dataset.chart;
      charts.set(name, name === "map" ? plotMap(host) : plot(host, data.charts[name]));
    });
  }

  drawAll();
  document.querySelectorAll("[data-table]").forEach(pagedTable);
  document.querySelectorAll("[data-kind]").forEach((box) => box.addEventListener("change", () => {
    shown[box.dataset.kind] = box.checked; charts.get("map").redraw(false);
  }));
  const rank = document.getElementById("rank");
  rank.addEventListener("change", () => inspect(Number(rank.value)));
  document.getElementById("before").addEventListener("click", () => inspect(inspected - 1));
  document.getElementById("after").addEventListener("click", () => inspect(inspected + 1));
  inspect(1);
  dark.addEventListener("change", drawAll);
  let resizing;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => charts.forEach((u) => u.setSize(size(u.root.parentElement))), 100); });
  document.documentElement.dataset.ready = "yes";
})();
