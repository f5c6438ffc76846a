"use strict";
// The page is whole without this: tables then keep their first order.

// Numbers by their value, whatever is written with them; what is no number comes last.
function valueOf(row, column) {
  const cell = row.cells[column];
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = parseFloat(text.replace("−", "-"));
  return { text: text.toLowerCase(), number, missing: text === "" || text === "–" };
}

function compare(a, b, numeric, direction) {
  if (a.missing || b.missing) return a.missing - b.missing;
  const order = numeric ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true });
  return direction * order;
}

function sortTable(table, header, column) {
  const numeric = header.classList.contains("n");
  const before = header.getAttribute("aria-sort");
  // The largest number is what one looks for first.
  const first = numeric ? "descending" : "ascending";
  const other = numeric ? "ascending" : "descending";
  const order = before === first ? other : first;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    const keyed = rows.map((row) => [valueOf(row, column), row]);
    keyed.sort(([a], [b]) => compare(a, b, numeric, order === "ascending" ? 1 : -1));
    body.append(...keyed.map(([, row]) => row));
  }
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (header.classList.contains("fixed")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortTable(table, header, column));
    header.append(button);
  });
}

function makeFilter(table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  const data = rows.filter((row) => !row.classList.contains("group"));
  if (data.length < 8) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  label.className = "filter";
  input.type = "search";
  label.append("Show rows with ", input, " ", count);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const body of table.tBodies) {
      // A heading stands for its rows: they are found by its words too.
      const heading = body.rows[0]?.classList.contains("group") ? body.rows[0].textContent : "";
      let any = false;
      for (const row of body.rows) {
        if (row.classList.contains("group")) continue;
        const text = `${heading} ${row.textContent}`.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        any ||= !row.hidden;
      }
      if (heading) body.rows[0].hidden = !any;
    }
    const left = data.filter((row) => !row.hidden).length;
    count.textContent = words.length ? `${left} of ${data.length}` : "";
  });
  table.closest(".scroll").before(label);
}

for (const table of document.querySelectorAll("table.data")) {
  makeSortable(table);
  makeFilter(table);
}

// Paper can't be opened: it has everything.
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
