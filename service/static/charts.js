"use strict";
/* Charts of columns over common x values, as service/html/charts.py makes them. */
const evoCharts = (() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
  const DASHES = { selected: [], random: [8, 5], "top-relevance": [2, 4], pool: [6, 3] };
  const APART = 4; /* pixels between the whiskers of two series at the same x */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const translucent = (name, alpha) => colour(name) + Math.round(alpha * 255).toString(16).padStart(2, "0");
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };

  function axes(xLabel, yLabel, whole) {
    const look = { stroke: colour("quiet"), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
      grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 } };
    const x = { ...look, label: xLabel, labelSize: 22, size: 34 };
    if (whole) x.incrs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6];
    return [x, { ...look, label: yLabel, labelSize: 20, size: 60, values: (u, splits) => splits.map((value) => fine.format(value)) }];
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

  const size = (host) => ({ width: host.clientWidth, height: host.clientHeight });

  /* The interval of a value as a vertical line with ends. */
  function whiskers(u, chart) {
    const c = u.ctx, ratio = devicePixelRatio, sure = chart.series.filter((one) => one.intervals);
    c.save();
    c.lineWidth = 1.5 * ratio;
    sure.forEach((one, place) => one.intervals.forEach((interval, at) => {
      if (!interval) return;
      const x = u.valToPos(chart.x[at], "x", true) + (place - (sure.length - 1) / 2) * APART * ratio;
      const [low, high] = interval.map((end) => u.valToPos(end, "y", true)), half = 4 * ratio;
      c.strokeStyle = colour(one.colour);
      c.beginPath();
      c.moveTo(x, low); c.lineTo(x, high);
      c.moveTo(x - half, low); c.lineTo(x + half, low);
      c.moveTo(x - half, high); c.lineTo(x + half, high);
      c.stroke();
    }));
    c.restore();
  }

  /* All values and the ends of their intervals, with some room around. */
  function yRange(chart) {
    const drawn = chart.series.filter((one) => one.style !== "listed");
    const ends = drawn.flatMap((one) => (one.intervals ?? []).flatMap((interval) => interval ?? []));
    const every = [...drawn.flatMap((one) => one.values.filter((value) => value !== null)), ...ends];
    const low = Math.min(...every), high = Math.max(...every), margin = (high - low || Math.abs(high) || 1) * 0.08;
    return [low - margin, high + margin];
  }

  function plot(host, chart) {
    const sure = chart.series.some((one) => one.intervals), last = chart.x.length - 1;
    const x = { time: false, distr: chart.log ? 3 : 1 };
    if (sure) x.range = () => [chart.x[0] - 0.3, chart.x[last] + 0.3]; /* room for the whiskers at both ends */
    const options = {
      ...size(host), legend: { show: false }, cursor: { y: false, points: { size: 7 } },
      scales: { x, ...(sure ? { y: { range: () => yRange(chart) } } : {}) }, axes: axes(chart.x_label, chart.y_label, chart.whole),
      series: [{}, ...chart.series.map(line)],
      hooks: { setCursor: [(u) => readOut(u, host, chart)], draw: [(u) => whiskers(u, chart)] },
    };
    return new uPlot(options, [chart.x, ...chart.series.map((one) => one.values)], host);
  }

  function readOut(u, host, chart) {
    const tip = tipOf(host), at = u.cursor.idx;
    tip.hidden = at === null || at === undefined || u.cursor.left < 0;
    if (tip.hidden) return;
    const shown = chart.series.filter((one) => one.values[at] !== null && one.values[at] !== undefined);
    const told = (one) => {
      const interval = one.intervals && one.intervals[at];
      return number.format(one.values[at]) + (interval ? ` (${interval.map((end) => number.format(end)).join(" to ")})` : "");
    };
    tip.replaceChildren(make("div", `${chart.x_label}: ${number.format(chart.x[at])}`),
      ...shown.map((one) => make("div", `${one.label}: ${told(one)}`)));
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

  /* Draw again in other colours, and fit again into another window. */
  function follow(draw, fit) {
    let resizing;
    dark.addEventListener("change", draw);
    addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(fit, 100); });
  }

  return { number, colour, translucent, make, axes, size, tipOf, place, plot, follow };
})();
