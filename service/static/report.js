"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { number, colour, make, axes, size, tipOf, place, plot } = evoCharts;
  const charts = new Map(), tables = new Map();

  const NARROW = 640; /* pixels: below it report.css stacks the cells of a row */

  /* The map. */
  const KINDS = ["pool", "selected", "target"]; /* the last is on top */
  const LISTED = { selected: "selected", target: "target", pool: "not selected" };
  const EXTRA = "extra."; /* of columns, in addresses as in the pages of records */
  const VALUES = 50; /* of a column that can be pressed; the last stands for all others where there are more */
  const map = data.map, shown = { pool: true, target: true, selected: true };
  const pictures = { pca: picture("x", "y", ["first component", "second component"]) };
  if (KINDS.some((kind) => map[kind].tsne_x?.some((value) => value !== null))) pictures.tsne = picture("tsne_x", "tsne_y", ["t-SNE", ""]);
  const groupings = { source: bySource(), cluster: byCluster() };
  const linked = evoLinked(document.getElementById("linked"), map, KINDS, measures(), () => { charts.get("map")?.redraw(false); again(); });
  let drawn = pictures.pca, coloured = null, polygon = null, inspected = 0;

  /* Points by kind in one picture, with their grids. */
  function picture(x, y, labels) {
    const points = Object.fromEntries(KINDS.map((kind) => [kind, { x: places(kind, x), y: places(kind, y) }]));
    const frame = { x: range(points, "x"), y: range(points, "y") };
    return { points, frame, labels, grids: Object.fromEntries(KINDS.map((kind) => [kind, evoMap.gridOf(points[kind], frame)])) };
  }

  function places(kind, name) {
    return Float64Array.from(map[kind][name] ?? new Array(map[kind].x.length).fill(null), (value) => value ?? NaN);
  }

  function range(points, axis) {
    let low = Infinity, high = -Infinity;
    for (const kind of KINDS) for (const value of points[kind][axis]) { if (value < low) low = value; if (value > high) high = value; }
    const margin = (high - low || 1) * 0.04;
    return [low - margin, high + margin];
  }

  /* Values of the column of sources, the most frequent first, as numbers of colours; null where there are none. */
  function bySource() { return byValue((kind) => map[kind].source, evoMap.GROUPS); }

  function byValue(of, most) {
    const counts = new Map();
    for (const kind of KINDS) for (const value of of(kind) ?? []) if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    if (counts.size < 2) return null;
    const order = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one));
    const labels = order.length > most ? [...order.slice(0, most - 1), "others"] : order;
    const place = new Map(order.map((value, at) => [value, Math.min(at, most - 1)]));
    return { labels, groups: Object.fromEntries(KINDS.map((kind) => [kind, Uint8Array.from(of(kind) ?? [], (value) => place.get(value) ?? 255)])) };
  }

  function byCluster() {
    if (!data.clusters.length) return null;
    const labels = data.clusters.map((words, at) => words || `cluster ${at + 1}`);
    return { labels, groups: Object.fromEntries(KINDS.map((kind) => [kind, Uint8Array.from(map[kind].cluster ?? [], (value) => value ?? 255)])) };
  }

  function measures() {
    const found = [];
    if (map.pool.relevance || map.selected.relevance) found.push({ name: "relevance", label: "Relevance" });
    if (map.pool.length) found.push({ name: "length", label: "Length, characters", log: true });
    if (groupings.source) found.push({ name: `${EXTRA}${data.source}`, label: data.source, ...byValue((kind) => map[kind].source, VALUES) });
    if (groupings.cluster) found.push({ name: "cluster", label: "Cluster", ...groupings.cluster });
    for (const name of data.columns) {
      const held = byValue((kind) => map[kind].columns?.[name], VALUES);
      if (held) found.push({ name: `${EXTRA}${name}`, label: name, ...held });
    }
    return found;
  }

  const look = (kind) => ({ hidden: linked.hidden[kind], groups: coloured?.groups[kind] });

  function paint(u) {
    const c = u.ctx, ratio = devicePixelRatio, { x, y } = drawn.points.selected;
    c.save();
    c.beginPath(); c.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); c.clip();
    for (const kind of KINDS) if (shown[kind]) evoMap.paint(u, kind, drawn.points[kind], look(kind));
    if (x[inspected - 1] === x[inspected - 1] && inspected) {
      c.strokeStyle = colour("text"); c.lineWidth = 2 * ratio; c.beginPath();
      c.arc(u.valToPos(x[inspected - 1], "x", true), u.valToPos(y[inspected - 1], "y", true), 8 * ratio, 0, 7);
      c.stroke();
    }
    if (coloured === groupings.cluster && coloured) name(u);
    c.restore();
  }

  /* The words of each cluster, at the point that is nearest to its middle. */
  function name(u) {
    const sums = coloured.labels.map(() => [0, 0, 0]), near = sums.map(() => [0, 0, Infinity]), c = u.ctx, ratio = devicePixelRatio;
    const each = (take) => {
      for (const kind of KINDS) {
        const { x, y } = drawn.points[kind], groups = coloured.groups[kind], hidden = linked.hidden[kind];
        for (let at = 0; at < groups.length; at++) if (!hidden[at] && groups[at] < sums.length && x[at] === x[at]) take(groups[at], x[at], y[at]);
      }
    };
    each((group, x, y) => { const sum = sums[group]; sum[0] += x; sum[1] += y; sum[2] += 1; });
    each((group, x, y) => {
      const [left, top, count] = sums[group], far = Math.hypot(x - left / count, y - top / count);
      if (far < near[group][2]) near[group] = [x, y, far];
    });
    c.font = `600 ${12 * ratio}px system-ui, sans-serif`; c.textAlign = "center"; c.lineWidth = 4 * ratio; c.lineJoin = "round";
    c.strokeStyle = colour("card"); c.fillStyle = colour("text");
    const taken = []; /* middles of names: one that would lie on a larger cluster's is left out */
    sums.map(([, , count], group) => [count, group]).sort(([one], [other]) => other - one).forEach(([count, group]) => {
      if (!count) return;
      const half = c.measureText(coloured.labels[group]).width / 2, left = u.bbox.left + half, right = u.bbox.left + u.bbox.width - half;
      const at = [Math.max(left, Math.min(right, u.valToPos(near[group][0], "x", true))), u.valToPos(near[group][1], "y", true) - 9 * ratio];
      if (taken.some(([left, top, wide]) => Math.abs(left - at[0]) < wide + half && Math.abs(top - at[1]) < 14 * ratio)) return;
      taken.push([...at, half]);
      c.strokeText(coloured.labels[group], ...at); c.fillText(coloured.labels[group], ...at);
    });
  }

  function plotMap(host) {
    const { x, y } = drawn.frame;
    const options = {
      ...size(host), legend: { show: false }, cursor: { drag: { x: true, y: true, uni: 20 }, points: { show: false } },
      scales: { x: { time: false, range: (u, low, high) => (low === null ? x : [low, high]) }, y: { range: (u, low, high) => (low === null ? y : [low, high]) } },
      axes: axes(...drawn.labels),
      series: [{}, { paths: () => null, points: { show: false } }], hooks: { draw: [paint], setCursor: [hover] },
    };
    const u = new uPlot(options, [x, y], host);
    u.over.addEventListener("click", () => { const near = under(u); if (near && near.kind === "selected") inspect(near.at + 1); });
    evoMap.lasso(u, () => document.getElementById("lasso").checked, (line) => { polygon = line; list(); });
    return u;
  }

  const under = (u) => evoMap.under(u, drawn.points, drawn.grids, ["target", "selected", "pool"].filter((kind) => shown[kind]), linked.hidden);

  const named = (kind, at) => kind === "selected" ? data.tables.items.rows[at][4] || data.tables.items.rows[at][1] : map[kind].id[at];

  const cut = (text) => text.length > 160 ? `${text.slice(0, 160)}…` : text;

  /* What a lasso took, as a table that can be filtered. */
  function list() {
    const rows = [...KINDS].reverse().filter((kind) => shown[kind]).flatMap((kind) => evoMap.enclosed(drawn.points[kind], drawn.grids[kind], polygon, linked.hidden[kind])
      .map((at) => [LISTED[kind], kind === "selected" ? at + 1 : null, named(kind, at)]));
    data.tables.taken = { columns: [{ label: "what", kind: "" }, { label: "rank", kind: "number" }, { label: "example", kind: "text" }], rows };
    const host = document.getElementById("taken");
    host.hidden = false;
    pagedTable(host);
  }

  /* Tables follow what the histograms hide. */
  function again() {
    if (polygon) list();
    tables.get("items")();
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
  function pagedTable(host, keeps = () => true) {
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
    let page = 0, rows = [];
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
    const sift = () => {
      const wanted = filter.value.toLowerCase(), holds = (row) => row.some((cell) => String(cell ?? "").toLowerCase().includes(wanted));
      rows = table.rows.filter((row, at) => keeps(at) && (!wanted || holds(row)));
      page = 0; show();
    };
    filter.addEventListener("input", sift);
    back.addEventListener("click", () => { page -= 1; show(); });
    next.addEventListener("click", () => { page += 1; show(); });
    pager.append(filter, back, next, status); host.replaceChildren(scroll, pager); sift();
    return sift;
  }

  function drawMap() {
    const host = document.querySelector("[data-chart=map]");
    charts.get("map")?.destroy();
    charts.set("map", plotMap(host));
  }

  function drawAll() {
    charts.forEach((u) => u.destroy()); charts.clear(); linked.draw();
    document.querySelectorAll("[data-chart]").forEach((host) => {
      const name = host.dataset.chart;
      charts.set(name, name === "map" ? plotMap(host) : plot(host, JSON.parse(host.dataset.plot)));
    });
  }

  /* A list of what there is: choices that a report lacks are taken out. */
  function choice(id, among, take) {
    const list = document.getElementById(id);
    [...list.options].forEach((option) => { if (option.value && !among[option.value]) option.remove(); });
    list.addEventListener("change", () => take(among[list.value] ?? null));
  }

  drawAll();
  document.querySelectorAll("[data-table]:not([hidden])").forEach((host) => {
    const own = host.dataset.table === "items"; /* whose rows are the selected ones of the map, in their order */
    tables.set(host.dataset.table, pagedTable(host, own ? (at) => !linked.hidden.selected[at] : undefined));
  });
  choice("picture", pictures, (found) => { drawn = found; polygon = null; document.getElementById("taken").hidden = true; drawMap(); });
  choice("colours", groupings, (found) => { coloured = found; document.querySelector("#map .legend").classList.toggle("plain", Boolean(found)); charts.get("map").redraw(false); });
  document.querySelectorAll("[data-kind]").forEach((box) => box.addEventListener("change", () => {
    shown[box.dataset.kind] = box.checked; charts.get("map").redraw(false);
  }));
  const rank = document.getElementById("rank");
  rank.addEventListener("change", () => inspect(Number(rank.value)));
  document.getElementById("before").addEventListener("click", () => inspect(inspected - 1));
  document.getElementById("after").addEventListener("click", () => inspect(inspected + 1));
  inspect(1);
  evoCharts.follow(drawAll, () => { linked.draw(); charts.forEach((u) => u.setSize(size(u.root.parentElement))); });
  document.documentElement.dataset.ready = "yes";
})();
