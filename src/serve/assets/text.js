// Figures in words, and elements that hold nothing but text.

export const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function percent(ratio) {
  if (ratio === null || ratio === undefined) return "–";
  const value = ratio * 100;
  const digits = value === 0 || Math.abs(value) >= 99.95 && value >= 100 ? 0 : Math.abs(value) < 0.1 ? 2 : Math.abs(value) < 10 || value > 99 && value < 100 ? 1 : 0;
  return `${Number(value.toFixed(digits))} %`;
}

// What is left of a budget; of one that is overspent, how many times it was spent.
export function budget(left) {
  if (left === null || left === undefined) return "–";
  return left >= 0 ? percent(left) : `spent ${number.format(1 - left)} ×`;
}

// A number and its unit stay on one line.
export const tied = (text) => text.replace(/(\d) (%|s|ms|min|h|req)/g, "$1\u00a0$2");

export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value >= 9.95 ? whole.format(value) : value >= 0.1 || value === 0 ? number.format(value) : value.toFixed(2);
}

export function latency(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds >= 10) return `${seconds.toFixed(0)} s`;
  if (seconds >= 1) return `${Number(seconds.toFixed(1))} s`;
  return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

export function count(value) {
  return value === null || value === undefined ? "–" : whole.format(value);
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : whole.format(value)} ${units[unit]}`;
}

export function span(seconds) {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function clock(unix) {
  const date = new Date(unix * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString("en-GB");
  return today ? time : `${date.toLocaleDateString("en-CA")} ${time}`;
}

export const ago = (unix, now) => unix ? `${span(now - unix)} ago` : "never";

// Fills in a PromQL question; label values are escaped as PromQL strings are.
export function fill(question, values) {
  const quoted = (text) => String(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return question.replace(/\$([a-z_]+)/g, (all, name) => name in values ? quoted(values[name]) : all);
}

export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Replaces the content of a list of questions: [figure, value, PromQL].
export function questions(list, entries) {
  list.replaceChildren(...entries.flatMap(([figure, value, question]) => [
    element("dt", { text: value === undefined ? figure : `${figure}: ${value}` }),
    element("dd", {}, element("code", { text: question })),
  ]));
}

// Brings a table's rows up to date: `make(item)` gives the row's cells. Rows keep their identity, so that focus and
// what is open survive.
export function rows(body, items, key, make) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  const wanted = items.map((item) => {
    const name = key(item);
    const row = known.get(name) ?? element("tr", { "data-key": name });
    make(row, item);
    return row;
  });
  const kept = new Set(wanted);
  for (const row of known.values()) if (!kept.has(row)) row.remove();
  wanted.forEach((row, index) => { if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null); });
}

// One cell of a row: text, a smaller line below, a class, the question as title.
export function cell(row, index, { label, text, below, kind, title, head, none }) {
  let made = row.children[index];
  if (!made) {
    made = head ? element("th", { scope: "row" }) : element("td", { "data-label": label });
    made.append(element("span"), element("small"));
    row.append(made);
  }
  made.className = none ? "none" : "";
  made.firstChild.className = kind ?? "";
  say(made.firstChild, text);
  say(made.lastChild, below ?? "");
  made.lastChild.hidden = !below;
  if (title !== undefined && made.title !== title) made.title = title;
  return made;
}
