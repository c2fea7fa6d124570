// node types.js DASHBOARDS: whether each DASHBOARDS/*.json is one of @grafana/schema's dashboards, to the last key and enumerated word,
// with each panel's options and fields those of its kind. Says what is not, and fails.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

const KINDS = { timeseries: "TimeSeries", stat: "Stat", table: "Table", heatmap: "Heatmap" };

const module = (kind, name) => `@grafana/schema/dist/esm/raw/composable/${kind}/panelcfg/x/${name}PanelCfg_types.gen`;

// What is the Prometheus data source's own has no type in the package: these are the keys it knows.
const types = `
import type * as schema from "@grafana/schema";
${Object.entries(KINDS).map(([kind, name]) => `import type * as ${kind} from "${module(kind, name)}";`).join("\n")}

// JSON has words where the schema has string enumerations.
type Plain<T> = 0 extends 1 & T ? any
  : T extends string ? \`\${T}\`
  : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Target = Plain<schema.DataQuery> & {
  expr: string; legendFormat: string; format: "time_series" | "table" | "heatmap"; instant: boolean; range: boolean; exemplar: boolean; editorMode: "code";
};
type Fields<Custom> = {
  defaults: Plain<Omit<schema.FieldConfig, "custom">> & { custom: Partial<Plain<Custom>> };
  overrides: Plain<schema.FieldConfigSource["overrides"]>;
};
type Kind<Name, Options, Custom> = Plain<Omit<schema.Panel, "type" | "options" | "fieldConfig" | "targets">> & {
  type: Name; options: Partial<Plain<Options>>; fieldConfig: Fields<Custom>; targets: Target[];
};
type Panel = Kind<"timeseries", timeseries.Options, timeseries.FieldConfig> | Kind<"stat", stat.Options, {}>
  | Kind<"table", table.Options, table.FieldConfig> | Kind<"heatmap", heatmap.Options, heatmap.FieldConfig>;
type Annotation = Plain<schema.AnnotationQuery> & { expr: string; step: string; tagKeys: string; textFormat: string; titleFormat: string; useValueForTime: "on" };
type Variable = Plain<schema.VariableModel> & { definition?: string };
export type Dashboard = Plain<Omit<schema.Dashboard, "panels" | "annotations" | "templating">> & {
  panels: (Panel | Plain<schema.RowPanel>)[]; annotations: { list: Annotation[] }; templating: { list: Variable[] };
};
`;

const out = join(HERE, "types");
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "schema.ts"), types);
const files = readdirSync(process.argv[2]).filter((name) => name.endsWith(".json")).map((name) => {
  const file = join(out, name.replace(".json", ".ts"));
  const json = readFileSync(join(process.argv[2], name), "utf8");
  writeFileSync(file, `import type { Dashboard } from "./schema";\n\nexport const dashboard: Dashboard = ${json};\n`);
  return file;
});
const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler", "--noErrorTruncation"];
try {
  execFileSync(process.execPath, [join(HERE, "node_modules/typescript/bin/tsc"), ...options, ...files], { cwd: out });
} catch (error) {
  console.error(String(error.stdout));
  process.exit(1);
}
console.log(`${files.length} dashboards`);
