/* What a selection would cost, asked of the service whenever the form says enough. */
import { Refused, call, make } from "./api.js";
import { clear, collected, show } from "./forms.js";

const form = document.querySelector("form[data-estimate]"), place = document.getElementById("estimate");
const WAIT = 400; /* milliseconds after the last change */
const whole = new Intl.NumberFormat("en"), short = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
let timer, asked = 0;

function span(seconds) {
  if (seconds < 60) return `${short.format(Math.max(1, seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${short.format(seconds / 3600)} h`;
}

function facts(found) {
  const seconds = found.seconds.features + found.seconds.transport, bytes = found.bytes.sketches + found.bytes.matrix;
  const long = found.lengths?.longer, lines = [
    ["To choose", `${whole.format(found.request.k ?? 0)} candidates`],
    ["To read", `${whole.format(found.rows)} rows, about ${whole.format(found.tokens)} tokens`],
    ["Time", `about ${span(seconds)} on one worker (${found.basis === "measured" ? "by what was measured here" : "by a formula; nothing was measured here yet"})`],
    ["Memory", `${short.format(bytes / 1e6)} MB at most, ${short.format(found.bytes.features / 1e6)} MB on disk`],
  ];
  if (found.request.k === null) lines.shift();
  if (long) lines.push(["Too long", `${whole.format(long)} of the first ${whole.format(found.lengths.rows)} rows`]);
  const list = make("dl", undefined, "facts");
  lines.forEach(([name, value]) => list.append(make("dt", name), make("dd", value)));
  return list;
}

async function ask() {
  const body = collected(form), own = ++asked;
  if (!body.target_id || !body.pool_id) { place.replaceChildren(make("p", "Choose a target and a pool to see what the selection costs.", "quiet")); return; }
  try {
    const found = await call("POST", "/selections?validate_only=true", body);
    if (own === asked) { clear(form); place.replaceChildren(facts(found)); }
  } catch (refusal) {
    if (!(refusal instanceof Refused)) throw refusal;
    if (own !== asked) return;
    place.replaceChildren(make("p", "There is no estimate yet: see the message above.", "quiet"));
    show(form, refusal, false); /* whoever types goes on typing */
  }
}

form.addEventListener("change", () => { clearTimeout(timer); timer = setTimeout(ask, WAIT); });
ask();
