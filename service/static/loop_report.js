"use strict";
(() => {
  const { size, plot } = evoCharts;
  const drawn = new Map();

  function draw() {
    drawn.forEach((u) => u.destroy());
    drawn.clear();
    document.querySelectorAll("[data-plot]").forEach((host) => drawn.set(host, plot(host, JSON.parse(host.dataset.plot))));
    document.querySelectorAll("[data-map]").forEach((host) => drawn.set(host, evoMap.still(host, JSON.parse(host.dataset.map))));
  }

  draw();
  evoCharts.follow(draw, () => drawn.forEach((u, host) => u.setSize(size(host))));
  document.documentElement.dataset.ready = "yes";
})();
