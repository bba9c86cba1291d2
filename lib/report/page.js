"use strict";
// Sort and filter the tables; without this script the page shows all rows in their order.

const wordOrder = new Intl.Collator("en", { numeric: true });

function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function compare(one, other, column, byNumber) {
  if (!byNumber) return wordOrder.compare(one.cells[column].textContent, other.cells[column].textContent);
  return valueOf(one, column) - valueOf(other, column);
}

function sort(table, heading) {
  const column = heading.cellIndex;
  const descending = heading.getAttribute("aria-sort") === "ascending";
  const byNumber = heading.classList.contains("number");
  const rows = [...table.tBodies[0].rows];
  const missing = (row) => byNumber && valueOf(row, column) === null;
  const known = rows.filter((row) => !missing(row));
  known.sort((one, other) => compare(one, other, column, byNumber) * (descending ? -1 : 1));
  table.tBodies[0].append(...known, ...rows.filter(missing)); // rows without a value come last either way
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function makeSortable(table) {
  if (table.tBodies[0].rows.length < 2) return;
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sort(table, heading));
  }
}

function makeFilterable(form) {
  const table = form.parentElement.querySelector("table");
  const rows = [...table.tBodies[0].rows];
  const selects = [...form.querySelectorAll("select")];
  const search = form.querySelector("[data-search]");
  const extra = form.querySelector("[data-extra]");
  const update = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = selects.every((select) => !select.value || row.dataset[select.dataset.filter] === select.value);
      row.hidden = !(fits && row.cells[0].textContent.toLowerCase().includes(wanted));
      shown += !row.hidden;
    }
    table.classList.toggle("all", Boolean(extra && extra.checked));
    form.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  };
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
}

document.querySelectorAll("table").forEach(makeSortable);
document.querySelectorAll("form.filters").forEach(makeFilterable);
addEventListener("hashchange", openTarget);
openTarget();
