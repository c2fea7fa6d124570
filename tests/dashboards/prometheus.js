// Grafana's Prometheus data source stands in no package: this one asks as it does, and makes the same frames.

import { FieldType, LoadingState, createDataFrame } from "@grafana/data";
import { RuntimeDataSource, sceneGraph } from "@grafana/scenes";

export const UID = "prometheus";

// As the bundled configuration has it.
const SCRAPE_SECONDS = 5;

const regex = (value) => Array.isArray(value) ? `(${value.join("|")})` : String(value);

async function ask(path, values) {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(values)}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(`${answer.error}: ${values.query}`);
  return answer.data;
}

const number = (text) => Number(text.replace("Inf", "Infinity"));

function legend(format, labels) {
  if (format !== "__auto" && format) return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? "");
  const { __name__: name = "", ...others } = labels;
  const list = Object.entries(others).map(([label, value]) => `${label}="${value}"`).join(", ");
  return list ? `${name}{${list}}` : name || "Value";
}

function series(target, { metric: labels, values, value }) {
  const points = values ?? [value];
  const name = legend(target.legendFormat, labels);
  return createDataFrame({ refId: target.refId, name, fields: [
    { name: "Time", type: FieldType.time, config: {}, values: points.map(([time]) => time * 1000) },
    { name: "Value", type: FieldType.number, labels, config: { displayNameFromDS: name }, values: points.map(([, text]) => number(text)) },
  ] });
}

function table(target, results) {
  const labels = [...new Set(results.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({ refId: target.refId, fields: [
    { name: "Time", type: FieldType.time, config: {}, values: results.map(({ value }) => value[0] * 1000) },
    ...labels.map((label) => ({ name: label, type: FieldType.string, config: {}, values: results.map(({ metric }) => metric[label] ?? "") })),
    { name: `Value #${target.refId}`, type: FieldType.number, config: {}, values: results.map(({ value }) => number(value[1])) },
  ] });
}

// Buckets count what is at most so much; a heatmap wants what is between two edges.
function buckets(frames) {
  const edge = (frame) => number(frame.fields[1].labels.le);
  const sorted = frames.toSorted((a, b) => edge(a) - edge(b));
  const at = (frame) => new Map(frame.fields[0].values.map((time, index) => [time, frame.fields[1].values[index]]));
  return sorted.map((frame, index) => {
    const below = index > 0 ? at(sorted[index - 1]) : new Map();
    const [time, value] = frame.fields;
    return { ...frame, fields: [time, { ...value, values: value.values.map((many, row) => many - (below.get(time.values[row]) ?? 0)) }] };
  });
}

export class Prometheus extends RuntimeDataSource {
  constructor() {
    super("prometheus-runtime", UID);
  }

  async query(request) {
    const { range: { from, to }, scopedVars, targets } = request;
    const step = Math.max(SCRAPE_SECONDS, Math.ceil((to - from) / 1000 / (request.maxDataPoints || 500)));
    const fill = (expr) => sceneGraph.interpolate(
      scopedVars.__sceneObject.value.valueOf(),
      expr.replaceAll("$__rate_interval", `${Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS)}s`),
      scopedVars, regex);
    const answers = targets.map(async (target) => {
      const query = fill(target.expr);
      const { result } = target.instant
        ? await ask("query", { query, time: to.unix() })
        : await ask("query_range", { query, start: from.unix(), end: to.unix(), step });
      if (result.length === 0) return [];
      if (target.format === "table") return [table(target, result)];
      const frames = result.map((one) => series(target, one));
      return target.format === "heatmap" ? buckets(frames) : frames;
    });
    return { data: (await Promise.all(answers)).flat(), state: LoadingState.Done };
  }

  // label_values(SELECTOR, LABEL)
  async metricFindQuery({ query }, options) {
    const [, selector, label] = sceneGraph.interpolate(options.scopedVars.__sceneObject.value.valueOf(), query, {}, regex).match(/^label_values\((.*),\s*(\w+)\)$/s);
    return (await ask(`label/${label}/values`, { "match[]": selector })).map((text) => ({ text, value: text }));
  }
}
