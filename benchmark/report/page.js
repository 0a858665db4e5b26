"use strict";
// Tables that sort, and the reviews. Text goes into the page as text only: nothing here parses markup.

const PAGE = 20; // reviews shown at once; more on demand

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function sortBy(table, header, column) {
  const descending = header.getAttribute("aria-sort") !== "descending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const key = (row) => row.cells[column].dataset.order;
  const rows = [...table.tBodies[0].rows];
  const numeric = rows.every((row) => key(row) === "" || !Number.isNaN(Number(key(row))));
  rows.sort((one, other) => {
    const a = key(one), b = key(other);
    if (a === "" || b === "") return (a === "") - (b === ""); // unknown values stay last
    const order = numeric ? Number(a) - Number(b) : a.localeCompare(b, "en", { numeric: true });
    return descending ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    header.querySelector("button").addEventListener("click", () => sortBy(table, header, column));
  });
}

const data = JSON.parse(document.getElementById("data").textContent);
const isScored = (review, model) => review.positive[model] !== null; // on a challenge set a model may not be
const isRight = (review, model) => (review.positive[model] > 0.5 ? 1 : 0) === review.label;

function card(review, ...text) {
  const facts = [];
  if (review.words !== undefined) facts.push(`${review.words} words`);
  if (review.stars !== undefined) facts.push(`${review.stars} of 10 stars`);
  if (review.film !== undefined) facts.push(`film ${review.film}`);
  if (review.known) facts.push(`the same text is in train${review.set ? " or val" : ""}`);
  const item = make("li", { className: "card" });
  item.append(make("h3", { textContent: titleOf(review) }));
  item.append(make("p", { className: "about", textContent: [...facts, review.id].join(" · ") }));
  item.append(...text, verdicts(review));
  if (review.pair) {
    item.append(make("h3", { className: "pair", textContent: `Its pair: ${titleOf(review.pair).toLowerCase()}` }));
    item.append(...folding(review.pair), verdicts(review.pair));
  }
  return item;
}

function titleOf({ label, role }) {
  const title = label ? "Positive review" : "Negative review";
  return role ? `${title}, ${role}` : title;
}

function folding(review) {
  if (review.text === undefined) return [];
  const paragraph = make("p", { className: "text", textContent: review.text });
  if (review.text.length < 420) return [paragraph];
  paragraph.classList.add("folded");
  const button = make("button", { type: "button", textContent: "Show the whole review" });
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    const folded = paragraph.classList.toggle("folded");
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? "Show the whole review" : "Show less";
  });
  return [paragraph, button];
}

function verdicts(review) {
  const body = make("tbody", {});
  data.models.forEach((name, number) => {
    if (!isScored(review, number)) return;
    const right = isRight(review, number);
    const share = review.positive[number];
    const verdict = make("td", { className: right ? "right" : "wrong", textContent: right ? "right" : "wrong" });
    const percent = make("td", { textContent: `${(100 * share).toFixed(1)} %` });
    body.append(make("tr", {}, make("th", { scope: "row", textContent: name }), bar(share), percent, verdict));
  });
  const heads = ["model", "", "positive", "answer"].map((name) =>
    name ? make("th", { scope: "col", textContent: name }) : make("td", {}),
  );
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
}

function bar(share) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const shapes = [
    ["rect", "track", { width: 100, height: 10, rx: 1 }],
    ["rect", "fill", { width: 100 * share, height: 10, rx: 1 }],
    ["line", "middle", { x1: 50, x2: 50, y1: 0, y2: 10 }],
  ];
  for (const [kind, name, places] of shapes) {
    const shape = document.createElementNS(space, kind);
    shape.setAttribute("class", name);
    for (const [key, value] of Object.entries(places)) shape.setAttribute(key, value);
    svg.append(shape);
  }
  return make("td", { className: "bar" }, svg);
}

function showReviews({ models, reviews }) {
  const form = document.getElementById("filters");
  const cards = document.getElementById("cards");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  let found = [];
  let shown = 0;

  models.forEach((name, number) => form.elements.model.append(make("option", { value: String(number), textContent: name })));
  const kinds = new Set(reviews.flatMap((review) => review.kinds));
  for (const option of [...form.elements.kind.options]) if (option.value && !kinds.has(option.value)) option.remove();
  const withTexts = reviews.some((review) => review.text !== undefined);
  for (const name of ["size", "word"]) form.elements[name].closest("label").hidden = !withTexts;
  form.hidden = false;

  function answers(review, model, wanted) {
    if (!wanted) return true;
    const asked = model === "" ? models.map((_, number) => number) : [Number(model)];
    return asked.some((number) => isScored(review, number) && isRight(review, number) === (wanted === "right"));
  }

  function sizeOf(review) {
    if (review.words === undefined) return "";
    return review.words < 150 ? "short" : review.words < 300 ? "middle" : "long";
  }

  function filter() {
    const { set, kind, model, answer, label, size, word } = Object.fromEntries(new FormData(form));
    const sought = word.trim().toLowerCase();
    found = reviews.filter(
      (review) =>
        (review.set ?? "") === set &&
        (!kind || review.kinds.includes(kind)) &&
        (!label || String(review.label) === label) &&
        (!size || sizeOf(review) === size) &&
        (!sought || (review.text ?? "").toLowerCase().includes(sought)) &&
        answers(review, model, answer),
    );
    cards.replaceChildren();
    shown = 0;
    showMore();
  }

  function showMore() {
    const next = found.slice(shown, shown + PAGE);
    cards.append(...next.map((review) => card(review, ...folding(review))));
    shown += next.length;
    more.hidden = shown >= found.length;
    count.textContent = found.length ? `${shown} of ${found.length} reviews shown` : "No review matches the filters.";
    return next.length;
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter)); // the fields are emptied after this event
  more.addEventListener("click", () => {
    const before = shown;
    showMore();
    const first = cards.children[before];
    first.tabIndex = -1; // the keyboard continues at the first new review
    first.focus({ preventScroll: true });
  });
  filter();
}

const listedReviews = data.reviews.filter((review) => review.kinds.some((kind) => kind !== "explained"));
if (listedReviews.length) showReviews({ ...data, reviews: listedReviews });
