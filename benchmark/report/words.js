
// Word attributions: a review's words coloured by what they add to a model's answer.

const FAINT = 0.04; // of the strongest word: below it a word has no colour
const UNREAD = 20; // characters between two words that the model read
const FEW = 8; // words for a label in the table

const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;

function viewsOf(review) {
  return review.why.flatMap((why) => {
    const name = data.models[why.model];
    const attributions = { name, why, values: why.logits, attention: false };
    return why.attention ? [attributions, { name, why, values: why.attention, attention: true }] : [attributions];
  });
}

function attributionView(review) {
  const views = viewsOf(review);
  const paragraph = make("p", { className: "text" });
  const about = make("p", { className: "about" });
  const strongest = make("div", {});
  const select = make("select", {});
  const groups = [
    [false, "what words add"],
    [true, "attention"],
  ];
  for (const [attention, label] of groups) {
    const options = [...views.entries()].filter(([, view]) => view.attention === attention);
    const group = make("optgroup", { label });
    for (const [number, view] of options) {
      group.append(make("option", { value: String(number), textContent: attention ? `${view.name}: attention` : view.name }));
    }
    if (options.length) select.append(group);
  }
  const show = () => {
    const view = views[Number(select.value)];
    paragraph.replaceChildren(...painted(review.text, view));
    about.textContent = summaryOf(view);
    strongest.replaceChildren(wordTable(review.text, view));
  };
  select.addEventListener("input", show);
  show();
  const figures = make("details", {}, make("summary", { textContent: "Strongest words" }), strongest);
  return [make("label", {}, "Model ", select), paragraph, about, figures];
}

function painted(text, { why, values, attention }) {
  const letters = [...text]; // places count characters; JavaScript's strings store rare ones as two
  const most = Math.max(...values.map(Math.abs)) || 1;
  const parts = [];
  let place = 0;
  const upTo = (end) => {
    const between = letters.slice(place, end).join("");
    parts.push(between.trim().length < UNREAD ? between : make("span", { className: "unread", textContent: between }));
    place = end;
  };
  why.spans.forEach(([start, end], number) => {
    if (start >= end) return;
    upTo(start);
    const word = letters.slice(start, end).join("");
    const level = Math.abs(values[number]) / most;
    place = end;
    if (level < FAINT) {
      parts.push(word);
      return;
    }
    const kind = attention ? "looked" : values[number] > 0 ? "positive" : "negative";
    const mark = make("mark", { className: kind, textContent: word, title: figure(values[number], attention) });
    mark.style.setProperty("--level", level.toFixed(2));
    parts.push(mark);
  });
  upTo(letters.length);
  return parts;
}

const figure = (value, attention) => (attention ? `${(100 * value).toFixed(1)}\u00a0%` : signed(value));

function summaryOf({ name, why, attention }) {
  const who = `${name}, seed ${why.seed}`;
  if (attention) return `${who} gives this share of its attention to each word, whether or not the word changes the answer.`;
  const sums = `${who}: ${signed(why.margin)} in all (above 0 is positive), of which ${signed(why.baseline)} before a word is read.`;
  if (!why.error) return sums;
  return `${sums} Inexact: the words miss the rest by ${(100 * why.error).toFixed(0)}\u00a0%.`;
}

function wordTable(text, { why, values, attention }) {
  const letters = [...text];
  const sums = new Map();
  why.spans.forEach(([start, end], number) => {
    const word = start < end ? letters.slice(start, end).join("").toLowerCase() : start ? "[end]" : "[start]";
    sums.set(word, (sums.get(word) ?? 0) + values[number]);
  });
  const ranked = [...sums].sort(([, one], [, other]) => other - one);
  const last = attention ? [] : ranked.slice(FEW).slice(-FEW).filter(([, value]) => value < 0);
  const rows = [...ranked.slice(0, FEW).filter(([, value]) => value !== 0), ...last].map(([word, value]) =>
    make("tr", {}, make("th", { scope: "row", textContent: word }), make("td", { textContent: figure(value, attention) })),
  );
  const heads = ["word", attention ? "attention" : "adds"].map((name) => make("th", { scope: "col", textContent: name }));
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
}

const explained = data.reviews.filter((review) => review.why);
document.getElementById("words-cards")?.append(...explained.map((review) => card(review, ...attributionView(review))));
