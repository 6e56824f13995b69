/* Draws a dashboard with Grafana's own components, from answers that were fetched before (window.PICTURE, written by
 * make_picture.py): the same look as in Grafana, because the code is Grafana's, without a Grafana.
 *
 * Grafana itself does three things around its components, and so does this page: it makes frames of Prometheus'
 * answers, applies the panel's transformations, and then the field configuration with its overrides. Only the kinds
 * of panel that the dashboard uses are here. What goes wrong is said on the console, where make_picture.py looks. */
import {
    EventBusSrv, FieldConfigOptionsRegistry, FieldType, ThemeContext, applyFieldOverrides, createTheme, dateTime,
    getFieldDisplayValues, standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame,
} from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, PanelContextProvider, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { firstValueFrom } from "rxjs";
import "uplot/dist/uPlot.min.css";

const { dashboard, answers, from, to, mode, width: WIDTH } = window.PICTURE;
const ROW = 30;
const GAP = 8;
const STANDARD = ["unit", "min", "max", "decimals", "displayName", "noValue", "thresholds", "mappings", "links",
                  "color", "filterable"];
const theme = createTheme({ colors: { mode } });
const ends = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
const timeRange = { ...ends, raw: ends };
const asIs = (text) => text;

standardTransformersRegistry.setInit(() => {
    const known = new Map(Object.values(standardTransformers).map((info) => [info.id, info]));
    return [...known.values()].map((info) => ({
        id: info.id, name: info.name, editor: () => null, transformation: () => Promise.resolve(info),
    }));
});

/* Grafana drops what is not registered, so every option the panel uses is. */
function optionsRegistry(panel) {
    const custom = new Set(Object.keys(panel.fieldConfig.defaults.custom || {}));
    for (const { properties } of panel.fieldConfig.overrides) {
        for (const { id } of properties.filter((property) => property.id.startsWith("custom."))) {
            custom.add(id.slice("custom.".length));
        }
    }
    const option = (id, path, isCustom) => ({
        id, path, isCustom, name: id, settings: {}, editor: () => null, override: () => null, process: asIs,
        shouldApply: () => true,
    });
    return new FieldConfigOptionsRegistry(() => [
        ...STANDARD.map((id) => option(id, id, false)), ...[...custom].map((id) => option(`custom.${id}`, id, true)),
    ]);
}

/* format "table": one frame per query, a column per label. */
function tableFrame(target, series) {
    const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
    return toDataFrame({ refId: target.refId, fields: [
        { name: "Time", type: FieldType.time, values: series.map((one) => one.value[0] * 1000) },
        ...labels.map((name) => (
            { name, type: FieldType.string, values: series.map((one) => one.metric[name] || "") })),
        { name: `Value #${target.refId}`, type: FieldType.number, values: series.map((one) => Number(one.value[1])) },
    ] });
}

/* Otherwise one frame per series, named by the legend. */
function seriesFrame(target, one) {
    const name = target.legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => one.metric[label] || "");
    return toDataFrame({ refId: target.refId, name, fields: [
        { name: "Time", type: FieldType.time, config: { interval: 1000 },
          values: one.values.map(([at]) => at * 1000) },
        { name: "Value", type: FieldType.number, labels: one.metric, config: { displayNameFromDS: name },
          values: one.values.map(([, value]) => Number(value)) },
    ] });
}

async function prepare(panel) {
    let data = panel.targets.flatMap((target) => {
        const series = answers[`${panel.id} ${target.refId}`];
        return target.format === "table" ? [tableFrame(target, series)]
                                         : series.map((one) => seriesFrame(target, one));
    });
    if (panel.transformations) {
        data = await firstValueFrom(transformDataFrame(panel.transformations, data));
    }
    data = applyFieldOverrides({ data, fieldConfig: panel.fieldConfig, replaceVariables: asIs, theme, timeZone: "utc",
                                 fieldConfigRegistry: optionsRegistry(panel) });
    for (const field of data.flatMap((frame) => frame.fields)) {
        if (field.config.displayName) {
            field.state = { ...field.state, displayName: field.config.displayName };
        }
    }
    return data;
}

function Stat({ panel, data, width, height }) {
    const { options, fieldConfig } = panel;
    const getValues = () => getFieldDisplayValues({
        data, fieldConfig, theme, reduceOptions: options.reduceOptions, replaceVariables: asIs, timeZone: "utc",
        sparkline: options.graphMode !== "none" });
    return <VizRepeater getValues={getValues} source={data} width={width} height={height} orientation="auto"
        renderCounter={0} renderValue={({ value, width, height }) => (
            <BigValue value={value.display} sparkline={value.sparkline} colorMode={options.colorMode}
                graphMode={options.graphMode} textMode={options.textMode} justifyMode={options.justifyMode}
                width={width} height={height} theme={theme} />)} />;
}

function Content({ panel, data, width, height }) {
    if (data.length === 0) {
        console.info(`EMPTY ${panel.title}`);
        return <div style={{ padding: 20 }}>{panel.fieldConfig.defaults.noValue || "No data"}</div>;
    }
    if (panel.type === "stat") {
        return <Stat panel={panel} data={data} width={width} height={height} />;
    }
    if (panel.type === "table") {
        return <TableNG data={data[0]} width={width} height={height} cellHeight={panel.options.cellHeight}
            fieldConfig={panel.fieldConfig} timeRange={timeRange} enableSharedCrosshair={false}
            getActions={() => []} structureRev={1} />;
    }
    return <TimeSeries frames={data} width={width} height={height} timeRange={timeRange} timeZone="utc"
        structureRev={1} legend={panel.options.legend} options={panel.options} />;
}

function Panel({ panel }) {
    const [data, setData] = useState();
    useEffect(() => {
        if (panel.type !== "row") {
            prepare(panel).then(setData, (error) => console.error(`${panel.title}: ${error}`));
        }
    }, []);
    const { x, y, w, h } = panel.gridPos;
    const place = { position: "absolute", left: (x * WIDTH) / 24 + GAP / 2, top: y * (ROW + GAP) + GAP / 2,
                    width: (w * WIDTH) / 24 - GAP, height: h * (ROW + GAP) - GAP };
    if (panel.type === "row") {
        return <div style={{ ...place, lineHeight: `${ROW}px`, fontWeight: 500 }}>⌄ {panel.title}</div>;
    }
    return <div style={place}>
        <PanelChrome title={panel.title} description={panel.description} width={place.width} height={place.height}
            padding={panel.type === "stat" ? "none" : "md"}>
            {(width, height) => data && <Content panel={panel} data={data} width={width} height={height} />}
        </PanelChrome>
    </div>;
}

createRoot(document.getElementById("root")).render(
    <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <PanelContextProvider value={{ eventsScope: "picture", eventBus: new EventBusSrv() }}>
            <div style={{ position: "relative", width: WIDTH, minHeight: "100vh",
                          background: theme.colors.background.canvas }}>
                {dashboard.panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
            </div>
        </PanelContextProvider>
    </ThemeContext.Provider>);
