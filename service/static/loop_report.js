"use strict";
(() => {
  const { axes, size, plot } = evoCharts;
  const drawn = new Map();

  function plotMap(host, { points, frame }) {
    const paint = (u) => { for (const kind of ["pool", "selected", "target"]) evoMap.paint(u, kind, points[kind]); };
    const options = {
      ...size(host), legend: { show: false }, cursor: { show: false }, axes: axes("first component", "second component"),
      scales: { x: { time: false, range: () => frame.x }, y: { range: () => frame.y } },
      series: [{}, { paths: () => null, points: { show: false } }], hooks: { draw: [paint] },
    };
    return new uPlot(options, [frame.x, frame.y], host);
  }

  function draw() {
    drawn.forEach((u) => u.destroy());
    drawn.clear();
    document.querySelectorAll("[data-plot]").forEach((host) => drawn.set(host, plot(host, JSON.parse(host.dataset.plot))));
    document.querySelectorAll("[data-map]").forEach((host) => drawn.set(host, plotMap(host, JSON.parse(host.dataset.map))));
  }

  draw();
  evoCharts.follow(draw, () => drawn.forEach((u, host) => u.setSize(size(host))));
  document.documentElement.dataset.ready = "yes";
})();
