"use strict";
/* Histograms beside a map. A range of one, or values that are pressed, hide the points of all kinds that lack them.
   `hidden[kind][at]` has a bit for each measure that hides the point; a histogram counts what the others leave. */
function evoLinked(host, points, kinds, measures, changed) {
  const { number, colour, make } = evoCharts;
  const BINS = 32, NONE = 255, BAR = 64; /* pixels of the highest bar */
  const hidden = Object.fromEntries(kinds.map((kind) => [kind, new Uint8Array(points[kind].x.length)]));
  const valuesOf = (kind, name) => points[kind][name] ?? [];
  let waiting = false;

  /* Sets the measure's bit where `keeps` says no; null keeps all. */
  function ask(bit, name, keeps) {
    for (const kind of kinds) {
      const values = valuesOf(kind, name), own = hidden[kind];
      for (let at = 0; at < own.length; at++) {
        if (keeps && !keeps(values[at])) own[at] |= bit; else own[at] &= ~bit;
      }
    }
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; shown.forEach((one) => one.draw()); changed(); }); /* once a frame */
  }

  /* How many points lie in each bin, all and those that the other measures leave. */
  function counted(bins, bit, size) {
    const all = new Uint32Array(size), left = new Uint32Array(size), others = ~bit;
    for (const kind of kinds) {
      const own = bins[kind], away = hidden[kind];
      for (let at = 0; at < own.length; at++) {
        if (own[at] === NONE) continue;
        all[own[at]] += 1;
        if (!(away[at] & others)) left[own[at]] += 1;
      }
    }
    return { all, left };
  }

  function range(box, { name, label, log }, bit) {
    const along = log ? Math.log1p : (value) => value, back = log ? Math.expm1 : (value) => value;
    let low = Infinity, high = -Infinity;
    for (const kind of kinds) for (const value of valuesOf(kind, name)) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    const first = along(low), wide = along(high) - first || 1;
    const bins = Object.fromEntries(kinds.map((kind) => [kind, Uint8Array.from(valuesOf(kind, name), (value) => value === null ? NONE : Math.min(BINS - 1, Math.floor((along(value) - first) / wide * BINS)))]));
    const canvas = make("canvas"), ends = make("div", undefined, "ends"), all = make("button", "All");
    const [from, to] = ["from", "to"].map((what) => {
      const field = make("label", `${what} `), input = make("input");
      Object.assign(input, { type: "number", step: "any", placeholder: number.format(what === "from" ? low : high) });
      input.setAttribute("aria-label", `${label}, ${what}`);
      input.addEventListener("change", choose); field.append(input); ends.append(field);
      return input;
    });
    all.type = "button"; all.hidden = true;
    all.addEventListener("click", () => { from.value = to.value = ""; choose(); });
    ends.append(all); canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `${label}: drag over it, or write a range below`);
    box.append(canvas, ends);
    const bound = (input, other) => input.value === "" ? other : Number(input.value);

    function choose() {
      const least = bound(from, -Infinity), most = bound(to, Infinity), open = from.value === "" && to.value === "";
      all.hidden = open;
      ask(bit, name, open ? null : (value) => value !== null && value >= least && value <= most);
    }

    let began = null;
    const at = (event) => back(first + wide * Math.min(1, Math.max(0, (event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth)));
    const show = (value) => String(log ? Math.round(value) : Number(value.toFixed(4)));
    canvas.addEventListener("pointerdown", (event) => { began = at(event); canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      if (began === null) return;
      [from.value, to.value] = [began, at(event)].sort((a, b) => a - b).map(show);
      choose();
    });
    canvas.addEventListener("pointerup", () => { began = null; });

    function draw() {
      const ratio = devicePixelRatio, width = canvas.clientWidth, c = canvas.getContext("2d"), { all: every, left } = counted(bins, bit, BINS);
      canvas.width = width * ratio; canvas.height = BAR * ratio;
      c.scale(ratio, ratio);
      const most = Math.max(1, ...every), bar = width / BINS;
      const bars = (counts, fill) => { c.fillStyle = fill; counts.forEach((count, place) => { if (count) { const tall = Math.max(1.5, BAR * count / most); c.fillRect(place * bar, BAR - tall, bar - 1, tall); } }); };
      bars(every, colour("line")); bars(left, colour("selected"));
      if (all.hidden) return;
      const [start, stop] = [bound(from, low), bound(to, high)].map((value) => width * Math.min(1, Math.max(0, (along(value) - first) / wide)));
      c.strokeStyle = colour("text"); c.strokeRect(start + 0.5, 0.5, Math.max(1, stop - start - 1), BAR - 1);
    }
    return { draw };
  }

  function values(box, { name, label, groups, labels }, bit) {
    const list = make("div", undefined, "values"), pressed = new Set();
    list.setAttribute("role", "group"); list.setAttribute("aria-label", label);
    const counts = labels.map((text, group) => {
      const button = make("button"), key = make("span", undefined, `swatch group-${Math.min(group, evoMap.GROUPS)}`), count = make("span", "", "quiet");
      button.type = "button"; button.setAttribute("aria-pressed", "false"); button.append(key, `${text} `, count);
      button.addEventListener("click", () => {
        if (!pressed.delete(group)) pressed.add(group);
        button.setAttribute("aria-pressed", String(pressed.has(group)));
        for (const kind of kinds) groups[kind].forEach((own, at) => { if (pressed.size && !pressed.has(own)) hidden[kind][at] |= bit; else hidden[kind][at] &= ~bit; });
        ask(0, name, null);
      });
      list.append(button);
      return count;
    });
    box.append(list);
    return { draw() { counted(groups, bit, labels.length).left.forEach((count, group) => { counts[group].textContent = number.format(count); }); } };
  }

  const shown = measures.map((measure, place) => {
    const box = make("div", undefined, "measure");
    box.append(make("h3", measure.label)); host.append(box);
    return (measure.labels ? values : range)(box, measure, 1 << place);
  });
  const draw = () => shown.forEach((one) => one.draw());
  draw();
  return { hidden, draw };
}
