/* NutshellPBX: the few things that a page does itself. Every page works without this file. */
"use strict";

document.documentElement.dataset.script = "on";

/* Toasts without bad news go after six seconds, later while somebody reads them. */
const fade = (toast) => {
  if (toast.dataset.fading) return;
  toast.dataset.fading = "yes";
  const go = () => (toast.matches(":hover, :focus-within") ? setTimeout(go, 1000) : toast.remove());
  setTimeout(go, 6000);
};
const fadeAll = () => document.querySelectorAll(".toast[data-fades]").forEach(fade);

/* Something went wrong on the way: say so where the eye is, and put a tick back. */
const complain = (text) => {
  const toast = document.createElement("div");
  toast.className = "toast toast--bad";
  toast.setAttribute("role", "alert");
  toast.textContent = text;
  document.getElementById("toasts").append(toast);
};

document.addEventListener("DOMContentLoaded", () => {
  fadeAll();
  document.body.addEventListener("htmx:afterSettle", fadeAll);
  /* What asks again by itself says in its own place that nobody answers, once, and until somebody does. */
  const answers = (event, yes) => {
    const poll = event.detail.elt.closest("[data-poll]");
    if (poll) document.getElementById(poll.dataset.poll).hidden = yes;
    return poll;
  };
  document.body.addEventListener("htmx:beforeOnLoad", (event) => answers(event, event.detail.xhr.status < 400));
  document.body.addEventListener("htmx:sendError", (event) => {
    if (!answers(event, false)) complain(document.getElementById("toasts").dataset.away);
  });
  document.body.addEventListener("htmx:responseError", (event) => {
    if (answers(event, false)) return;
    const form = event.detail.elt.closest("form");
    if (form) form.reset();
    complain(event.detail.xhr.responseText.length < 300 && event.detail.xhr.responseText || document.getElementById("toasts").dataset.failed);
  });
});

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    navigator.clipboard.writeText(source.value || source.textContent.trim()).then(() => {
      copy.lastElementChild.textContent = copy.dataset.copied;
    });
  }
  const show = event.target.closest("[data-show]");
  if (show) {
    const field = document.getElementById(show.dataset.show);
    const hidden = field.type === "password";
    field.type = hidden ? "text" : "password";
    show.setAttribute("aria-pressed", String(hidden));
  }
  document.querySelectorAll("details.pop[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    document.querySelectorAll("details.pop[open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});
