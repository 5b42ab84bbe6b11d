"use strict";
// The page is whole without this. With it, a trial that is pointed at is shown in all charts at once, tables are
// sorted, and texts are copied. Everything hangs on the document, so that parts of the page may be replaced.
(() => {
  const tip = document.createElement("div");
  tip.id = "tip"; tip.hidden = true; tip.setAttribute("role", "status");
  document.body.append(tip);
  let hot = null;

  const marks = (number) => document.querySelectorAll(`[data-t="${number}"]`);
  const heat = (number) => {
    if (number === hot) return;
    if (hot !== null) marks(hot).forEach((mark) => mark.classList.remove("hot"));
    hot = number;
    if (hot !== null) marks(hot).forEach((mark) => mark.classList.add("hot"));
  };

  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest?.("[data-t]");
    heat(mark ? mark.dataset.t : null);
    const title = event.target.closest?.("svg") && event.target.closest("g, circle")?.querySelector(":scope > title");
    tip.hidden = !title;
    if (title) tip.textContent = title.textContent;
  });
  document.addEventListener("pointermove", (event) => {
    if (tip.hidden) return;
    const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
    tip.style.left = `${Math.max(4, right ? event.clientX - tip.offsetWidth - 12 : event.clientX + 16)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  });

  const value = (row, column) => {
    const cell = row.cells[column], number = cell.dataset.v;
    return number === undefined ? cell.textContent : Number(number);
  };
  const sort = (head) => {
    const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [value(row, column), row]);
    // What has no value comes last either way.
    rows.sort(([a], [b]) => (a === "") - (b === "") ||
      (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1) * (down ? -1 : 1));
    body.append(...rows.map(([, row]) => row));
  };

  document.addEventListener("click", async (event) => {
    const head = event.target.closest?.("th button")?.closest("th");
    if (head) { sort(head); return; }
    const button = event.target.closest?.("[data-copy]");
    if (button) {
      const label = button.textContent;
      try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = "Copied"; }
      catch { prompt("Copy this:", button.dataset.copy); }
      setTimeout(() => { button.textContent = label; }, 1500);
      return;
    }
    const mark = event.target.closest?.("svg [data-t]");
    const row = mark && document.querySelector(`.trials tr[data-t="${mark.dataset.t}"]`);
    if (row) { row.scrollIntoView({ block: "center", behavior: "smooth" }); heat(mark.dataset.t); }
  });
})();
