"use strict";
// Sorts the ranked table by the heading that was pressed; empty cells stay last in both directions. A long table begins short.
// On paper nothing stays folded.
(() => {
  const table = document.getElementById("ranked");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const sort = (column) => {
    const down = heads[column].getAttribute("aria-sort") === "descending";
    const sign = down ? 1 : -1;
    const rows = [...body.rows].map((row) => [row.cells[column].dataset.key, row]);
    const full = rows.filter(([key]) => key !== "").sort((a, b) => sign * compare(a[0], b[0]));
    const empty = rows.filter(([key]) => key === "");
    body.append(...[...full, ...empty].map(([, row]) => row));
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "ascending" : "descending");
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(column)));
  const all = document.getElementById("all");
  if (all) {
    table.classList.add("short");
    all.hidden = false;
    all.addEventListener("click", () => {
      table.classList.remove("short");
      all.parentElement.remove();
    });
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
