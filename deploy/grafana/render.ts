/** From a dashboard's value to Grafana's JSON, with Grafana's own SDK: what it does not know does not compile. */

import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import {
  type DataSourceRef,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  CustomVariableBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  FieldColorBuilder,
  FieldColorModeId,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type VariableModel,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder, PromQueryFormat } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table";
import { PanelBuilder as SeriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import type { DashboardSpec, Link, PanelSpec, Query, Threshold, VariableSpec } from "./spec.ts";

const DATASOURCE: DataSourceRef = { type: "prometheus", uid: variable("datasource") };
const TAG = "nodemesh";
const HEIGHT = 8;

/** Blue, yellow and dark red differ in brightness too: for people who do not tell red from green, on light and on dark. */
const COLORS: Readonly<Record<Threshold["level"], string>> = {
  good: "blue",
  warning: "yellow",
  bad: "dark-red",
};

/** The dashboard as Grafana reads it. */
export function renderDashboard(spec: DashboardSpec): Dashboard {
  const dashboard = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags([TAG])
    .timezone("browser")
    .time({ from: "now-1h", to: "now" })
    .refresh("30s")
    .withVariable(
      new DatasourceVariableBuilder("datasource").label("Prometheus").type("prometheus"),
    )
    .link(
      new DashboardLinkBuilder("nodemesh")
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
  for (const variable of spec.variables) dashboard.withVariable(variableOf(variable));
  let id = 0;
  for (const { title, panels } of spec.rows) {
    dashboard.withRow(new RowBuilder(title).id(++id));
    for (const panel of panels) dashboard.withPanel(panelOf(panel, ++id));
  }
  return dashboard.build();
}

function variableOf(spec: VariableSpec): Builder<VariableModel> {
  switch (spec.kind) {
    case "query": {
      const query = `label_values(${spec.metric}, ${spec.of})`;
      return new QueryVariableBuilder(spec.name)
        .label(spec.label)
        .datasource(DATASOURCE)
        .query(query)
        .definition(query)
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .sort(VariableSort.AlphabeticalAsc)
        .multi(spec.several)
        .includeAll(spec.several)
        .current(spec.several ? { text: "All", value: "$__all" } : { text: "", value: "" });
    }
    case "choice": {
      const [first = ""] = spec.values;
      return new CustomVariableBuilder(spec.name)
        .label(spec.label)
        .values(spec.values.join(","))
        .options(spec.values.map((value) => ({ text: value, value, selected: value === first })))
        .current({ text: first, value: first });
    }
  }
}

function panelOf(spec: PanelSpec, id: number): Builder<Panel> {
  const { title, description, unit, width, empty = "no data", link } = spec;
  const panel = kindOf(spec)
    .id(id)
    .title(title)
    .description(description)
    .datasource(DATASOURCE)
    .unit(unit)
    .height(HEIGHT)
    .span(width)
    .noValue(empty)
    .targets(spec.queries.map((query, i) => targetOf(query, spec.kind, i)));
  if (link !== undefined) panel.dataLinks([linkOf(link)]);
  return panel;
}

function kindOf(spec: PanelSpec): SeriesBuilder | StatBuilder | TableBuilder {
  switch (spec.kind) {
    case "series":
      return new SeriesBuilder()
        .legend(
          new VizLegendOptionsBuilder()
            .displayMode(LegendDisplayMode.List)
            .placement(LegendPlacement.Bottom)
            .showLegend(true),
        )
        .tooltip(
          new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
        )
        .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
        .min(0);
    case "stat":
      return new StatBuilder()
        .thresholds(stepsOf(spec.thresholds ?? [{ from: 0, level: "good" }]))
        .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds));
    case "table":
      return new TableBuilder()
        .withTransformation({ id: "organize", options: { excludeByName: { Time: true } } })
        .withTransformation({ id: "sortBy", options: { sort: [{ field: "Value", desc: true }] } });
  }
}

function stepsOf(thresholds: readonly Threshold[]): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(
    // The first one holds for whatever lies below it.
    thresholds.map(({ from, level }, i) => ({
      value: i === 0 ? null : from,
      color: COLORS[level],
    })),
  );
}

function targetOf(
  { expr, legend }: Query,
  kind: PanelSpec["kind"],
  index: number,
): DataqueryBuilder {
  const query = new DataqueryBuilder()
    .refId(String.fromCharCode("A".charCodeAt(0) + index))
    .expr(expr)
    .legendFormat(legend);
  return kind === "table"
    ? query.instant().format(PromQueryFormat.Table)
    : query.range().format(PromQueryFormat.TimeSeries);
}

/** A row's labels become variables of the dashboard that it leads to; what is chosen here already goes along. */
function linkOf({ title, to, labels, chosen = {} }: Link): DashboardLinkBuilder {
  const query = [
    variable("__url_time_range"),
    variable("datasource:queryparam"),
    ...Object.entries(labels).map(
      ([name, label]) => `var-${name}=${variable(`__data.fields.${label}:percentencode`)}`,
    ),
    ...Object.entries(chosen).map(
      ([name, here]) => `var-${name}=${variable(`${here}:percentencode`)}`,
    ),
  ].join("&");
  return new DashboardLinkBuilder(title).url(`/d/${to}?${query}`);
}

/** As Grafana writes what it puts in. */
function variable(name: string): string {
  return `\${${name}}`;
}
