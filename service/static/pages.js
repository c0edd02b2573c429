/* Keeps a job's page up to date: at every event, and every two seconds for progress between events. Only parts that
   have changed are replaced, so that an open table, a selection or the focus elsewhere stays. */
const live = document.getElementById("live");
const SECONDS = 2;
const ENDS = ["completed", "failed", "cancelled", "expired"].map((name) => `job.${name}`);
const CHANGES = ["running", "cancelling", "paused"].map((name) => `job.${name}`)
  .concat("round.started", "round.generated", "round.completed", "step.started", "training.metrics");
const received = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.id, part.innerHTML]));
const charts = new Map();
let busy = false;

function draw() {
  charts.forEach((chart) => chart.destroy());
  charts.clear();
  document.querySelectorAll("[data-plot]").forEach((host) => charts.set(host, evoCharts.plot(host, JSON.parse(host.dataset.plot))));
  document.querySelectorAll("[data-map]").forEach((host) => charts.set(host, evoMap.still(host, JSON.parse(host.dataset.map))));
}

function take(page) {
  let changed = false;
  for (const part of page.querySelectorAll("[data-part]")) {
    const now = document.getElementById(part.id), text = part.innerHTML;
    if (!now || received.get(part.id) === text) continue;
    const open = [...now.querySelectorAll("details[open]")].map((one) => one.closest("[id]").id);
    received.set(part.id, text);
    now.replaceChildren(...part.childNodes);
    open.forEach((id) => document.getElementById(id)?.querySelector("details")?.setAttribute("open", ""));
    changed = true;
  }
  if (changed) draw();
}

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const answer = await fetch(live.dataset.live, { redirect: "error" });
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch { /* the service is away or the session has ended: what is shown stays */ } finally { busy = false; }
}

draw();
evoCharts.follow(draw, draw);
if (live.dataset.events) {
  const source = new EventSource(live.dataset.events);
  const timer = setInterval(refresh, SECONDS * 1000);
  const ended = () => { source.close(); clearInterval(timer); location.reload(); };
  ENDS.forEach((name) => source.addEventListener(name, ended));
  CHANGES.forEach((name) => source.addEventListener(name, refresh));
}
