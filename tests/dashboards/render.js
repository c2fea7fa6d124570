// node render.js DASHBOARDS PROMETHEUS PICTURES SECONDS: draws each DASHBOARDS/*.json from what PROMETHEUS knows of the last SECONDS, in
// Chromium, as PICTURES/*.png; says what every panel says, as JSON by dashboard and title; fails on an error on the page.

import { copyFileSync, createReadStream, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createServer, request } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { build } from "esbuild";

const [dashboards, prometheus, pictures, seconds] = process.argv.slice(2);
const HERE = dirname(fileURLToPath(import.meta.url));
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml", json: "application/json" };
const PLACES = [
  [dashboards, "/dashboards/"],
  // The package lacks the icon of a panel that still waits for an answer; only a busy machine is slow enough to show it.
  [join(HERE, "node_modules/@grafana/ui/dist/public/img/icons/unicons/sync.svg"), "/public/build/img/icons/unicons/sync-slash.svg"],
  [join(HERE, "node_modules/@grafana/ui/dist/public"), "/public/build/"],
  [join(HERE, "node_modules/@fontsource/inter/files/inter-latin-400-normal.woff2"), "/public/fonts/inter/Inter-Regular.woff2"],
  [join(HERE, "node_modules/@fontsource/inter/files/inter-latin-500-normal.woff2"), "/public/fonts/inter/Inter-Medium.woff2"],
  [join(HERE, "dist"), "/"],
];
const HEADER = "data-testid Panel header ";
const WIDTH = 1500;
const ROW_PIXELS = 38;

// The titles of the panels that end in a canvas.
function graphs(name) {
  const { panels } = JSON.parse(readFileSync(join(dashboards, name), "utf8"));
  return panels.filter(({ type }) => type === "timeseries" || type === "heatmap").map(({ title }) => title);
}

await build({
  absWorkingDir: HERE, entryPoints: ["main.jsx"], outdir: "dist", bundle: true, format: "esm", jsx: "automatic", logLevel: "error",
  loader: { ".ttf": "empty" }, alias: { "react-router-dom-v5-compat": "react-router-dom" }, define: { "process.env.NODE_ENV": '"production"' },
});
copyFileSync(join(HERE, "index.html"), join(HERE, "dist/index.html"));

// The page, the dashboards, and Prometheus behind the same address.
const server = createServer((asked, answer) => {
  const path = decodeURIComponent(asked.url.split("?")[0]);
  if (path.startsWith("/api/v1/")) {
    return request(prometheus + asked.url, (found) => { answer.writeHead(found.statusCode, found.headers); found.pipe(answer); }).end();
  }
  const [place, below] = PLACES.find(([, below]) => path.startsWith(below));
  const stream = createReadStream(join(place, path === "/" ? "index.html" : path.slice(below.length)));
  stream.on("error", () => answer.writeHead(404).end());
  stream.on("open", () => answer.setHeader("content-type", TYPES[path.split(".").pop()] ?? (path === "/" ? TYPES.html : "application/octet-stream")));
  stream.pipe(answer);
}).listen(0, "127.0.0.1");

async function render(page, name) {
  const problems = [];
  page.on("pageerror", (error) => problems.push(`${name}: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && problems.push(`${name}: ${message.text()} ${message.location().url}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/?dashboard=${name}&seconds=${seconds}`);
  const panels = page.locator(`section[data-testid^="${HEADER}"]`);
  await panels.first().waitFor();
  // The grid is as high as its last panel; all of it is in sight, so that all of it is drawn.
  const height = await page.evaluate(() => Math.max(...[...document.querySelectorAll("section[data-testid]")].map((one) => one.getBoundingClientRect().bottom)));
  await page.setViewportSize({ width: WIDTH, height: Math.ceil(height) + ROW_PIXELS });
  await page.waitForLoadState("networkidle");
  await page.waitForFunction(([graphs, header]) => [...document.querySelectorAll(`section[data-testid^="${header}"]`)].every((panel) => {
    const title = panel.dataset.testid.slice(header.length);
    return panel.innerText.includes("No data") || panel.innerText.includes("error happened")
      || (graphs.includes(title) ? panel.querySelector("canvas") : panel.innerText.trim().length > title.length && !panel.innerText.includes("Loading"));
  }), [graphs(name), HEADER]);
  const said = await panels.evaluateAll((all, header) => all.map((panel) => {
    const pixels = [...panel.querySelectorAll("canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let many = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 0 && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 40) many += 1;
      }
      return many;
    });
    const title = panel.dataset.testid.slice(header.length);
    return { title, text: panel.innerText, status: panel.querySelector('[data-testid*="status error"]') !== null, pixels: pixels.length ? Math.max(...pixels) : null };
  }), HEADER);
  await page.screenshot({ path: join(pictures, name.replace("json", "png")) });
  return { name, panels: said, problems };
}

mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const rendered = [];
for (const name of readdirSync(dashboards).filter((name) => name.endsWith(".json"))) {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 1000 } });
  rendered.push(await render(page, name));
  await page.close();
}
await browser.close();
server.close();
console.log(JSON.stringify(rendered, null, 1));
