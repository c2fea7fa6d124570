// The panels' code stands in Grafana itself; what they are made of stands in its packages, and is put together here.

import { PanelPlugin, VizOrientation, cacheFieldDisplayNames, getFieldDisplayValues } from "@grafana/data";
import { BigValue, TimeSeries, useTheme2 } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";

const isEmpty = (series) => !series.some((frame) => frame.length > 0);

function Graph({ data, timeRange, timeZone, width, height, options }) {
  if (isEmpty(data.series)) return <div>No data</div>;
  return <TimeSeries frames={data.series} structureRev={data.structureRev} timeRange={timeRange} timeZone={timeZone}
    width={width} height={height} legend={options.legend} options={options} />;
}

// The heatmap's drawing stands in no package: its buckets are stacked instead.
function Heatmap(props) {
  const legend = { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] };
  return <Graph {...props} options={{ ...props.options, legend }} />;
}

function Stat({ data, fieldConfig, width, height, options, replaceVariables, timeZone }) {
  const theme = useTheme2();
  const values = getFieldDisplayValues({ fieldConfig, reduceOptions: options.reduceOptions, replaceVariables, theme, data: data.series, timeZone });
  return <div style={{ display: "flex" }}>{values.map(({ display }, index) =>
    <BigValue key={index} value={display} theme={theme} width={width / values.length} height={height} colorMode={options.colorMode}
      graphMode={options.graphMode} justifyMode={options.justifyMode} textMode={options.textMode} orientation={VizOrientation.Auto} />)}</div>;
}

function Table({ data, width, height, options, fieldConfig, timeRange }) {
  if (isEmpty(data.series)) return <div>No data</div>;
  cacheFieldDisplayNames(data.series);
  return <TableNG data={data.series[0]} width={width} height={height} noHeader={!options.showHeader} cellHeight={options.cellHeight}
    sortBy={options.sortBy} fieldConfig={fieldConfig} timeRange={timeRange} structureRev={data.structureRev} enableVirtualization={false} />;
}

// Defaults of the settings of a series, or of a column.
const GRAPH = {
  drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, lineStyle: { fill: "solid" }, fillOpacity: 0, gradientMode: "none",
  showPoints: "auto", pointSize: 5, spanNulls: false, insertNulls: false, barAlignment: 0, barWidthFactor: 0.6, showValues: false,
  stacking: { mode: "none", group: "A" }, hideFrom: { viz: false, legend: false, tooltip: false }, axisPlacement: "auto", axisLabel: "",
  axisColorMode: "text", axisBorderShow: false, axisCenteredZero: false, scaleDistribution: { type: "linear" }, thresholdsStyle: { mode: "off" },
  transform: undefined, fillBelowTo: undefined, axisSoftMin: undefined, axisSoftMax: undefined, axisWidth: undefined, axisGridShow: undefined, lineColor: undefined, fillColor: undefined,
};
const STACKED = { ...GRAPH, drawStyle: "bars", fillOpacity: 60, stacking: { mode: "normal", group: "A" } };
const COLUMN = { align: "auto", filterable: false, width: undefined, minWidth: undefined, cellOptions: { type: "auto" }, inspect: false };

function plugin(panel, custom = {}) {
  return new PanelPlugin(panel).useFieldConfig({
    useCustomConfig: (builder) => {
      for (const [path, defaultValue] of Object.entries(custom)) {
        builder.addCustomEditor({ id: path, path, name: path, defaultValue, editor: () => null, override: () => null, process: (value) => value, shouldApply: () => true });
      }
    },
  });
}

export const plugins = {
  timeseries: plugin(Graph, GRAPH),
  heatmap: plugin(Heatmap, STACKED),
  stat: plugin(Stat),
  table: plugin(Table, COLUMN),
};
