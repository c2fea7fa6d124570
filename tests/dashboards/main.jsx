// Shows the dashboard that the address names (`?dashboard=bingo-overview.json&seconds=600`) as Grafana does: by its scenes.

import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { from } from "rxjs";
import {
  EventBusSrv, LoadingState, dataLinksOverrideProcessor, displayNameOverrideProcessor, identityOverrideProcessor, numberOverrideProcessor,
  standardFieldConfigEditorRegistry, standardTransformers, standardTransformersRegistry, stringOverrideProcessor,
  thresholdsOverrideProcessor, unitOverrideProcessor, valueMappingsOverrideProcessor,
} from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { setAppEvents, setPluginImportUtils, setRunRequest } from "@grafana/runtime";
import {
  ConstantVariable, CustomVariable, EmbeddedScene, QueryVariable, SceneDataTransformer, SceneGridItem, SceneGridLayout, SceneGridRow,
  SceneQueryRunner, SceneTimeRange, SceneVariableSet, VariableValueSelectors, VizPanel, registerRuntimeDataSource, sceneUtils,
} from "@grafana/scenes";
import { GlobalStyles } from "@grafana/ui";

import { plugins } from "./panels.jsx";
import { Prometheus, UID } from "./prometheus.js";

const STANDARD = [
  ["unit", unitOverrideProcessor], ["min", numberOverrideProcessor], ["max", numberOverrideProcessor], ["decimals", numberOverrideProcessor],
  ["displayName", displayNameOverrideProcessor], ["color", identityOverrideProcessor], ["noValue", stringOverrideProcessor],
  ["links", dataLinksOverrideProcessor], ["mappings", valueMappingsOverrideProcessor], ["thresholds", thresholdsOverrideProcessor],
];

function prepare() {
  setAppEvents(new EventBusSrv());
  standardFieldConfigEditorRegistry.setInit(() => STANDARD.map(([id, process]) =>
    ({ id, path: id, name: id, editor: () => null, override: () => null, process, shouldApply: () => true, settings: {} })));
  const transformers = new Map(Object.values(standardTransformers).map((transformer) => [transformer.id, transformer]));
  standardTransformersRegistry.setInit(() => [...transformers.values()].map((transformer) =>
    ({ id: transformer.id, name: transformer.name, transformation: () => Promise.resolve(transformer), editor: () => null })));
  setRunRequest((source, request) => from(source.query(request).then(
    ({ data }) => ({ state: LoadingState.Done, series: data, timeRange: request.range, request }),
    (error) => ({ state: LoadingState.Error, series: [], timeRange: request.range, request, error, errors: [error] }))));
  registerRuntimeDataSource({ dataSource: new Prometheus() });
  setPluginImportUtils({ getPanelPluginFromCache: () => undefined, importPanelPlugin: async (id) => { throw new Error(`no panel ${id}`); } });
  for (const [pluginId, plugin] of Object.entries(plugins)) sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
}

function variable({ name, label, type, ...of }) {
  const common = { name, label, isMulti: of.multi, includeAll: of.includeAll, allValue: of.allValue };
  const current = of.current && { value: of.current.value, text: of.current.text };
  switch (type) {
    case "datasource": return new ConstantVariable({ name, value: UID });
    case "custom": return new CustomVariable({ ...common, ...current, query: of.query });
    case "query": return new QueryVariable({ ...common, ...current, datasource: { uid: UID }, query: of.query, refresh: of.refresh, sort: of.sort, regex: of.regex });
    default: throw new Error(`${name}: ${type} is not known`);
  }
}

function item({ type, title, description, gridPos, targets, transformations, options, fieldConfig }) {
  const queries = targets.map((target) => ({ ...target, datasource: { uid: UID } }));
  const $data = new SceneDataTransformer({ transformations, $data: new SceneQueryRunner({ datasource: { uid: UID }, queries }) });
  if (type === "heatmap") {
    // Its unit is that of its scale, which the stand-in has not.
    fieldConfig = { ...fieldConfig, defaults: { ...fieldConfig.defaults, unit: options.cellValues.unit, color: { mode: "palette-classic" } } };
  }
  const body = new VizPanel({ pluginId: type, title, description, options, fieldConfig, $data });
  return new SceneGridItem({ x: gridPos.x, y: gridPos.y, width: gridPos.w, height: gridPos.h, body });
}

function grid(panels) {
  const children = [];
  for (const panel of panels) {
    if (panel.type === "row") {
      children.push(new SceneGridRow({ title: panel.title, y: panel.gridPos.y, isCollapsed: false, children: [] }));
      continue;
    }
    const row = children.findLast((child) => child instanceof SceneGridRow);
    if (row) row.setState({ children: [...row.state.children, item(panel)] });
    else children.push(item(panel));
  }
  return new SceneGridLayout({ children });
}

function scene({ templating, panels }, seconds) {
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({ from: `now-${seconds}s`, to: "now" }),
    $variables: new SceneVariableSet({ variables: templating.list.map(variable) }),
    controls: [new VariableValueSelectors({})],
    body: grid(panels),
  });
}

function Dashboard() {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    const asked = new URLSearchParams(location.search);
    fetch(`/dashboards/${asked.get("dashboard")}`)
      .then((response) => response.json())
      .then((dashboard) => setShown(scene(dashboard, asked.get("seconds"))));
  }, []);
  return <><GlobalStyles /><div style={{ display: "flex", paddingRight: 16 }}>{shown && <shown.Component model={shown} />}</div></>;
}

await initPluginTranslations("grafana-scenes");
prepare();
createRoot(document.getElementById("dashboard")).render(<Dashboard />);
