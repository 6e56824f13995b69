/* Holds a dashboard against Grafana's own types: node check_schema.mjs DASHBOARD.json
 *
 * @grafana/schema ships the TypeScript types of a dashboard and of each kind of panel. They are turned into JSON Schema
 * and applied strictly: a key Grafana does not know, a missing one or a wrong value is a complaint, one line each, and
 * exit status 1. Panels are checked one by one, so that a complaint names the panel. What the types lack although
 * Grafana reads it (the query of an annotation) is listed at the top. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import Ajv from "ajv";
import { createGenerator } from "ts-json-schema-generator";

const TYPES = join(dirname(fileURLToPath(import.meta.url)), "node_modules/@grafana/schema/dist/types/raw");
const PROMETHEUS_ANNOTATION = ["expr", "titleFormat", "textFormat", "step", "useValueForTime"];
const ajv = new Ajv({ allErrors: true, strict: false });
const compiled = new Map();
let complaints = 0;

function validator(file, type) {
    const key = `${file} ${type}`;
    if (!compiled.has(key)) {
        const path = join(TYPES, file, "x/types.gen.d.ts");
        const config = { path, type, skipTypeCheck: true, additionalProperties: false };
        compiled.set(key, ajv.compile(createGenerator(config).createSchema(type)));
    }
    return compiled.get(key);
}

function check(place, file, type, value) {
    const valid = validator(file, type);
    if (valid(value)) {
        return;
    }
    for (const error of valid.errors) {
        complaints++;
        console.error(`${place}${error.instancePath}: ${error.message} ${JSON.stringify(error.params)}`);
    }
}

function checkPanel(panel) {
    if (panel.type === "row") {
        check(`row ${panel.title}`, "dashboard", "RowPanel", panel);
        return;
    }
    check(`panel ${panel.title}`, "dashboard", "Panel", panel);
    const kind = `composable/${panel.type}/panelcfg`;
    check(`panel ${panel.title}/options`, kind, "Options", panel.options);
    if (panel.fieldConfig?.defaults?.custom) {
        check(`panel ${panel.title}/custom`, kind, "FieldConfig", panel.fieldConfig.defaults.custom);
    }
}

const dashboard = JSON.parse(readFileSync(process.argv[2], "utf8"));
dashboard.panels.forEach(checkPanel);
const rest = { ...dashboard, panels: [] };
rest.annotations = { list: dashboard.annotations.list.map(
    (one) => Object.fromEntries(Object.entries(one).filter(([key]) => !PROMETHEUS_ANNOTATION.includes(key)))) };
check("dashboard", "dashboard", "Dashboard", rest);
console.log(`${dashboard.panels.length} panels, ${complaints} complaints`);
process.exitCode = complaints ? 1 : 0;
