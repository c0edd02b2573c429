/* Files become targets and pools: sent once, read as their rows are recognised, or as the reader says. */
import { Refused, call, fragment, make, upload } from "./api.js";

const PEEK = 65536; /* bytes whose first row names the columns */
const LISTED = 5; /* faults of rows */
const SHAPES = /shape|no_prompt|no_completion/; /* codes of rows whose columns are not known */

async function columnsOf(file) {
  const first = (await file.slice(0, PEEK).text()).replace(/^\ufeff?\s*\[?/, "").split(/\r?\n/).find((line) => line.trim()) ?? "";
  try { return Object.keys(JSON.parse(first.replace(/,\s*$/, ""))); } catch { /* no JSON: a table's first line, or bytes */ }
  return /^[\x20-\x7e\t]*$/.test(first) ? first.split(/[,;\t]/).map((name) => name.replace(/^"|"$/g, "")).filter(Boolean) : [];
}

class Zone {
  constructor(root) {
    this.root = root;
    this.noun = root.dataset.intake;
    this.field = root.querySelector("input[type=hidden]");
    this.status = root.querySelector("[data-status]");
    this.progress = root.querySelector("progress");
    this.mapping = root.querySelector("[data-mapping]");
    this.input = root.querySelector("input[type=file]");
    this.input.addEventListener("change", () => this.input.files[0] && this.take(this.input.files[0]));
    root.addEventListener("dragover", (event) => { event.preventDefault(); root.classList.add("over"); });
    root.addEventListener("dragleave", () => root.classList.remove("over"));
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      root.classList.remove("over");
      if (event.dataTransfer.files[0]) this.take(event.dataTransfer.files[0]);
    });
    root.querySelector("[data-again]").addEventListener("click", () => this.read(this.layout(), "reject_batch"));
    root.querySelector("[data-skip]").addEventListener("click", () => this.read(this.layout(), "skip"));
    root.querySelector("select[data-known]")?.addEventListener("change", (event) => event.target.value && this.chosen(event.target.value));
    root.addEventListener("click", (event) => event.target.closest("[data-other]") && this.open());
    if (this.input.files[0]) this.take(this.input.files[0]); /* chosen before this script was there */
  }

  say(text, bad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("bad", bad);
  }

  async take(file) {
    this.mapping.hidden = true;
    this.progress.hidden = false;
    try {
      this.say(`Sending ${file.name}`);
      this.stored = await upload(file, (share) => { this.progress.value = 100 * share; });
      this.file = file;
      await this.read({}, "reject_batch");
    } catch (refusal) { this.refuse(refusal); } finally { this.progress.hidden = true; }
  }

  layout() {
    const format = this.root.querySelector("[data-format]").value;
    if (format !== "columns") return { format };
    const named = [...this.root.querySelectorAll("[data-column]")].filter((one) => one.value.trim());
    return { columns: Object.fromEntries(named.map((one) => [one.dataset.column, one.value.trim()])) };
  }

  async read(layout, onInvalid) {
    this.say("Reading its rows");
    try {
      this.chosen(await (this.noun === "targets" ? this.target(layout) : this.pool(layout, onInvalid)));
    } catch (refusal) { this.refuse(refusal, onInvalid); }
  }

  async target(layout) {
    const ratio = Number(this.root.querySelector("[data-held-out]")?.value ?? 0);
    const apart = ratio ? { held_out: { ratio } } : {};
    return (await call("POST", "/targets", { file_id: this.stored.id, name: this.stored.name, ...layout, ...apart })).id;
  }

  async pool(layout, onInvalid) {
    const own = this.root.dataset.pool, id = own || (await call("POST", "/pools", { name: this.stored.name })).id;
    try {
      await call("POST", `/pools/${id}/batches`, { file_id: this.stored.id, on_invalid: onInvalid, ...layout });
    } catch (refusal) {
      if (!own) await call("DELETE", `/pools/${id}`);
      throw refusal;
    }
    return id;
  }

  refuse(refusal) {
    if (!(refusal instanceof Refused)) throw refusal;
    this.say(refusal.message, true);
    if (!this.stored) return;
    const faults = refusal.errors.slice(0, LISTED).map((one) => make("li", `${one.line ? `Row ${one.line}: ` : ""}${one.detail}`));
    this.root.querySelector("[data-faults]").replaceChildren(...faults);
    this.root.querySelector("[data-skip]").hidden = this.noun === "targets";
    if (this.mapping.hidden) this.root.querySelector("[data-format]").value = refusal.errors.some((one) => SHAPES.test(one.code)) ? "columns" : "auto";
    this.mapping.hidden = false;
    columnsOf(this.file).then((names) => this.root.querySelector("datalist").replaceChildren(...names.map((name) => {
      const option = make("option"); option.value = name; return option;
    })));
    this.mapping.querySelector("select").focus();
  }

  async chosen(id) {
    this.mapping.hidden = true;
    if (this.root.dataset.pool) { location.reload(); return; }
    try {
      const card = await fragment(`/ui/${this.noun}/${id}/card`);
      this.root.querySelector("[data-card]").replaceChildren(...card.childNodes);
    } catch (refusal) { this.refuse(refusal); return; }
    this.say("");
    this.field.value = id;
    this.root.classList.add("done");
    const address = new URL(location);
    address.searchParams.set(this.field.name, id);
    history.replaceState(null, "", address);
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
    this.root.querySelector("[data-card] [data-other]").focus();
  }

  open() {
    this.field.value = "";
    this.root.classList.remove("done");
    this.root.querySelector("[data-card]").replaceChildren();
    this.field.dispatchEvent(new Event("change", { bubbles: true }));
    this.input.focus();
  }
}

const zones = new Map([...document.querySelectorAll("[data-intake]")].map((root) => [root.dataset.intake, new Zone(root)]));

/* The example data set goes the way of any file. */
document.querySelector("[data-example]")?.addEventListener("click", async (event) => {
  event.target.disabled = true;
  for (const [noun, zone] of zones) {
    const name = noun === "targets" ? "example-target.jsonl" : "example-pool.jsonl";
    const bytes = await (await fetch(`/ui/static/${name}`)).blob();
    await zone.take(new File([bytes], name));
  }
  event.target.disabled = false;
});
