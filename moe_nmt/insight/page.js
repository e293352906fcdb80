"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const percent = (share) => (100 * share).toFixed(2) + "%";
const state = { mixture: 0, sentence: 0, word: "" };

// Text goes into the page as text alone: whatever a corpus holds, it is never markup.
function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Neighbouring numbers are far apart in colour; the number itself always stands beside it.
const color = (expert) => `hsl(${(expert * 137.508) % 360} 65% 50%)`;
const mixture = () => data.mixtures[state.mixture];
const isEncoder = () => mixture().name.startsWith("encoder");
const matches = (piece) => state.word !== "" && piece.replaceAll("\u2581", "").replace(/@@$/, "") === state.word;

function describe(piece, routes) {
  const experts = routes.map(([expert, gate]) => `expert ${expert}: ${gate.toFixed(3)}`);
  return `${piece} \u2192 ${experts.join(", ") || "no expert"}`;
}

function pieceButton(piece, routes) {
  const expert = routes.length ? routes[0][0] : null;
  const button = element("button", piece, { type: "button", class: "piece" });
  button.append(element("small", expert === null ? "\u2013" : expert));
  if (expert !== null) button.style.borderColor = color(expert);
  const tell = () => { at("detail").textContent = describe(piece, routes); };
  button.addEventListener("mouseenter", tell);
  button.addEventListener("focus", tell);
  if (expert !== null) button.addEventListener("click", () => showExpert(expert));
  if (matches(piece)) button.classList.add("found");
  return button;
}

function row(pieces, routes) {
  const made = element("div", undefined, { class: "row" });
  pieces.forEach((piece, index) => {
    if (routes) made.append(pieceButton(piece, routes[index] || []));
    else made.append(element("span", piece, { class: "piece plain" }));
  });
  return made;
}

// What a decoder reads is the piece before the one that it predicts.
const read = (target) => ["<s>", ...target.slice(0, -1)];

function showSentence() {
  const sentence = data.sentences[state.sentence];
  at("pieces").replaceChildren();
  at("attention").replaceChildren();
  if (!sentence) return;
  const routes = sentence.routes[mixture().name];
  if (sentence.source) at("pieces").append(row(sentence.source, isEncoder() ? routes : null));
  at("pieces").append(isEncoder() ? row(sentence.target, null) : row(read(sentence.target), routes));
  at("attention-box").hidden = !sentence.attention;
  if (sentence.attention) at("attention").append(attentionTable(sentence));
  at("sentence").value = state.sentence;
}

function attentionTable({ source, target, attention }) {
  const table = element("table");
  const head = table.createTHead().insertRow();
  head.append(element("td"));
  for (const piece of source) {
    const cell = element("th");
    cell.append(element("span", piece));
    head.append(cell);
  }
  const body = table.createTBody();
  attention.forEach((weights, index) => {
    const line = body.insertRow();
    line.append(element("th", target[index]));
    weights.forEach((weight, place) => {
      const cell = element("td", undefined, { title: `${target[index]} \u2190 ${source[place]}: ${weight}%` });
      cell.style.background = `rgb(30 110 190 / ${weight}%)`;
      line.append(cell);
    });
  });
  return table;
}

function values(title, list) {
  if (!list.length) return [];
  return [element("p", `${title}: ` + list.map((v) => `${v.value} (${v.count}, ${v.information.toFixed(1)} bits)`).join(", "))];
}

function showExpert(number) {
  const expert = mixture().experts[number];
  const group = expert.group === null ? "" : ` of group ${expert.group}`;
  const contexts = element("ol");
  for (const { gate, before, word, after } of expert.contexts) {
    const item = element("li", `${gate.toFixed(3)} ${before} `);
    item.append(element("mark", word), ` ${after}`);
    contexts.append(item);
  }
  const title = element("h2", `Expert ${number}${group}`);
  title.style.borderLeft = `0.8rem solid ${color(number)}`;
  title.style.paddingLeft = "0.5rem";
  at("expert").replaceChildren(
    title,
    element("p", `${percent(expert.share)} of the tokens, mean gate ${expert.gate.toFixed(3)}, entropy of its words ${expert.entropy.toFixed(2)} bits`),
    ...values("Reads", expert.read), ...values("Predicts", expert.predicted), ...values("Positions", expert.positions),
    contexts,
  );
}

