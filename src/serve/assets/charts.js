// The charts of the last hour, and sparklines.

import { clock, element, latency, percent, rate } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
let plots = [];
let shown = null;

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Requests a second as a line, errors below it as bars.
export function sparkline(target, { rate: rates, bad }) {
  const [width, height] = [Math.max(30, rates.length), 20];
  const most = Math.max(...rates, 0.001);
  const offset = width - rates.length;
  const y = (value) => (height - 1 - (height - 2) * value / most).toFixed(2);
  const line = rates.map((value, index) => `${offset + index + 0.5},${y(value)}`).join(" ");
  const bars = bad.flatMap((value, index) => value > 0
    ? [svg("rect", { class: "bad", x: offset + index, y: Math.min(y(value), height - 2), width: 1, height: height - Math.min(y(value), height - 2) })] : []);
  const image = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  const last = rates.at(-1);
  const errors = bad.reduce((sum, value) => sum + value, 0) * 30;
  image.setAttribute("aria-label", last === undefined
    ? "no requests yet" : `up to ${rate(most)} requests a second, now ${rate(last)}; ${Math.round(errors)} errors in 15 minutes`);
  image.append(...bars, svg("polyline", { class: "rate", points: line }));
  target.replaceChildren(image);
}

function options(target, series, format, range) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width: target.clientWidth,
    height: 176,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false, y: false } },
    scales: { y: { range } },
    axes: [
      { ...axis, space: 72, values: (plot, ticks) => ticks.map((tick) => clock(tick).slice(-8, ticks.at(-1) - ticks[0] > 600 ? -3 : undefined)) },
      { ...axis, size: 62, values: (plot, ticks) => ticks.map(format) },
    ],
    series: [{}, ...series.map(({ label, stroke, fill, dash, width }) => ({
      label, stroke: colour(stroke), fill: fill ? `${colour(fill)}40` : undefined, dash, width: width ?? 1.6, points: { show: false },
    }))],
    hooks: { setCursor: [(plot) => read(target, plot, format)] },
  };
}

// What lies under the pointer, in words; else the newest.
function read(target, plot, format) {
  const index = plot.cursor.idx ?? plot.data[0].length - 1;
  const time = plot.data[0][index];
  if (time === undefined) return;
  const figures = plot.series.slice(1).map((series, number) => {
    const value = plot.data[number + 1][index];
    return `${series.label} ${value === null || value === undefined ? "–" : format(value)}`;
  });
  const text = `${clock(time)}: ${figures.join(", ")}`;
  target.nextElementSibling.textContent = text;
  target.setAttribute("aria-label", `Chart of the last hour. ${text}`);
}

function draw(id, data, series, format, range) {
  const target = document.getElementById(id);
  if (!target.nextElementSibling) target.after(element("div", { class: "readout" }));
  const plot = new uPlot(options(target, series, format, range), data, target);
  read(target, plot, format);
  return { plot, target };
}

const from0 = (least) => (plot, low, high) => [0, Math.max(least, (high ?? 0) * 1.1)];

// Draws what `/api/v1/history` says.
export function charts(columns) {
  shown = columns;
  const { time, rate: rates, bad_rate: bad } = columns;
  const share = rates.map((value, index) => value > 0 ? Math.min(1, bad[index] / value) : null);
  const data = [[time, rates], [time, share], [time, columns.p50_seconds, columns.p90_seconds, columns.p99_seconds]];
  if (plots.length > 0) {
    plots.forEach(({ plot }, index) => plot.setData(data[index]));
    plots.forEach(({ plot, target }, index) => read(target, plot, [rate, percent, latency][index]));
    return;
  }
  plots = [
    draw("chart-rate", data[0], [{ label: "requests/s", stroke: "--p50", fill: "--p50" }], rate, from0(0.1)),
    draw("chart-errors", data[1], [{ label: "errors", stroke: "--bad", fill: "--bad" }], percent, from0(0.01)),
    draw("chart-latency", data[2], [
      { label: "p50", stroke: "--p50" }, { label: "p90", stroke: "--p90", dash: [6, 4] },
      { label: "p99", stroke: "--p99", dash: [2, 3], width: 2 }], latency, from0(0.01)),
  ];
}

// Colours and widths are the canvas' own: drawn anew when they change.
export function redraw() {
  if (!shown) return;
  plots.forEach(({ plot }) => plot.destroy());
  plots = [];
  charts(shown);
}
