/* The API with the rights of this session: JSON in, JSON out, and a refusal as an error that says where and why. */
const TOKEN = document.querySelector("meta[name=form-token]").content;
const AWAY = { code: "no_answer", detail: "The service does not answer. Nothing that you typed is lost: try again in a moment." };

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.code = problem.code;
    this.errors = problem.errors ?? [];
  }
}

function read(status, text) {
  let answer;
  try { answer = JSON.parse(text); } catch { answer = { ...AWAY, detail: `The service answered ${status} without a reason: try again in a moment.` }; }
  if (status < 200 || status >= 300) throw new Refused(answer);
  return answer;
}

export async function call(method, path, body) {
  const headers = { "X-Form-Token": TOKEN, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const sent = { method, headers, redirect: "error", body: body === undefined ? undefined : JSON.stringify(body) };
  let answer;
  try { answer = await fetch(`/ui/v1${path}`, sent); } catch { throw new Refused(AWAY); }
  return read(answer.status, await answer.text());
}

/* A part of a page, as the service renders it. */
export async function fragment(url) {
  const answer = await fetch(url, { redirect: "error" });
  if (!answer.ok) throw new Refused({ ...AWAY, detail: `The page answered ${answer.status}: load it again.` });
  return new DOMParser().parseFromString(await answer.text(), "text/html").body;
}

/* Stores a file; `told` hears the share that was sent, from 0 to 1. XMLHttpRequest: fetch says nothing of what was sent. */
export function upload(file, told) {
  const name = file.name.replace(/[^\x20-\x7e\u00a0-\ud7ff]/g, "").slice(-120).trim() || "upload";
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/ui/v1/files?name=${encodeURIComponent(name)}`);
    request.setRequestHeader("X-Form-Token", TOKEN);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && told(event.loaded / event.total));
    request.addEventListener("error", () => fail(new Refused(AWAY)));
    request.addEventListener("load", () => {
      try { done(read(request.status, request.responseText)); } catch (refusal) { fail(refusal); }
    });
    request.send(file);
  });
}

export const make = (tag, text, name) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
};