function showMixture() {
  const { experts, unused, tokens, entropy } = mixture();
  at("mixture-summary").textContent =
    `${experts.length} experts, ${unused} never used, ${tokens} tokens, entropy of the choice ${entropy.toFixed(2)} bits`;
  const body = at("experts").tBodies[0];
  body.replaceChildren(...[...experts].sort((a, b) => b.share - a.share).map((expert) => {
    const line = element("tr");
    const button = element("button", expert.number, { type: "button" });
    button.addEventListener("click", () => showExpert(expert.number));
    const first = element("td");
    first.append(button);
    const group = expert.group === null ? "" : expert.group;
    line.append(first, ...[group, percent(expert.share), expert.gate.toFixed(3), expert.entropy.toFixed(2),
      expert.read.slice(0, 5).map((v) => v.value).join(" ")].map((text) => element("td", text)));
    return line;
  }));
  showMap();
  at("expert").replaceChildren();
  search();
  showSentence();
}

function showMap() {
  const points = data.maps[mixture().name];
  const most = [0, 1].map((axis) => Math.max(1e-9, ...points.map((point) => Math.abs(point[axis]))));
  const busiest = Math.max(1e-9, ...mixture().experts.map((expert) => expert.share));
  at("map").replaceChildren(...points.map(([x, y], number) => {
    const { share } = mixture().experts[number];
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    const place = { cx: 320 + 300 * x / most[0], cy: 200 - 180 * y / most[1], r: 3 + 11 * Math.sqrt(share / busiest), fill: color(number) };
    for (const [key, value] of Object.entries(place)) circle.setAttribute(key, value);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `expert ${number}, ${percent(share)}`;
    circle.append(title);
    circle.addEventListener("click", () => showExpert(number));
    return circle;
  }));
}

// The experts of a word, over all sentences shown, by how often they were among its first.
function search() {
  if (state.word === "") { at("found").textContent = ""; return; }
  const counts = new Map();
  let occurrences = 0;
  let first = -1;
  data.sentences.forEach(({ source, target, routes }, number) => {
    (isEncoder() ? source : read(target)).forEach((piece, index) => {
      if (!matches(piece)) return;
      occurrences += 1;
      if (first < 0) first = number;
      const [best] = routes[mixture().name][index];
      if (best) counts.set(best[0], (counts.get(best[0]) || 0) + 1);
    });
  });
  const ranked = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 12);
  at("found").textContent = occurrences === 0 ? `No piece "${state.word}" in these sentences.` :
    `"${state.word}" occurs ${occurrences} times; its first expert is ` + ranked.map(([e, n]) => `${e} (${n})`).join(", ");
  if (first >= 0) state.sentence = first;
}

function move(step) {
  state.sentence = (state.sentence + step + data.sentences.length) % data.sentences.length;
  showSentence();
}

data.mixtures.forEach(({ name }, index) => at("mixture").append(element("option", name, { value: index })));
data.sentences.forEach(({ number, target }, index) =>
  at("sentence").append(element("option", `${number}: ${target.slice(0, 8).join(" ")}`, { value: index })));
at("mixture").addEventListener("change", (event) => { state.mixture = Number(event.target.value); showMixture(); });
at("sentence").addEventListener("change", (event) => { state.sentence = Number(event.target.value); showSentence(); });
at("previous").addEventListener("click", () => move(-1));
at("next").addEventListener("click", () => move(1));
at("word").addEventListener("input", (event) => { state.word = event.target.value.trim(); search(); showSentence(); });
at("controls").addEventListener("submit", (event) => event.preventDefault());
showMixture();
