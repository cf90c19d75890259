// Checks Kubernetes objects against the schemas of kubernetes-models, strictly.
// Reads a JSON array of objects from standard input, prints a JSON array with a
// line of text for each fault. usage: strict.mjs FOLDER-OF-NODE-MODULES
//
// The schemas' validators check types, formats, enums and required fields, but
// pass over fields that they do not know. They read each field that they know of,
// so each object is shown to them through a proxy that notes what is read: what
// was never read is a field that the schema does not have.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const OPERATOR = "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoring";

const capital = (word) => word[0].toUpperCase() + word.slice(1);

// "apps/v1" and "Deployment": the file that has the validator.
function schemaFile(apiVersion, kind) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["core", apiVersion];
  if (group === "monitoring.coreos.com")
    return `@kubernetes-models/prometheus-operator/_schemas/${OPERATOR}${capital(version)}${kind}.js`;
  return `kubernetes-models/_schemas/IoK8sApi${capital(group.split(".")[0])}${capital(version)}${kind}.js`;
}

// The value as the validator is to see it; into seen: the paths of what it read.
function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  const inside = new Map();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key === "symbol" || !Object.hasOwn(target, key)) return target[key];
      seen.add(`${path}/${key}`);
      if (!inside.has(key)) inside.set(key, watched(target[key], `${path}/${key}`, seen));
      return inside.get(key);
    },
  });
}

function* unread(value, path, seen) {
  if (value === null || typeof value !== "object") return;
  for (const key of Object.keys(value)) {
    const there = `${path}/${key}`;
    if (seen.has(there)) yield* unread(value[key], there, seen);
    else yield there;
  }
}

async function faults(object) {
  const name = `${object.kind} ${object.metadata?.name}`;
  let validate;
  try {
    ({ validate } = await import(pathToFileURL(join(modules, schemaFile(object.apiVersion, object.kind)))));
  } catch (e) {
    return [`${name}: no schema of ${object.apiVersion} ${object.kind} (${e.message})`];
  }
  const seen = new Set();
  validate(watched(object, "", seen));
  return [
    ...(validate.errors ?? []).map((e) => `${name}: ${e.instancePath} is wrong: ${e.keyword} ${JSON.stringify(e.params)}`),
    ...[...unread(object, "", seen)].map((path) => `${name}: ${path} is not known`),
  ];
}

const lines = [];
for (const object of JSON.parse(readFileSync(0, "utf8"))) lines.push(...(await faults(object)));
console.log(JSON.stringify(lines));
