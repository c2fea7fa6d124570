// Asks the exporter every few seconds while somebody looks, and writes what it says. Everything that is shown is set as
// text, so that nothing from a log or a configuration can become markup.

import { charts, redraw, sparkline } from "./charts.js";
import { ago, budget, bytes, cell, clock, count, element, fill, latency, percent, questions, rate, rows, say, span, tied } from "./text.js";

const POLL = 5000;
const CHARTS_EVERY = 15000;
const TIMEOUT = 8000;
const MOST_PROBLEMS = 3;
const LEVELS = { ok: ["✓", "All is well"], unknown: ["?", "Unknown"], warning: ["!", "Warning"], failing: ["✕", "Failing"] };
const STANDINGS = { misses: ["✕ misses", "bad-text"], recovering: ["! recovers", "warn-text"], too_few: ["~ over, but too few requests to judge", ""], meets: ["✓ meets", "ok-text"], no_objective: ["no objective", ""], idle: ["idle", ""] };

const COMPLETE = new Map([[null, ["? no log", "warn-text"]], [true, ["✓ complete", "ok-text"]], [false, ["✕ incomplete", "bad-text"]]]);

const $ = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
const open = new Set();
let status = null;
let failed = null;
let chartsAt = 0;
let timer = 0;
let round = 0;

