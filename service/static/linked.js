"use strict";
/* Histograms beside a map. A range of one, or values that are pressed, hide the points of all kinds that lack them.
   `hidden[kind][at]` has a bit for each measure that hides the point; a histogram counts what the others leave.
   What is filtered stands in chips above them and in the address, so that a link shows the same. */
function evoLinked(host, points, kinds, measures, changed) {
  const { number, colour, make } = evoCharts;
  const BETWEEN = "..", LONGEST = 60; /* characters of a value, as the worker cuts them */
  const BINS = 32, NONE = 255, BAR = 64; /* pixels of the highest bar */
  const hidden = Object.fromEntries(kinds.map((kind) => [kind, new Uint16Array(points[kind].x.length)])); /* up to 16 measures */
  const valuesOf = (kind, name) => points[kind][name] ?? [];
  const chips = make("ul", undefined, "chips"), note = make("p", undefined, "small quiet");
  chips.setAttribute("aria-label", "Filters in force"); note.setAttribute("role", "status");
  host.before(chips, note);
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
    requestAnimationFrame(() => { waiting = false; shown.forEach((one) => one.draw()); tell(); changed(); }); /* once a frame */
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
      if (all.hidden) return; /* no range */
      const [start, stop] = [bound(from, low), bound(to, high)].map((value) => width * Math.min(1, Math.max(0, (along(value) - first) / wide)));
      c.strokeStyle = colour("text"); c.strokeRect(start + 0.5, 0.5, Math.max(1, stop - start - 1), BAR - 1);
    }
    function set(range) { [from.value, to.value] = range; choose(); }
    const chosen = () => all.hidden ? [] : [{ value: `${from.value}${BETWEEN}${to.value}`, text: `${from.value || "…"} to ${to.value || "…"}`, remove: () => set(["", ""]) }];
    const take = ([text]) => {
      const ends = (text ?? BETWEEN).split(BETWEEN);
      if (ends.length !== 2 || ends.some((end) => Number.isNaN(Number(end)))) return [text];
      set(ends);
      return [];
    };
    return { name, label, draw, chosen, take };
  }

  function values(box, { name, label, groups, labels }, bit) {
    const list = make("div", undefined, "values"), pressed = new Set();
    list.setAttribute("role", "group"); list.setAttribute("aria-label", label);
    const buttons = [];
    const show = () => {
      for (const kind of kinds) groups[kind].forEach((own, at) => { if (pressed.size && !pressed.has(own)) hidden[kind][at] |= bit; else hidden[kind][at] &= ~bit; });
      buttons.forEach((button, group) => button.setAttribute("aria-pressed", String(pressed.has(group))));
      ask(0, name, null);
    };
    const counts = labels.map((text, group) => {
      const button = make("button"), key = make("span", undefined, `swatch group-${Math.min(group, evoMap.GROUPS)}`), count = make("span", "", "quiet");
      button.type = "button"; button.setAttribute("aria-pressed", "false"); button.append(key, `${text} `, count);
      button.addEventListener("click", () => {
        if (!pressed.delete(group)) pressed.add(group);
        show();
      });
      list.append(button); buttons.push(button);
      return count;
    });
    box.append(list);
    const draw = () => counted(groups, bit, labels.length).left.forEach((count, group) => { counts[group].textContent = number.format(count); });
    const chosen = () => [...pressed].map((group) => ({ value: labels[group], text: labels[group], remove: () => { pressed.delete(group); show(); } }));
    const take = (wanted) => {
      pressed.clear();
      const lacking = wanted.filter((text) => { const group = labels.indexOf(text.slice(0, LONGEST)); if (group >= 0) pressed.add(group); return group < 0; });
      show();
      return lacking;
    };
    return { name, label, draw, chosen, take };
  }

  const shown = measures.map((measure, place) => {
    const box = make("div", undefined, "measure");
    box.append(make("h3", measure.label)); host.append(box);
    return (measure.labels ? values : range)(box, measure, 1 << place);
  });
  const draw = () => shown.forEach((one) => one.draw());

  /* What is filtered, in chips and in the address. */
  function tell() {
    const every = shown.flatMap((one) => one.chosen().map((found) => ({ ...found, name: one.name, label: one.label })));
    const held = document.activeElement?.closest?.("ul") === chips;
    chips.replaceChildren(...every.map(({ label, text, remove }) => {
      const line = make("li"), button = make("button", "×", "remove");
      button.type = "button"; button.setAttribute("aria-label", `Remove the filter ${label} ${text}`);
      button.addEventListener("click", remove);
      line.append(make("span", `${label} `, "quiet"), `${text} `, button);
      return line;
    }));
    if (held) (chips.querySelector("button") ?? host.querySelector("input, button"))?.focus(); /* what was pressed is gone */
    const query = String(new URLSearchParams(every.map(({ name, value }) => [name, value])));
    if (query) history.replaceState(null, "", `#${query}`);
    else if (location.hash.includes("=")) history.replaceState(null, "", location.href.split("#")[0]);
  }

  /* What the address asks for; what this map does not tell apart is said. */
  function follow() {
    if (!location.hash.includes("=")) return;
    const asked = new URLSearchParams(location.hash.slice(1)), names = new Set(shown.map((one) => one.name));
    const lacking = shown.flatMap((one) => one.take(asked.getAll(one.name)).map((value) => `${one.label} ${value}`));
    const unknown = [...asked].filter(([name]) => !names.has(name)).map(([name, value]) => `${name.replace(/^extra\./, "")} ${value}`);
    const missing = [...lacking, ...unknown];
    note.textContent = missing.length ? `This map does not tell apart: ${missing.join(", ")}.` : "";
    host.closest("section").scrollIntoView();
  }

  addEventListener("hashchange", follow);
  follow(); draw();
  return { hidden, draw };
}
