"use strict";
// Keeps the page true: asks for it again, and replaces the parts that have changed. Links between views of the same
// job replace parts as well, and stand in the address, so that a view can be sent on.
(() => {
  const PAUSE = 2000, REST = 10000;
  const live = document.getElementById("live");
  let tag = "", asked = 0;

  const chosen = () => new Set([...document.querySelectorAll("input[name=t]:checked")].map((box) => box.value));
  const take = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.getElementById("content"), now = document.getElementById("content");
    const kept = chosen(), focus = document.activeElement, name = focus?.getAttribute?.("href");
    const open = new Set([...now.querySelectorAll("details[open]")].map((one) => one.closest("[id]").id));
    const same = next.children.length === now.children.length &&
      [...next.children].every((part, index) => part.id === now.children[index].id);
    if (!same) now.replaceChildren(...next.childNodes);
    else [...next.children].forEach((part, index) => {
      const old = now.children[index];
      if (old.outerHTML === part.outerHTML) return;
      const places = [...old.querySelectorAll(".scroll, .canvas, .log")].map((one) => [one.scrollLeft, one.scrollTop]);
      old.replaceWith(part);
      [...part.querySelectorAll(".scroll, .canvas, .log")].forEach((one, at) => { if (places[at]) [one.scrollLeft, one.scrollTop] = places[at]; });
    });
    for (const id of open) document.querySelector(`#${CSS.escape(id)} details, details#${CSS.escape(id)}`)?.setAttribute("open", "");
    for (const box of document.querySelectorAll("input[name=t]")) box.checked = kept.has(box.value);
    if (name && !document.contains(focus)) document.querySelector(`a[href="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
    document.title = page.title;
  };

  const ask = async () => {
    const number = ++asked;
    try {
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (number !== asked) return;
      if (answer.status === 200) { take(await answer.text()); tag = answer.headers.get("ETag") ?? ""; }
      live.textContent = answer.status < 400 ? `Live, as of ${new Date().toLocaleTimeString()}` : `The server answers ${answer.status}.`;
    } catch {
      if (number === asked) live.textContent = "Not connected: this is how things stood.";
    }
  };
  const go = (address, push) => {
    if (push) history.pushState(null, "", address);
    tag = "";
    return ask();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-part]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(link.href, true);
  });
  addEventListener("popstate", () => go(location.href, false));

  const loop = async () => {
    if (!document.hidden && !getSelection()?.toString()) await ask();
    setTimeout(loop, document.hidden ? REST : PAUSE);
  };
  setTimeout(loop, PAUSE);
})();
