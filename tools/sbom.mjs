// node tools/sbom.mjs TARGET        what is in the binary, as CycloneDX 1.5 (JSON), on standard output
// node tools/sbom.mjs --check FILE  whether such a list is whole
//
// Three lists are made by cargo-cyclonedx and npm: of the server, of the WebAssembly module and of the web application.
// This puts them together.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const run = (program, args, cwd = root) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'inherit'] });

/** The list of each crate of the workspace is written beside it. */
function crates(target, wanted) {
  const name = 'sbom-of-this-build';
  const packages = JSON.parse(run('cargo', ['metadata', '--no-deps', '--format-version=1'])).packages;
  const file = (crate) => `${crate.manifest_path.replace(/Cargo\.toml$/, '')}${name}.json`;
  try {
    run(`${root}/target/tools/bin/cargo-cyclonedx`, [
      ...['cyclonedx', '--quiet', '--format=json', '--spec-version=1.5', '--no-build-deps'],
      ...[`--target=${target}`, `--override-filename=${name}`],
    ]);
    return JSON.parse(readFileSync(file(packages.find((crate) => crate.name === wanted)), 'utf8'));
  } finally {
    for (const crate of packages) rmSync(file(crate), { force: true });
  }
}

function make(target) {
  const server = crates(target, 'entrenous');
  const wasm = crates('wasm32-unknown-unknown', 'wasm');
  const web = JSON.parse(run('npm', ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'], `${root}/web`));
  const isTool = ({ properties = [] }) => properties.some(({ name }) => name === 'cdx:npm:package:development');
  const tools = new Set(web.components.filter(isTool).map((component) => component['bom-ref']));
  const main = server.metadata.component['bom-ref'];
  const components = new Map();
  const dependencies = new Map();
  for (const list of [server, wasm, web]) {
    if (list !== server) components.set(list.metadata.component['bom-ref'], list.metadata.component);
    for (const component of list.components) {
      if (!tools.has(component['bom-ref'])) components.set(component['bom-ref'], component);
    }
    for (const { ref, dependsOn = [] } of list.dependencies) {
      const on = dependsOn.filter((one) => !tools.has(one));
      if (!tools.has(ref)) dependencies.set(ref, new Set([...(dependencies.get(ref) ?? []), ...on]));
    }
  }
  // Both are carried inside the server.
  for (const list of [wasm, web]) dependencies.get(main).add(list.metadata.component['bom-ref']);
  const whole = {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', serialNumber: server.serialNumber, version: 1 },
    metadata: server.metadata,
    components: [...components.values()],
    dependencies: [...dependencies].map(([ref, on]) => ({ ref, dependsOn: [...on] })),
  };
  // Where it was built is nobody's business.
  return JSON.stringify(whole, null, 1).replaceAll(`file://${root}`, 'file://.');
}

function check(path) {
  const list = JSON.parse(readFileSync(path, 'utf8'));
  const fail = (what) => {
    throw new Error(`${path}: ${what}`);
  };
  if (list.bomFormat !== 'CycloneDX' || list.specVersion !== '1.5') fail('is no CycloneDX 1.5');
  const refs = new Set([list.metadata.component, ...list.components].map((component) => component['bom-ref']));
  if (refs.size !== list.components.length + 1) fail('a reference stands for two things');
  for (const { ref, dependsOn } of list.dependencies) {
    for (const one of [ref, ...dependsOn]) if (!refs.has(one)) fail(`${one} is missing`);
  }
  const names = new Set(list.components.map(({ name }) => name));
  for (const name of ['e2ee', 'libsqlite3-sys', 'mimalloc', 'ring', 'wasm-bindgen', 'svelte', 'bootstrap']) {
    if (!names.has(name)) fail(`${name} is not in it`);
  }
  if (list.components.some(({ purl }) => !purl)) fail('something has no address');
  console.error(`${path}: ${list.components.length} components`);
}

const [first, second] = process.argv.slice(2);
if (first === '--check') check(second);
else process.stdout.write(make(first) + '\n');
