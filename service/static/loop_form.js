/* What a choice needs is shown and sent, what another one needs is neither: `data-when` is a field and values of it. */
const parts = [...document.querySelectorAll("fieldset[data-when]")];

function fit() {
  for (const part of parts) {
    const [name, ...values] = part.dataset.when.split(" ");
    part.hidden = part.disabled = !values.includes(part.form.elements[name].value);
  }
}

document.addEventListener("change", fit);
window.addEventListener("pageshow", fit); /* choices that the browser kept */
fit();
