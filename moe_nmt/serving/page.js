"use strict";
// Text of users and models goes into the page as text alone, never as markup.

const at = (id) => document.getElementById(id);

function made(name, text, attributes = {}) {
  const node = document.createElement(name);
  node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// Expert after expert a golden angle further round the circle: neighbours differ.
const colour = (expert) => `hsl(${(expert * 137.508) % 360} 65% 50%)`;
const END = "\u23ce";

function pieceBox(piece, choices) {
  const box = made("span", piece, { class: "piece" });
  const gates = choices.map(({ expert, gate }) => `expert ${expert}: ${gate.toFixed(2)}`);
  box.title = gates.join("\n") || "no expert";
  box.append(made("small", choices.map(({ expert }) => expert).join(" ") || "-"));
  if (choices.length) box.style.borderColor = colour(choices[0].expert);
  return box;
}

function showExperts(found) {
  at("experts").replaceChildren();
  for (const [mixture, choices] of Object.entries(found.experts)) {
    const pieces = mixture.startsWith("encoder") ? found.source_pieces : found.pieces;
    const row = made("div", "", { class: "row", "data-mixture": mixture });
    [...pieces, END].forEach((piece, i) => {
      const named = choices[i].map(([expert, gate]) => ({ expert, gate }));
      row.append(pieceBox(piece, named));
    });
    at("experts").append(made("strong", mixture), row);
  }
  if (!Object.keys(found.experts).length) at("experts").append("This model has no mixtures.");
}

function showAttention(found) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  head.append(document.createElement("td"));
  const sources = [...found.source_pieces, END];
  for (const piece of sources) {
    const cell = made("th", "", { scope: "col" });
    cell.append(made("span", piece));
    head.append(cell);
  }
  const body = table.createTBody();
  [...found.pieces, END].forEach((piece, i) => {
    const row = body.insertRow();
    row.append(made("th", piece, { scope: "row" }));
    found.attention[i].forEach((share, j) => {
      const cell = row.insertCell();
      cell.style.background = `rgb(0 114 178 / ${share})`;
      cell.title = `${piece} \u2192 ${sources[j]}: ${share.toFixed(2)}`;
    });
  });
  at("attention").replaceChildren(table);
}

function show(translations) {
  at("translation").textContent = translations.map((one) => one.hypotheses[0].text).join("\n");
  const full = translations.filter((one) => one.source_pieces.length);
  at("look").hidden = !full.length;
  const buttons = full.map((one, i) => {
    const button = made("button", i + 1, { type: "button", title: one.source });
    button.addEventListener("click", () => choose(i));
    return button;
  });
  function choose(chosen) {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === chosen));
    showExperts(full[chosen]);
    showAttention(full[chosen]);
  }
  at("sentences").replaceChildren(...(full.length > 1 ? ["Sentence ", ...buttons] : []));
  if (full.length) choose(0);
}

async function translate(event) {
  event.preventDefault();
  at("status").textContent = "\u2026";
  try {
    const response = await fetch("translate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ texts: at("text").value.split("\n"), experts: true }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    show(answer.translations);
    at("status").textContent = "";
  } catch (error) {
    at("status").textContent = error.message;
  }
}

at("form").addEventListener("submit", translate);
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("form").requestSubmit();
});
fetch("healthz").then((response) => response.json()).then((health) => {
  at("title").textContent = `${health.languages.join(" \u2192 ")}, ${health.title}`;
});
