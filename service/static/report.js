"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { number, colour, make, axes, size, tipOf, place, plot } = evoCharts;

  const NARROW = 640; /* pixels: below it report.css stacks the cells of a row */

  /* The map. */
  const KINDS = ["pool", "selected", "target"]; /* the last is on top */
  const LISTED = { selected: "selected", target: "target", pool: "not selected" };
  const map = data.map, shown = { pool: true, target: true, selected: true };
  const frame = { x: range("x"), y: range("y") };
  const grids = Object.fromEntries(KINDS.map((kind) => [kind, evoMap.gridOf(map[kind], frame)]));
  let inspected = 0;

  function range(axis) {
    let low = Infinity, high = -Infinity;
    for (const kind of KINDS) for (const value of map[kind][axis]) { low = Math.min(low, value); high = Math.max(high, value); }
    const margin = (high - low || 1) * 0.04;
    return [low - margin, high + margin];
  }

  function paint(u) {
    const c = u.ctx, ratio = devicePixelRatio;
    c.save();
    c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    for (const kind of KINDS) if (shown[kind]) evoMap.paint(u, kind, map[kind]);
    if (inspected && map.selected.x[inspected - 1] !== undefined) {
      c.strokeStyle = colour("text"); c.lineWidth = 2 * ratio; c.beginPath();
      c.arc(u.valToPos(map.selected.x[inspected - 1], "x", true), u.valToPos(map.selected.y[inspected - 1], "y", true), 8 * ratio, 0, 7);
      c.stroke();
    }
    c.restore();
  }

  function plotMap(host) {
    const { x, y } = frame;
    const options = {
      ...size(host), legend: { show: false }, cursor: { drag: { x: true, y: true, uni: 20 }, points: { show: false } },
      scales: { x: { time: false, range: (u, low, high) => (low === null ? x : [low, high]) }, y: { range: (u, low, high) => (low === null ? y : [low, high]) } },
      axes: axes("first component", "second component"),
      series: [{}, { paths: () => null, points: { show: false } }], hooks: { draw: [paint], setCursor: [hover] },
    };
    const u = new uPlot(options, [x, y], host);
    u.over.addEventListener("click", () => { const near = under(u); if (near && near.kind === "selected") inspect(near.at + 1); });
    evoMap.lasso(u, () => document.getElementById("lasso").checked, list);
    return u;
  }

  const under = (u) => evoMap.under(u, map, grids, ["target", "selected", "pool"].filter((kind) => shown[kind]));

  const named = (kind, at) => kind === "selected" ? data.tables.items.rows[at][4] || data.tables.items.rows[at][1] : map[kind].id[at];

  const cut = (text) => text.length > 160 ? `${text.slice(0, 160)}…` : text;

  /* What a lasso took, as a table that can be filtered. */
  function list(polygon) {
    const rows = [...KINDS].reverse().filter((kind) => shown[kind]).flatMap((kind) => evoMap.enclosed(map[kind], grids[kind], polygon)
      .map((at) => [LISTED[kind], kind === "selected" ? at + 1 : null, named(kind, at)]));
    data.tables.taken = { columns: [{ label: "what", kind: "" }, { label: "rank", kind: "number" }, { label: "example", kind: "text" }], rows };
    const host = document.getElementById("taken");
    host.hidden = false;
    pagedTable(host);
  }

  function hover(u) {
    const host = u.root.parentElement, tip = tipOf(host), near = u.cursor.left < 0 ? null : under(u);
    tip.hidden = !near;
    if (!near) return;
    const name = near.kind === "selected" ? `rank ${near.at + 1}: ` : near.kind === "target" ? "target: " : "";
    tip.textContent = name + cut(named(near.kind, near.at));
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
    const size = innerWidth < NARROW ? 6 : 12; /* rows of a page: none makes the report endless */
    let page = 0, rows = table.rows;
    const show = () => {
      const pages = Math.max(1, Math.ceil(rows.length / size)); page = Math.min(Math.max(page, 0), pages - 1);
      body.replaceChildren(...rows.slice(page * size, page * size + size).map((row) => {
        const line = make("tr");
        row.forEach((cell, at) => {
          const { label, kind } = table.columns[at], shown = make("td", typeof cell === "number" ? number.format(cell) : cell ?? "", kind);
          shown.dataset.label = label; /* names the cell where a narrow window stacks them */
          line.append(shown);
        });
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
      charts.set(name, name === "map" ? plotMap(host) : plot(host, JSON.parse(host.dataset.plot)));
    });
  }

  drawAll();
  document.querySelectorAll("[data-table]:not([hidden])").forEach(pagedTable);
  document.querySelectorAll("[data-kind]").forEach((box) => box.addEventListener("change", () => {
    shown[box.dataset.kind] = box.checked; charts.get("map").redraw(false);
  }));
  const rank = document.getElementById("rank");
  rank.addEventListener("change", () => inspect(Number(rank.value)));
  document.getElementById("before").addEventListener("click", () => inspect(inspected - 1));
  document.getElementById("after").addEventListener("click", () => inspect(inspected + 1));
  inspect(1);
  evoCharts.follow(drawAll, () => charts.forEach((u) => u.setSize(size(u.root.parentElement))));
  document.documentElement.dataset.ready = "yes";
})();