async function ask(path) {
  const response = await fetch(path, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

async function poll() {
  clearTimeout(timer);
  const mine = round += 1;
  try {
    const answer = await ask(`api/v1/status?scope=${chosen("scope")}`);
    if (mine !== round) return;
    status = answer;
    failed = null;
    show();
    if (Date.now() - chartsAt >= CHARTS_EVERY - 500) await pollCharts();
  } catch (error) {
    if (mine !== round) return;
    failed ??= { since: Date.now() / 1000 };
    failed.why = error.name === "TimeoutError" ? "no answer in time" : error.message;
  }
  showFailure();
  if (mine === round && !document.hidden) timer = setTimeout(poll, POLL);
}

async function pollCharts() {
  const which = $("which").selectedOptions[0];
  const query = which.value ? `&route=${encodeURIComponent(which.dataset.route)}&method=${which.dataset.method}` : "";
  const columns = await ask(`api/v1/history?step=15${query}`);
  if (which !== $("which").selectedOptions[0]) return;
  chartsAt = Date.now();
  const empty = columns.time.length < 2;
  note($("no-charts"), empty, "Nothing to draw yet: the first points come within half a minute of the start.");
  $("charts").hidden = empty;
  if (!empty) charts(columns);
}

function note(target, when, text) {
  target.hidden = !when;
  say(target, when ? text : "");
}

function showFailure() {
  document.body.classList.toggle("stale", failed !== null);
  const text = failed && `The exporter has not answered since ${clock(failed.since)} (${failed.why}). ${status ? `What is below is as of ${clock(status.time)}.` : "Nothing is known."} Trying again every ${POLL / 1000} s.`;
  note($("offline"), failed !== null, text);
}

function show() {
  const now = status.time;
  say($("node"), `bingo on ${status.node || "this node"}`);
  document.title = `${LEVELS[status.verdict.level][0]} ${status.node} – bingo-exporter`;
  say($("updated"), `as of ${clock(now)}, every ${POLL / 1000} s while this page is in sight`);
  showVerdict(status.verdict, now);
  showUpstreams(now);
  showEndpoints(now);
  showStory(now);
  showExporter(now);
}

function showVerdict({ level, sentence, problems }, now) {
  $("verdict").className = level;
  say($("mark"), LEVELS[level][0]);
  say($("level"), `${LEVELS[level][1]}:`);
  say($("words"), tied(sentence));
  // The worst one is in the sentence.
  const others = problems.slice(1, 1 + MOST_PROBLEMS);
  const more = problems.length - 1 - others.length;
  $("problems").hidden = others.length === 0;
  $("problems").replaceChildren(...others.map(({ text, since }) =>
    element("li", { text: tied(since ? `${text}, since ${clock(since)} (${span(now - since)})` : text) })),
    ...more > 0 ? [element("li", { text: `and ${more} more: see below` })] : []);
  questions($("verdict-queries").querySelector("dl"), ["5m", "1h"].map((window) =>
    [`requests a second, ${window}, without health checks`, rate(status.rate[window]), fill(status.promql.serving, { window })]));
}

function showUpstreams(now) {
  const { upstreams, promql } = status;
  const seen = status.endpoints.map(({ windows }) => windows["5m"]);
  const retried = seen.reduce((sum, window) => sum + window.retried, 0);
  const seconds = Math.max(0, ...seen.map((window) => window.seconds));
  const known = status.history_begin && span(now - status.history_begin);
  say($("node-line"), `${status.node}: ${rate(status.rate["5m"])} req/s over 5 min, ${count(retried)} requests needed more than one try${known ? `; history of ${known}` : ""}.`);
  $("upstreams").hidden = upstreams.length === 0;
  note($("no-upstreams"), upstreams.length === 0, status.ready ? "No upstream was seen: either nothing was asked yet, or the access log has no $upstream_addr." : "Catching up; nothing to say yet.");
  rows($("upstreams").tBodies[0], upstreams, ({ upstream }) => upstream, (row, item) => {
    const values = { upstream: item.upstream, codes: item.error_codes, window: "5m" };
    const [text, kind] = { up: ["✓ up", "ok-text"], failing: ["✕ failing", "bad-text"], idle: ["no attempts", "warn-text"] }[item.state];
    cell(row, 0, { head: true, text: item.upstream });
    cell(row, 1, { label: "State", text, kind, below: item.since ? `since ${clock(item.since)} (${span(now - item.since)})` : "" });
    cell(row, 2, { label: "Errors, 1 min", text: percent(item.error_ratio), title: fill(promql.upstream_error_ratio, { ...values, window: "1m" }) });
    cell(row, 3, { label: "Share of attempts", text: `${percent(item.share["5m"])} in 5 min`, below: `${percent(item.share["1h"])} in 1 h`, title: fill(promql.upstream_share, values) });
    cell(row, 4, { label: "Last attempt", text: ago(item.last_attempt_time, now) });
  });
  questions($("upstream-queries").querySelector("dl"), [
    ...upstreams.flatMap(({ upstream, error_codes: codes, error_ratio, share }) => [
      [`${upstream}: errors, 1m`, percent(error_ratio), fill(promql.upstream_error_ratio, { upstream, codes, window: "1m" })],
      ...["5m", "1h"].map((window) => [`${upstream}: share of attempts, ${window}`, percent(share[window]), fill(promql.upstream_share, { upstream, window })]),
    ]),
    ["requests that needed more than one try, a second, 5m", rate(seconds && retried / seconds), fill(promql.retried, { window: "5m" })],
  ]);
  const peers = status.peers ?? [];
  $("scopes").hidden = peers.length === 0;
  $("peers").hidden = peers.length === 0;
  $("peers").replaceChildren(...peers.map((peer) => element("li", { text: peer.verdict
    ? `${peer.node} (${peer.url}): ${LEVELS[peer.verdict.level][0]} ${peer.verdict.sentence}`
    : `${peer.url}: ${peer.problem}` })));
}

// [figure, window's value, question], for one endpoint and window.
function figures(item, window) {
  const seen = item.windows[window];
  const at = { route: item.route, method: item.method, codes: item.error_codes, window };
  const { promql } = status;
  const judged = item.objectives.some(({ slo }) => slo === "availability");
  const list = [
    ["req/s", rate(seen.rate), fill(promql.rate, at)],
    ["errors", percent(seen.error_ratio), fill(judged ? promql.error_ratio : promql.error_ratio_by_code, at)],
    ...[["p50", 0.5], ["p90", 0.9], ["p99", 0.99]].map(([name, quantile]) => [name, latency(seen[`${name}_seconds`]), fill(promql.quantile, { ...at, quantile })]),
    ["in time", percent(seen.fast_ratio), fill(promql.fast_ratio, at)],
    ...item.objectives.map(({ slo, budget_left }) => [`budget left, ${slo}`, budget(budget_left[window]), fill(promql.budget_left, { ...at, slo })]),
    ["cache hits", percent(seen.cache_hit_ratio), fill(promql.cache_hit_ratio, at)],
  ];
  return list;
}

const plain = (figure) => figure.replaceAll("_", " ");
const burn = ({ objectives }) => Math.max(0, ...objectives.map(({ burn_rates }) => burn_rates["5m"] ?? 0));
const name = ({ method, route }) => `${method} ${route}`;

function showEndpoints(now) {
  const rank = ({ standing }) => ({ misses: 0, recovering: 1, too_few: 2 })[standing] ?? 3;
  const window = chosen("window");
  const busy = status.endpoints.filter((item) => item.windows[window].requests > 0 || rank(item) < 2);
  busy.sort((a, b) => rank(a) - rank(b) || (rank(a) < 3 ? burn(b) - burn(a) : 0));
  const idle = status.endpoints.filter((item) => !busy.includes(item));
  $("endpoints").hidden = busy.length === 0;
  note($("no-endpoints"), busy.length === 0, status.ready ? `No request in the last ${window === "1h" ? "hour" : "five minutes"}.` : "Catching up with what was written before the start; figures follow.");
  rows($("endpoints").tBodies[0], busy.flatMap((item) => open.has(name(item)) ? [item, { more: item }] : [item]),
    (item) => item.more ? `more ${name(item.more)}` : name(item), (row, item) => item.more ? showMore(row, item.more) : showEndpoint(row, item, window, now));
  $("idle").hidden = idle.length === 0;
  say($("idle").firstChild, `${idle.length} endpoints without a request in this window`);
  $("idle").lastElementChild.replaceChildren(...idle.map((item) => element("li", { text: name(item) })));
  showChoice();
}

function showEndpoint(row, item, window, now) {
  const seen = item.windows[window];
  const asked = new Map(figures(item, window).map(([figure, , question]) => [figure, question]));
  const objective = (slo) => item.objectives.find((one) => one.slo === slo);
  const [availability, fast] = [objective("availability"), objective("latency")];
  const bad = (one) => one?.standing === "misses" ? "bad-text" : one?.standing === "recovering" ? "warn-text" : "";
  const [standing, kind] = STANDINGS[item.standing];
  let head = row.firstElementChild;
  if (!head) {
    const button = element("button", { type: "button", class: "name", text: name(item) });
    button.addEventListener("click", () => { if (!open.delete(name(item))) open.add(name(item)); showEndpoints(status.time); });
    head = element("th", { scope: "row" }, button, element("small"));
    row.append(head);
  }
  head.firstChild.setAttribute("aria-expanded", open.has(name(item)));
  head.lastChild.className = kind;
  say(head.lastChild, `${item.probe ? "health check" : standing}${item.since ? ` since ${clock(item.since)} (${span(now - item.since)})` : ""}`);
  const left = item.objectives.map(({ slo, budget_left }) => [slo, budget_left[window]]).filter(([, value]) => value !== undefined && value !== null);
  left.sort(([, a], [, b]) => a - b);
  cell(row, 1, { label: "Req/s", text: rate(seen.rate), title: asked.get("req/s") });
  cell(row, 2, { label: "Errors", text: percent(seen.error_ratio), kind: bad(availability), below: availability && `allowed ${percent(1 - availability.objective)}`, title: asked.get("errors") });
  for (const [index, figure] of [[3, "p50"], [4, "p90"], [5, "p99"]]) {
    cell(row, index, { label: figure, text: latency(seen[`${figure}_seconds`]), title: asked.get(figure) });
  }
  cell(row, 6, { label: "In time", text: fast ? `${percent(seen.fast_ratio)} ≤ ${latency(fast.threshold_seconds)}` : "–", kind: bad(fast), below: fast && `required ${percent(fast.objective)}`, title: asked.get("in time"), none: !fast });
  cell(row, 7, { label: "Budget left", text: left.length ? budget(left[0][1]) : "–", kind: left.length && left[0][1] < 0 ? "bad-text" : "", below: left.length > 1 || left[0]?.[0] === "latency" ? `of ${left[0][0]}` : "", title: left.length ? asked.get(`budget left, ${left[0][0]}`) : "", none: !left.length });
  cell(row, 8, { label: "Cache hits", text: percent(seen.cache_hit_ratio), title: asked.get("cache hits"), none: seen.cache_hit_ratio === null });
  sparkline(row.children[9] ?? row.appendChild(element("td", { class: "wide", "data-label": "Last 15 min" })), item.sparkline);
}

// Burn rates of all windows, and what to ask Prometheus.
function showMore(row, item) {
  row.className = "more";
  const list = row.querySelector("dl") ?? row.appendChild(element("td", { colspan: 10 })).appendChild(element("dl"));
  questions(list, [
    ...["5m", "1h"].flatMap((window) => figures(item, window).filter(([, value]) => value !== "–").map(([figure, value, question]) => [`${figure}, ${window}`, value, question])),
    ...item.objectives.flatMap(({ slo, burn_rates, burning }) => Object.entries(burn_rates).sort(([a], [b]) => order(a) - order(b)).map(([window, value]) =>
      [`burn rate of ${slo}, ${window}${burning ? ` (${burning})` : ""}`, `${value.toFixed(2)} ×`, fill(status.promql.burn_rate, { route: item.route, method: item.method, slo, window })])),
  ]);
}

const order = (window) => ["1m", "5m", "30m", "1h", "2h", "6h", "1d"].indexOf(window);

function showChoice() {
  const select = $("which");
  const known = new Set([...select.options].map((option) => option.value));
  for (const item of status.endpoints) {
    if (!known.has(name(item))) select.append(element("option", { value: name(item), text: name(item), "data-route": item.route, "data-method": item.method }));
  }
  const { selectedOptions: [which] } = select;
  const at = which.value ? { route: which.dataset.route, method: which.dataset.method, window: "1m", codes: "" } : null;
  const item = status.endpoints.find((one) => name(one) === which.value);
  const { promql } = status;
  questions($("chart-queries").querySelector("dl"), at ? [
    ["requests a second", undefined, fill(promql.rate, at)],
    ["errors", undefined, fill(promql.error_ratio_by_code, { ...at, codes: item?.error_codes ?? "" })],
    ...[0.5, 0.9, 0.99].map((quantile) => [`p${quantile * 100}`, undefined, fill(promql.quantile, { ...at, quantile })]),
  ] : [["requests a second, without health checks", undefined, fill(promql.serving, { window: "1m" })]]);
}

function showStory(now) {
  const { apps, promql } = status;
  $("apps").hidden = apps.length === 0;
  note($("no-apps"), apps.length === 0, status.ready ? "No log of bingo’s own is followed; its place is set with --source.app." : "Catching up; nothing to say yet.");
  rows($("apps").tBodies[0], apps, ({ log_id }) => log_id, (row, item) => {
    const both = (figure) => [`${count(item[figure]["1h"])} in 1 h`, `${count(item[figure]["1d"])} in 1 d`];
    const old = item.last_heartbeat_time === null || now - item.last_heartbeat_time > 60;
    const at = { log_id: item.log_id, window: "1h" };
    cell(row, 0, { head: true, text: item.log_id });
    cell(row, 1, { label: "Heartbeat", text: `${old ? "! " : ""}${ago(item.last_heartbeat_time, now)}`, kind: old ? "bad-text" : "ok-text", title: fill(promql.heartbeat_age, at) });
    cell(row, 2, { label: "Last start", text: item.last_start_time ? clock(item.last_start_time) : "not seen", below: item.last_start_duration_seconds === null ? "" : `took ${latency(item.last_start_duration_seconds)}`, title: fill(promql.last_start, at) });
    for (const [index, label, figure, question] of [[3, "Starts", "starts_in", "starts"], [4, "Unclean exits", "unclean_exits_in", "unclean_exits"], [5, "Throttled", "throttled_in", "throttled"]]) {
      const [text, below] = both(figure);
      cell(row, index, { label, text, below, kind: index === 4 && item[figure]["1h"] > 0 ? "warn-text" : "", title: fill(promql[question], at) });
    }
    cell(row, 6, { label: "Version", text: item.version ?? "unknown", below: item.go_version ?? "", title: fill(promql.version, at) });
  });
  questions($("app-queries").querySelector("dl"), apps.flatMap((item) => [
    ["heartbeat_age", "last heartbeat", ago(item.last_heartbeat_time, now)],
    ["last_start", "last start", item.last_start_time ? clock(item.last_start_time) : "–"],
    ["start_duration", "start’s duration", latency(item.last_start_duration_seconds)],
    ...["starts", "unclean_exits", "throttled"].map((figure) => [figure, `${plain(figure)}, 1h`, count(item[`${figure}_in`]["1h"])]),
    ["version", "version", item.version ?? "–"],
  ].map(([figure, words, value]) => [`${item.log_id}: ${words}`, value, fill(promql[figure], { log_id: item.log_id, window: "1h" })])));
}

function showExporter(now) {
  const { sources, exporter, promql } = status;
  rows($("sources").tBodies[0], sources, ({ source }) => source, (row, item) => {
    const at = { source: item.source };
    const reasons = Object.entries(item.rejected_by_reason).filter(([, many]) => many > 0).map(([reason, many]) => `${reason} ${count(many)}`);
    const [text, kind] = COMPLETE.get(item.complete);
    cell(row, 0, { head: true, text: item.source });
    cell(row, 1, { label: "Numbers", text, kind, below: "last 10 min", title: fill(promql.complete, at) });
    cell(row, 2, { label: "Last line", text: item.last_line_time ? ago(item.last_line_time, now) : "none yet" });
    cell(row, 3, { label: "Lag", text: `${bytes(item.unread_bytes)} unread`, below: item.oldest_unread_seconds === null ? "" : `waited ${latency(item.oldest_unread_seconds)} at most`, title: fill(promql.unread_bytes, at) });
    cell(row, 4, { label: "Lines", text: `${count(item.counted)} counted`, below: `${bytes(item.read_bytes)} read, ${count(item.late)} late`, title: fill(promql.counted, at) });
    cell(row, 5, { label: "Rejected", text: count(item.rejected), below: reasons.join(", "), kind: item.rejected > 0 ? "warn-text" : "", title: fill(promql.rejected, at) });
    cell(row, 6, { label: "Lost", text: bytes(item.lost_bytes), kind: item.lost_bytes > 0 ? "bad-text" : "", title: fill(promql.lost_bytes, at) });
  });
  $("files").replaceChildren(...sources.flatMap(({ files }) => files).map((file) => element("li", {},
    element("code", { text: file.path }),
    `: ${file.state}${file.state === "following" ? `, at ${bytes(file.position)} of ${bytes(file.size)}` : ""}${file.problem ? `: ${file.problem}` : ""}`)));
  const saved = exporter.checkpoint_failures === null ? "no state is kept (counts start from 0 at each start)"
    : `checkpoint ${exporter.checkpoint_time ? `saved ${ago(exporter.checkpoint_time, now)}` : "not saved yet"}${exporter.checkpoint_failures > 0 ? `, ✕ failed ${count(exporter.checkpoint_failures)} times` : ""}`;
  say($("exporter-line"), `bingo-exporter ${status.version} (${status.revision}), running for ${span(now - exporter.start_time)}, ${bytes(exporter.resident_memory_bytes)} of memory; ${saved}.`);
  $("metrics").setAttribute("href", status.telemetry_path.replace(/^\/+/, ""));
  const told = (item) => [
    ["complete", COMPLETE.get(item.complete)[0]], ["unread_bytes", bytes(item.unread_bytes)], ["oldest_unread", latency(item.oldest_unread_seconds)],
    ["counted", count(item.counted)], ["read_bytes", bytes(item.read_bytes)], ["late", count(item.late)],
    ["rejected", count(item.rejected)], ["lost_bytes", bytes(item.lost_bytes)], ["files", count(item.files.length)],
  ];
  questions($("exporter-queries").querySelector("dl"), [
    ...sources.flatMap((item) => told(item).map(([figure, value]) => [`${item.source}: ${plain(figure)}`, value, fill(promql[figure], { source: item.source })])),
    ...exporter.checkpoint_failures === null ? [] : [
      ["last checkpoint", ago(exporter.checkpoint_time, now), promql.checkpoint_age],
      ["checkpoint failures", count(exporter.checkpoint_failures), promql.checkpoint_failures],
    ],
    ["memory", bytes(exporter.resident_memory_bytes), promql.memory],
  ]);
}

for (const input of document.querySelectorAll('input[name="window"]')) input.addEventListener("change", () => status && showEndpoints(status.time));
for (const input of document.querySelectorAll('input[name="scope"]')) input.addEventListener("change", poll);
$("which").addEventListener("change", () => { if (status) showChoice(); pollCharts().catch(() => poll()); });
document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else poll(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
poll();
