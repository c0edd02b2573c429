"use strict";
/* Points on a plane: painted, found under the pointer, and taken with a lasso. Points of a kind are columns
   {x: [...], y: [...]}, NaN where a picture lacks one; nothing here looks at every point when the pointer moves.
   A point is hidden where `hidden[at]` is not 0. */
const evoMap = (() => {
  const { colour, translucent, axes, size } = evoCharts;
  const MANY = 1000; /* points of a kind above which each is a square of pixels: arcs of 200,000 would take a second */
  const CELLS = 256; /* along each side of the grid */
  const FEW = 200; /* points of a kind below which they are larger */
  const GROUPS = 8; /* colours of values; one above that has the colour of its kind */
  const NEAR = 12; /* pixels from the pointer within which a point is meant */

  /* Rows by cell of a grid over the plane: `rows` from `starts[cell]` on to `starts[cell + 1]`. */
  function gridOf(points, frame) {
    const count = points.x.length, cells = new Uint32Array(count), starts = new Uint32Array(CELLS * CELLS + 1), rows = new Uint32Array(count);
    const along = (value, [low, high]) => Math.min(CELLS - 1, Math.max(0, Math.floor((value - low) / (high - low || 1) * CELLS)));
    for (let at = 0; at < count; at++) if (points.x[at] === points.x[at]) starts[(cells[at] = along(points.y[at], frame.y) * CELLS + along(points.x[at], frame.x)) + 1] += 1;
    for (let cell = 0; cell < CELLS * CELLS; cell++) starts[cell + 1] += starts[cell];
    const next = starts.slice();
    for (let at = 0; at < count; at++) if (points.x[at] === points.x[at]) rows[next[cells[at]]++] = at;
    return { starts, rows, along, frame };
  }

  /* Calls `take` with each row of the cells that a box touches. */
  function within(grid, x, y, take) {
    const { starts, rows, along, frame } = grid, first = along(x[0], frame.x), last = along(x[1], frame.x);
    for (let line = along(y[0], frame.y); line <= along(y[1], frame.y); line++) {
      const end = starts[line * CELLS + last + 1];
      for (let at = starts[line * CELLS + first]; at < end; at++) take(rows[at]);
    }
  }

  /* The point of these kinds that is nearest to the pointer: {kind, at}, or null. */
  function under(u, points, grids, kinds, hidden) {
    const { left, top } = u.cursor, box = (axis, at, sign) => [u.posToVal(at - NEAR, axis), u.posToVal(at + NEAR, axis)].sort((a, b) => sign * (a - b));
    const x = box("x", left, 1), y = box("y", top, 1);
    let best = null, least = NEAR;
    for (const kind of kinds) within(grids[kind], x, y, (at) => {
      if (hidden[kind][at]) return;
      const far = Math.hypot(u.valToPos(points[kind].x[at], "x") - left, u.valToPos(points[kind].y[at], "y") - top);
      if (far < least) { least = far; best = { kind, at }; }
    });
    return best;
  }

  /* Whether an odd number of sides lies to the right (even-odd rule). */
  function inside(polygon, x, y) {
    let odd = false;
    for (let at = 0, last = polygon.length - 1; at < polygon.length; last = at++) {
      const px = polygon[at][0], py = polygon[at][1], qx = polygon[last][0], qy = polygon[last][1];
      if ((py > y) !== (qy > y) && x < (qx - px) * (y - py) / (qy - py) + px) odd = !odd;
    }
    return odd;
  }

  /* The rows of a kind inside a polygon of the plane, in their order. */
  function enclosed(points, grid, polygon, hidden) {
    const ends = (at) => [polygon.reduce((low, one) => Math.min(low, one[at]), Infinity), polygon.reduce((high, one) => Math.max(high, one[at]), -Infinity)];
    const found = [];
    within(grid, ends(0), ends(1), (at) => { if (!hidden[at] && inside(polygon, points.x[at], points.y[at])) found.push(at); });
    return Array.from(Uint32Array.from(found).sort()); /* typed arrays sort by number, and sooner */
  }

  function shapes(u, kind, points, radius, fills, { hidden, groups }) {
    const c = u.ctx;
    points.x.forEach((value, at) => {
      if (hidden?.[at] || value !== value) return;
      const x = u.valToPos(value, "x", true), y = u.valToPos(points.y[at], "y", true);
      c.fillStyle = fills[Math.min(groups?.[at] ?? GROUPS, GROUPS)];
      c.beginPath();
      if (kind === "target") { c.moveTo(x, y - radius); c.lineTo(x + radius, y); c.lineTo(x, y + radius); c.lineTo(x - radius, y); c.closePath(); c.stroke(); }
      else c.arc(x, y, radius, 0, 7);
      c.fill();
    });
  }

  const sheet = document.createElement("canvas");

  const packed = (text) => { const [red, green, blue] = text.match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16)); return blue << 16 | green << 8 | red; }; /* little endian */

  /* Squares of pixels, each blended over those before it, in one pass over the points and none over the pixels. */
  function squares(u, points, radius, inks, alpha, { hidden, groups }) {
    const { left, top, width, height } = u.bbox, side = Math.max(2, Math.round(2 * radius)), half = side >> 1;
    const wide = sheet.width = Math.ceil(width), high = sheet.height = Math.ceil(height);
    const image = new ImageData(wide, high), pixels = new Uint32Array(image.data.buffer), plain = inks[GROUPS];
    const low = u.scales.x.min, ceiling = u.scales.y.max, across = width / (u.scales.x.max - low), up = height / (ceiling - u.scales.y.min);
    const after = Uint8Array.from({ length: 256 }, (_, cover) => Math.round(cover + (255 - cover) * alpha)); /* of a pixel that is covered once more */
    for (let at = 0, count = points.x.length; at < count; at++) {
      if (hidden && hidden[at]) continue;
      const column = Math.round((points.x[at] - low) * across) - half, line = Math.round((ceiling - points.y[at]) * up) - half;
      if (!(column >= 0 && line >= 0 && column + side <= wide && line + side <= high)) continue; /* NaN too */
      const own = groups && groups[at] < GROUPS ? inks[groups[at]] : plain;
      for (let down = 0; down < side; down++) {
        for (let place = (line + down) * wide + column, end = place + side; place < end; place++) pixels[place] = (after[pixels[place] >>> 24] << 24 | own) >>> 0;
      }
    }
    sheet.getContext("2d").putImageData(image, 0, 0);
    u.ctx.drawImage(sheet, left, top);
  }

  /* `look` may have `hidden`, and `groups`: by point which of the colours of values it has. */
  function paint(u, kind, points, look = {}) {
    const many = points.x.length > MANY, alpha = kind === "pool" ? 0.45 : kind === "selected" ? 0.75 : 1;
    const count = points.x.length, radius = { pool: count < FEW ? 2.6 : 1.7, target: 4.2, selected: count > 2000 ? 1.9 : count < FEW ? 3.6 : 2.9 }[kind] * devicePixelRatio;
    const names = [...Array.from({ length: GROUPS }, (_, group) => `group-${group}`), kind];
    u.ctx.strokeStyle = colour("card");
    if (many) squares(u, points, radius, names.map((name) => packed(colour(name))), alpha, look);
    else shapes(u, kind, points, radius, names.map((name) => translucent(name, alpha)), look);
  }

  /* A picture without a pointer. */
  function still(host, { points, frame, labels = ["first component", "second component"] }) {
    const draw = (u) => { for (const kind of ["pool", "selected", "target"]) paint(u, kind, points[kind]); };
    const options = {
      ...size(host), legend: { show: false }, cursor: { show: false }, axes: axes(...labels),
      scales: { x: { time: false, range: () => frame.x }, y: { range: () => frame.y } },
      series: [{}, { paths: () => null, points: { show: false } }], hooks: { draw: [draw] },
    };
    return new uPlot(options, [frame.x, frame.y], host);
  }

  /* Lets the pointer draw a polygon while `on()` holds; `take` gets it in values of the plane. */
  function lasso(u, on, take) {
    let line = null;
    const at = (event) => { const box = u.over.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const draw = () => { /* the last side alone: the points below it stay as they are */
      const c = u.ctx, ratio = devicePixelRatio;
      c.save(); c.strokeStyle = colour("text"); c.lineWidth = 1.5 * ratio; c.beginPath();
      line.slice(-2).forEach(([x, y]) => c.lineTo(u.bbox.left + x * ratio, u.bbox.top + y * ratio));
      c.stroke(); c.restore();
    };
    u.over.addEventListener("pointerdown", (event) => { if (on()) { line = [at(event)]; u.over.setPointerCapture(event.pointerId); } });
    u.over.addEventListener("pointermove", (event) => { if (line) { line.push(at(event)); draw(); } });
    u.over.addEventListener("pointerup", () => {
      if (line && line.length > 2) take(line.map(([x, y]) => [u.posToVal(x, "x"), u.posToVal(y, "y")]));
      line = null;
      requestAnimationFrame(() => u.redraw(false)); /* in a frame of its own: the list may be long */
    });
    u.over.addEventListener("mousedown", (event) => { if (on()) event.stopImmediatePropagation(); }, true); /* no zoom meanwhile */
  }

  return { GROUPS, gridOf, under, enclosed, paint, still, lasso };
})();
