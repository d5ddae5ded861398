/* What pages do by themselves. Without it everything still works, by links and forms.

   data-live="address"   asks the address for anything new, every second, while the page is seen. The address has the
                         version that is shown. 204: nothing new. 200: the element anew. What is open stays open.
   data-keep="name"      within it, what was loaded since stays.
   data-opens="id"       a button that opens a <dialog>; data-closes closes the one it stands in.
   data-mirrors="id"     a slider for the field of this id: each follows the other. Without a script the field is enough.
   data-copies="id"      a button that copies the text of this id; hidden without a script.
   .menu                 closes by Escape, and by a click elsewhere.
   What htmx asked for and was refused is said in a toast. */
"use strict";
(() => {
  const EVERY_MS = 1000, LATER_MS = 30000;

  function toast(words) {
    const box = document.querySelector(".toasts");
    if (!box || !words) return;
    const made = document.createElement("p");
    made.className = "toast";
    made.textContent = words;
    box.append(made);
    setTimeout(() => made.remove(), 8000);
  }

  function replace(old, html) {
    const open = new Set([...old.querySelectorAll("details[open][id]")].map((it) => it.id));
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const before = new Map([...old.querySelectorAll("[data-figure]")].map((it) => [it.dataset.figure, it.textContent]));
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const made = holder.content.firstElementChild;
    if (!made) return null;
    made.querySelectorAll("details[id]").forEach((it) => { it.open = open.has(it.id); });
    made.querySelectorAll("[data-figure]").forEach((it) => {
      if (before.has(it.dataset.figure) && before.get(it.dataset.figure) !== it.textContent) it.classList.add("fresh");
    });
    made.querySelectorAll("[data-keep]").forEach((it) => {
      const kept = old.querySelector(`[data-keep="${it.dataset.keep}"]:not([hx-get])`);
      if (kept) it.replaceWith(kept);
    });
    old.replaceWith(made);
    prepare(made);
    if (window.htmx) window.htmx.process(made);
    if (focused) document.getElementById(focused)?.focus();
    return made;
  }

  function watch(element) {
    let wait = EVERY_MS, timer = 0;
    const again = () => { clearTimeout(timer); timer = setTimeout(ask, wait); };
    async function ask() {
      if (document.hidden || !element.isConnected) return;
      try {
        const answer = await fetch(element.dataset.live, { headers: { "HX-Request": "true" }, cache: "no-store" });
        if (answer.status === 401) { location.reload(); return; }
        if (answer.status === 200) {
          const status = document.querySelector("[data-live-status]");
          element = replace(element, await answer.text()) || element;
          if (status && element.dataset.said) status.textContent = element.dataset.said;
          wait = EVERY_MS;
        } else wait = answer.status === 204 ? EVERY_MS : Math.min(wait * 2, LATER_MS);
      } catch { wait = Math.min(wait * 2, LATER_MS); }
      again();
    }
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = EVERY_MS; ask(); } });
    again();
  }

  /* Tables that fold into cards lose what they are for screen readers, unless it is said. */
  function prepare(root) {
    const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell" };
    root.querySelectorAll("table.folds").forEach((table) => {
      [table, ...table.querySelectorAll("thead, tbody, tr, td")].forEach((it) => {
        it.setAttribute("role", roles[it.localName]);
      });
      table.querySelectorAll("th").forEach((it) => {
        it.setAttribute("role", it.scope === "row" ? "rowheader" : "columnheader");
      });
    });
  }

  function mirror(slider) {
    const field = document.getElementById(slider.dataset.mirrors);
    if (!field) return;
    slider.hidden = false;
    slider.addEventListener("input", () => { field.value = slider.value; });
    field.addEventListener("input", () => { slider.value = field.value; });
  }

  document.addEventListener("click", (event) => {
    const opens = event.target.closest("[data-opens]");
    if (opens) document.getElementById(opens.dataset.opens)?.showModal();
    const copies = event.target.closest("[data-copies]");
    if (copies) {
      navigator.clipboard.writeText(document.getElementById(copies.dataset.copies).textContent.trim())
        .then(() => toast(copies.dataset.said), () => {});
    }
    event.target.closest("[data-closes]")?.closest("dialog")?.close();
    event.target.closest(".toast button")?.closest(".toast").remove();
    document.querySelectorAll("details.menu[open]").forEach((it) => { if (!it.contains(event.target)) it.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach((it) => { it.open = false; it.querySelector("summary").focus(); });
  });
  document.addEventListener("htmx:responseError", (event) => {
    const holder = document.createElement("template");
    holder.innerHTML = event.detail.xhr.responseText;
    toast(holder.content.querySelector(".problems")?.textContent.trim() || event.detail.xhr.statusText);
  });
  document.addEventListener("htmx:load", (event) => prepare(event.detail.elt));
  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    document.querySelectorAll("[data-live]").forEach(watch);
    document.querySelectorAll("[data-mirrors]").forEach(mirror);
    document.querySelectorAll(".tabs [aria-current]").forEach((it) => { it.parentElement.scrollLeft = it.offsetLeft - it.parentElement.offsetLeft - 32; });
    if (navigator.clipboard) document.querySelectorAll("[data-copies]").forEach((it) => { it.hidden = false; });
  });
})();
