/* Keeps a job's page up to date: at every event, and every two seconds for progress between events. */
const live = document.getElementById("live");
const SECONDS = 2;
let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const answer = await fetch(live.dataset.live, { redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live.replaceChildren(...page.body.childNodes);
  } catch { /* the service is away or the session has ended: what is shown stays */ } finally { busy = false; }
}

if (live.dataset.events) {
  const source = new EventSource(live.dataset.events);
  const timer = setInterval(refresh, SECONDS * 1000);
  const ended = () => { source.close(); clearInterval(timer); location.reload(); };
  for (const name of ["completed", "failed", "cancelled", "expired"]) source.addEventListener(`job.${name}`, ended);
  for (const name of ["running", "finalizing", "cancelling", "paused"]) source.addEventListener(`job.${name}`, refresh);
}
