// What the API's own schemas do not say: the Prometheus Operator's resources against its definitions, and that every
// container fits the restricted profile and writes nothing of the other's.
// node kubernetes.mjs NODE_MODULES OBJECTS.yaml
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, file] = process.argv.slice(2).map((name) => path.resolve(name));
const yaml = createRequire(modules + "/")("js-yaml");
const operator = await import(`${modules}/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js`);

const objects = yaml.loadAll(fs.readFileSync(file, "utf8"));
const ofKind = (kind) => objects.filter((object) => object.kind === kind);

for (const object of objects.filter(({ apiVersion }) => apiVersion === "monitoring.coreos.com/v1")) {
  assert.ok(operator[object.kind], `${object.kind} is unknown`);
  new operator[object.kind](object).validate();
}

const pod = ofKind("Deployment")[0].spec.template.spec;
const containers = [...pod.initContainers, ...pod.containers];
assert.equal(pod.securityContext.runAsNonRoot, true);
assert.equal(pod.securityContext.seccompProfile.type, "RuntimeDefault");
for (const { name, securityContext: context } of containers) {
  assert.equal(context.allowPrivilegeEscalation, false, name);
  assert.equal(context.readOnlyRootFilesystem, true, name);
  assert.deepEqual(context.capabilities, { drop: ["ALL"] }, name);
  assert.ok(context.runAsUser > 0, name);
}

const sidecar = pod.initContainers.find(({ name }) => name === "bingo-exporter");
assert.equal(sidecar.restartPolicy, "Always");
const writers = pod.containers.map(({ securityContext }) => securityContext.runAsUser);
assert.ok(!writers.includes(sidecar.securityContext.runAsUser));
for (const { name, readOnly } of sidecar.volumeMounts) {
  assert.equal(readOnly === true, name !== "state", name);
}

// Selectors that select nothing are silent otherwise.
const labels = ofKind("Deployment")[0].spec.template.metadata.labels;
const selects = ({ matchLabels }) => Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
for (const kind of ["PodMonitor", "PodDisruptionBudget"]) {
  ofKind(kind).forEach(({ spec }) => assert.ok(selects(spec.selector), kind));
}
assert.ok(selects(ofKind("NetworkPolicy")[0].spec.podSelector));
const ports = containers.flatMap((container) => container.ports ?? []).map(({ name }) => name);
ofKind("PodMonitor").forEach(({ spec }) => assert.ok(ports.includes(spec.podMetricsEndpoints[0].port)));
