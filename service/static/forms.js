/* Forms and buttons that call the API. What is typed stays; a refusal stands beside the field that it is about. */
import { call, make } from "./api.js";

const SHOWN = 10; /* faults of a form that no field takes */

/* `spec.lambda` is a field inside another one; `data-unit` names the select that says what a number counts. */
function fields(form) {
  return [...form.elements].filter((one) => one.name && !one.matches(":disabled") && (one.type !== "checkbox" || one.checked || one.dataset.type === "flag")
    && (one.type !== "radio" || one.checked));
}

function pathOf(one) {
  const unit = one.dataset.unit && one.form.elements[one.dataset.unit];
  return (unit ? unit.value : one.name).split(".");
}

function valueOf(one) {
  if (one.dataset.type === "flag") return one.checked;
  const unit = one.dataset.unit && one.form.elements[one.dataset.unit].value, text = one.value.trim();
  if (one.dataset.type === "name") return text || null; /* an empty one is taken away */
  if (one.dataset.type === "json") try { return JSON.parse(text); } catch { return text; } /* the API says what is wrong */
  if (one.dataset.type !== "number" || text === "" || Number.isNaN(Number(text))) return text;
  return unit === "ratio" ? Number(text) / 100 : Number(text);
}

export function collected(form) {
  const body = {};
  for (const one of fields(form)) {
    const value = valueOf(one), path = pathOf(one);
    if (value === "" || one.dataset.type === "unit") continue;
    let place = body;
    path.slice(0, -1).forEach((name) => { place = place[name] ??= {}; });
    if (one.dataset.type === "list") (place[path.at(-1)] ??= []).push(value);
    else place[path.at(-1)] = value;
  }
  return body;
}

export function clear(form) {
  form.querySelectorAll(".fault").forEach((one) => one.remove());
  form.querySelectorAll("[aria-invalid]").forEach((one) => {
    one.removeAttribute("aria-invalid");
    if (one.dataset.help) one.setAttribute("aria-describedby", one.dataset.help); else one.removeAttribute("aria-describedby");
  });
}

function beside(form, fault) {
  const name = (fault.pointer ?? "").replace(/^\//, "").replaceAll("/", ".");
  const own = name && [...form.elements].find((one) => one.name && (pathOf(one).join(".") === name || name.startsWith(`${one.name}.`)) && one.type !== "hidden");
  if (!own) return false;
  const message = make("p", fault.detail, "fault");
  message.id = `fault-${own.name.replaceAll(".", "-")}`;
  own.setAttribute("aria-invalid", "true");
  own.dataset.help ??= own.getAttribute("aria-describedby") ?? "";
  own.setAttribute("aria-describedby", message.id);
  (own.closest("label, .field") ?? own).after(message);
  return own;
}

export function show(form, refusal, lead = true) {
  clear(form);
  const taken = refusal.errors.map((fault) => beside(form, fault)), first = taken.find(Boolean);
  const left = refusal.errors.filter((fault, at) => !taken[at]);
  if (!first || left.length) {
    const alert = make("div", undefined, "alert fault");
    alert.setAttribute("role", "alert");
    alert.append(make("p", refusal.message));
    if (left.length > 1) { const list = make("ul"); list.append(...left.slice(0, SHOWN).map((fault) => make("li", fault.detail))); alert.append(list); }
    (form.querySelector("[data-alert]") ?? form).prepend(alert);
  }
  if (lead && first) first.focus();
}

function onward(pattern, answer) {
  location.assign(pattern.replace(/\{(\w+)\}/g, (whole, name) => encodeURIComponent(answer[name] ?? "")));
}

/* `data-call` is a method and a path; `data-then` where to go; `data-each` a field that makes one call of each of its values. */
async function act(source, body, onRefusal) {
  const [method, path] = source.dataset.call.split(" "), each = source.dataset.each;
  const button = source.matches("button") ? source : source.querySelector("button:not([type=button])");
  button.disabled = true;
  try {
    let answer;
    for (const one of each ? body[each] ?? [] : [undefined]) answer = await call(method, path, one === undefined ? body : { ...body, [each]: one });
    if (each && !answer) throw Object.assign(new Error("Choose at least one."), { errors: [{ pointer: `/${each}`, detail: "Choose at least one." }] });
    source.dispatchEvent(new CustomEvent("answered", { detail: answer, bubbles: true }));
    if (source.dataset.then) onward(source.dataset.then, answer); else button.disabled = false;
  } catch (refusal) {
    button.disabled = false;
    if (!("errors" in refusal)) throw refusal;
    onRefusal(refusal);
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  clear(form);
  act(form, collected(form), (refusal) => show(form, refusal));
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-call]");
  if (!button) return;
  const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
  act(button, body, (refusal) => {
    button.parentElement.querySelector(".fault")?.remove();
    const message = make("p", refusal.message, "fault alert");
    message.setAttribute("role", "alert");
    button.after(message);
  });
});

/* A key's secret is in the answer and nowhere else. */
document.addEventListener("answered", (event) => {
  const place = document.querySelector("[data-secret]");
  if (!place || !event.detail.secret) return;
  place.hidden = false;
  place.querySelector("output").textContent = event.detail.secret;
  place.querySelector("output").focus();
});
